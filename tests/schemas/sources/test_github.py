"""GitHub webhooks."""

from __future__ import annotations

from tests.schemas.sources.rows import (
    IN_DATA,
    SAME,
    USER,
    Case,
    E,
    check,
    each,
)

CASES = [
    Case(
        "github.type", "push", {}, (f"{E}.api.operation", SAME), (f"{E}.api.service.name", "github")
    ),
    Case(
        "github.action",
        "publicized",
        {"github.type": "repository"},
        (f"{E}.api.operation", "repository.publicized"),
        None,
    ),
    Case("github.user", "alice", {}, (f"{USER}.name", SAME), None),
    Case("github.org", "acme", {"github.user": "a"}, (f"{USER}.org.name", SAME), None),
    Case("github.repo.name", "r", {}, ("resources.0.name", SAME), None),
    Case("github.repo", "https://g/r", {}, ("resources.0.uid", SAME), None),
    Case(
        "github.repo.url",
        "https://g/r",
        {},
        ("resources.0.uid", SAME),
        (f"{E}.url.url_string", SAME),
    ),
    Case("github.owner", "acme", {"github.repo.name": "r"}, ("resources.0.owner.name", SAME), None),
    Case("github.collaborator.name", "bob", {}, (IN_DATA, SAME), (f"{E}.user.name", SAME)),
    Case("github.collaborator.role", "admin", {}, (IN_DATA, SAME), None),
    Case("github.repo.public", "true", {}, (IN_DATA, SAME), None),
    *(
        Case(f"github.diff.committed_secrets.{name}", ["a"], {}, (IN_DATA, SAME), None)
        for name in ("desc", "lines", "links")
    ),
    Case(
        "github.diff.committed_secrets.files",
        ["a", "b"],
        {},
        (f"{E}.file.path", "a"),
        ("evidences.1.file.path", "b"),
    ),
    Case("github.workflow.filename", "ci.yml", {}, (f"{E}.file.path", SAME), None),
]


@each(CASES)
def test_a_field_goes_to_its_attribute(case: Case) -> None:
    check(case)
