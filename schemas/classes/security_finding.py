"""Class 2001, Security Finding, at OCSF 1.1.0: for lakes that registered that class.

OCSF 1.1.0 deprecated it in favour of 2004. It has one process and one `evidence`, which is JSON of
any shape. It has no device or actor, so the host's name goes to `metadata.loggers`.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from schemas.classes.envelope import (
    Product,
    RuleKey,
    analytic_of,
    attacks_of,
    loggers_of,
    page_of,
    rule_metadata_of,
    severity_of,
    types_of,
)
from schemas.falco.alert import Alert
from schemas.ocsf.parts import OF_PARENT, uid_of_process
from schemas.ocsf.releases import OTHER_FILE, Release
from schemas.sources.draft import Draft
from schemas.sources.scene import Scene

# Attributes of profiles that this class lacks; `evidence` keeps them.
_NOT_HERE = frozenset({"container", "namespace_pid", "auid", "group"})

NAMES = MappingProxyType(
    {
        "actor.user.name": "process.user.name",
        "device.hostname": "metadata.loggers[].device.hostname",
        "evidences[].process.name": "process.name",
        "evidences[].process.container.uid": "evidence.process.container.uid",
        "evidences[].process.container.hash.value": "evidence.process.container.hash.value",
        "evidences[].file.name": "evidence.file.name",
        OTHER_FILE: "evidence.others[].file.name",
        "evidences[].src_endpoint.ip": "evidence.src_endpoint.ip",
        "evidences[].src_endpoint.domain": "evidence.src_endpoint.domain",
        "evidences[].dst_endpoint.ip": "evidence.dst_endpoint.ip",
        "evidences[].dst_endpoint.hostname": "evidence.dst_endpoint.hostname",
        "evidences[].actor.user.name": "evidence.actor.user.name",
    }
)
"""Where this class has the attribute that an observable of a Detection Finding points at."""

_OF_PROCESS = ("pid", "cmd_line", "created_time", "tid", "namespace_pid")

# The same for every attribute, by the prefix of its path: in a Detection Finding, and here.
_PLACES = (
    ("evidences[].process.", ("process.", "evidence.process.")),
    ("evidences[].", ("evidence.", "evidence.others[].")),
    ("finding_info.analytic.", ("analytic.",)),
    ("finding_info.attacks[]", ("attacks[]",)),
    ("finding_info.data_sources[]", ("data_sources[]",)),
    ("finding_info.", ("finding.",)),
    ("device.", ("metadata.loggers[].device.",)),
    ("actor.", ()),
    ("", ("",)),
)


def places_of(attribute: str) -> tuple[str, ...]:
    """Return the paths in this class of a Detection Finding's attribute: none, one or several."""
    begins, places = next(row for row in _PLACES if attribute.startswith(row[0]))
    return tuple(place + attribute[len(begins) :] for place in places)


def rule_of(key: RuleKey, release: Release, product: Product) -> dict[str, Any]:
    """Return the part that all findings of a rule share."""
    rule: dict[str, Any] = {
        "activity_id": 1,
        "activity_name": "Create",
        "category_uid": 2,
        "category_name": "Findings",
        "class_uid": 2001,
        "class_name": "Security Finding",
        "type_uid": 200101,
        "type_name": "Security Finding: Create",
        "timezone_offset": 0,
        **severity_of(key),
        "state_id": 1,
        "state": "New",
        "metadata": rule_metadata_of(key, release, product),
        "analytic": analytic_of(key),
        "data_sources": [key.source],
        "finding": {"title": key.name, "types": types_of(key)},
    }
    if found := attacks_of(key):
        rule["attacks"] = found
    if page := page_of(key):
        rule["finding"]["src_url"] = page
    return rule


def scene_of(scene: Scene, release: Release) -> dict[str, Any]:
    """Return the part shared by findings with the same host, container, user and program.

    Process and evidence go to the body, because this class has its evidence as one JSON text.
    """
    part: dict[str, Any] = {}
    if scene.hostname is not None:
        part["metadata"] = {"loggers": loggers_of(scene.hostname, release)}
    if scene.shared.cloud:
        part["cloud"] = scene.shared.cloud
    if scene.resources:
        part["resources"] = scene.resources
    if scene.observables:
        part["observables"] = scene.observables
    return part


def body_of(
    _alert: Alert, draft: Draft, scene: Scene, _raw: str, _release: Release
) -> dict[str, Any]:
    """Return the part that neither rule nor scene has."""
    body: dict[str, Any] = {}
    if draft.related:
        body["finding"] = {"related_events": draft.related}
    if "process" in draft.evidence:
        draft.evidence["process"] = _whole(_with_own(draft), scene.process)
        body["process"] = _process(draft.evidence["process"])
    draft.evidence |= scene.evidence
    if draft.evidence or draft.more_evidences:
        body["evidence"] = _evidence(draft)
    if draft.cloud:
        body["cloud"] = draft.cloud
    if draft.resources:
        body["resources"] = draft.resources
    if draft.observables:
        body["observables"] = draft.observables
    return body


def profiles_of(draft: Draft, scene: Scene, _release: Release) -> tuple[str, ...]:
    """Return exactly the profiles whose attributes the finding has."""
    return ("datetime", "cloud") if draft.cloud or scene.shared.cloud else ("datetime",)


def _with_own(draft: Draft) -> dict[str, Any]:
    """Return the process of the body with the values that another class has in columns."""
    own = draft.own
    process: dict[str, Any] = {"uid": uid_of_process(draft.uid)} if "pid" not in own else {}
    process |= {name: own[name] for name in _OF_PROCESS if name in own}
    if "session_uid" in own:
        process["session"] = {"uid": own["session_uid"]}
    process |= draft.evidence["process"]
    if "parent_process" in process:
        parent = {name: own[column] for name, column in OF_PARENT if column in own}
        parent |= process["parent_process"]
        if "pid" not in parent:
            parent["uid"] = uid_of_process(draft.uid, ":parent")
        process["parent_process"] = parent
    return process


def _whole(own: dict[str, Any], shared: dict[str, Any]) -> dict[str, Any]:
    """Return the process joined from its two parts; both may have the parent and the session."""
    both = own.keys() & shared.keys()
    return own | shared | {name: shared[name] | own[name] for name in both}


def _process(process: dict[str, Any]) -> dict[str, Any]:
    """Return the process without the attributes that this class has no profile for."""
    made = {name: value for name, value in process.items() if name not in _NOT_HERE}
    if "parent_process" in made:
        parent = made["parent_process"]
        made["parent_process"] = {
            name: value for name, value in parent.items() if name not in _NOT_HERE
        }
    return made


def _evidence(draft: Draft) -> dict[str, Any]:
    """Return the first evidence, with any others in it under `others`."""
    first, *others = (draft.evidence, *draft.more_evidences)
    return {**first, "others": others} if others else first
