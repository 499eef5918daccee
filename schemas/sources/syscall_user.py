"""The user and group that a syscall's process ran as → `process`, `actor`."""

from __future__ import annotations

import msgspec

from schemas.falco.values import is_none
from schemas.memory import remembered
from schemas.ocsf.releases import Release, json_of
from schemas.sources.draft import ANY, Draft, Row

_PROCESS = "evidences[].process"

ROWS: tuple[Row, ...] = (
    Row("user.name", (f"{_PROCESS}.user.name", "evidences[].actor.user.name", "actor.user.name")),
    Row(
        "user.uid",
        (f"{_PROCESS}.user.uid", "evidences[].actor.user.uid", "actor.user.uid"),
        "Type Admin if 0; without a uid, if the name is root.",
    ),
    Row("user.loginuid", (f"{_PROCESS}.auid",), "-1: no login, left out.", ANY),
    Row("group.name", (f"{_PROCESS}.group.name",)),
    Row("group.gid", (f"{_PROCESS}.group.uid",)),
    Row("user.loginname", (), "OCSF has only the login user's id."),
    Row("user.shell", ()),
    Row("user.homedir", ()),
)


def build(draft: Draft, release: Release) -> None:
    """Add the user to the process and to the actors, and the group to the process."""
    fields = draft.fields
    pop = fields.pop
    name = pop("user.name", None)
    uid = pop("user.uid", None)
    if name is not None or uid is not None:
        user = _user_of(name, uid)
        draft.process()["user"] = draft.actor["user"] = user
        draft.evidence["actor"] = {"user": user}
        if name is not None:
            draft.observe("actor.user.name", 4, name)
    group_name = pop("group.name", None)
    gid = pop("group.gid", None)
    if group_name is not None or gid is not None:
        draft.process()["group"] = _group_of(group_name, gid)
        draft.profile("linux/linux_users")
    if is_none("user.loginuid", fields.get("user.loginuid")):
        pop("user.loginuid", None)
    elif (auid := draft.integer("user.loginuid", 0)) is not None:
        draft.process()["auid"] = auid
        draft.profile("linux/linux_users")


@remembered
def _user_of(name: str | None, uid: str | None) -> msgspec.Raw:
    admin = uid == "0" or (uid is None and name == "root")
    user = {} if name is None else {"name": name}
    if uid is not None:
        user["uid"] = uid
    kind = {"type_id": 2, "type": "Admin"} if admin else {"type_id": 0, "type": "Unknown"}
    return json_of(user | kind)


@remembered
def _group_of(name: str | None, gid: str | None) -> msgspec.Raw:
    group = {} if name is None else {"name": name}
    return json_of(group if gid is None else {**group, "uid": gid})
