"""GitHub webhooks: `github.*`."""

from __future__ import annotations

from typing import Any

from schemas.ocsf.releases import Release, file_of
from schemas.sources.draft import ANY, DATA, Draft, Row, texts

_API = "evidences[].api"
_USER = "evidences[].actor.user"

_EACH = "One evidence per file; more than 10 files go to unmapped together."

ROWS: tuple[Row, ...] = (
    Row("github.type", (f"{_API}.operation",), "type.action"),
    Row("github.action", (f"{_API}.operation",), "type.action"),
    Row("github.user", (f"{_USER}.name",)),
    Row("github.org", (f"{_USER}.org.name",), "With a user."),
    Row("github.repo.name", ("resources[].name",), "Type Repository."),
    Row("github.repo", ("resources[].uid",), "If there is no github.repo.url."),
    Row("github.repo.url", ("resources[].uid", "evidences[].url.url_string"), "url from 1.3."),
    Row("github.owner", ("resources[].owner.name",), "With a repository."),
    Row("github.collaborator.name", ("evidences[].user.name", DATA), "Before 1.3: data."),
    Row("github.collaborator.role", (DATA,)),
    Row("github.repo.public", (DATA,)),
    Row("github.diff.committed_secrets.files", ("evidences[].file.path",), _EACH, ANY),
    *(
        Row(f"github.diff.committed_secrets.{name}", (DATA,), "", ANY)
        for name in ("desc", "lines", "links")
    ),
    Row("github.workflow.filename", ("evidences[].file.path",)),
)

_FILES = "github.diff.committed_secrets.files"
_MOST_FILES = 10


def build(draft: Draft, release: Release) -> None:
    """Add the event, who caused it, the repository, and the files it names."""
    fields = draft.fields
    pop = fields.pop
    if (operation := pop("github.type", None)) is not None:
        if (action := pop("github.action", None)) is not None:
            operation = f"{operation}.{action}"
        draft.evidence["api"] = {
            "operation": operation,
            "service": {"name": "github"},
            "request": {"uid": draft.uid},
        }
    if (name := pop("github.user", None)) is not None:
        user: dict[str, Any] = {"name": name}
        if (org := pop("github.org", None)) is not None:
            user["org"] = {"name": org}
        draft.evidence["actor"] = {"user": user}
        draft.observe("evidences[].actor.user.name", 4, name)
    _repository(draft, release)
    if release.from_1_3 and (other := pop("github.collaborator.name", None)) is not None:
        draft.evidence["user"] = {"name": other}
    _files(draft, release)


def _repository(draft: Draft, release: Release) -> None:
    fields = draft.fields
    url = draft.first("github.repo.url", "github.repo")
    name = fields.pop("github.repo.name", None)
    if url is None and name is None:
        return
    owner = fields.pop("github.owner", None)
    draft.resource(
        release,
        1,
        type="Repository",
        name=name,
        uid=url,
        owner={"name": owner} if owner is not None else None,
    )
    if url is not None:
        draft.observe("resources[].uid", 10, url)
        if release.from_1_3:
            draft.evidence["url"] = {"url_string": url}


def _files(draft: Draft, release: Release) -> None:
    """Add each file to an evidence: the first to the event's, each other to a new one."""
    fields = draft.fields
    paths = texts(fields.get(_FILES))
    if len(paths) > _MOST_FILES:
        paths = []
    elif paths:
        del fields[_FILES]
    if (workflow := fields.pop("github.workflow.filename", None)) is not None:
        paths.append(workflow)
    for path in paths[:1]:
        draft.evidence["file"] = file = file_of(path)
        draft.observe("evidences[].file.name", 7, file["name"])
        if release.modern:
            draft.observe("evidences[].file.path", 45, path)
    for path in paths[1:]:
        draft.other_file(file_of(path), release)
