"""The user and group of the process."""

from __future__ import annotations

from tests.schemas.sources.rows import SAME, USER, Case, P, check, each

CASES = [
    Case("user.name", "root", {}, ("actor.user.name", SAME), (f"{P}.user.type_id", 2)),
    Case("user.uid", 4294967295, {}, (f"{USER}.uid", "4294967295"), None),
    Case("user.loginuid", -1, {"user.name": "a"}, (f"{P}.auid", None), None),
    Case("user.loginuid", 4294967295, {"user.name": "a"}, (f"{P}.auid", None), None),
    Case("user.loginuid", 1000, {}, (f"{P}.auid", SAME), None),
    Case("group.name", "wheel", {}, (f"{P}.group.name", SAME), None),
    Case("group.gid", 10, {}, (f"{P}.group.uid", "10"), None),
]


@each(CASES)
def test_a_field_goes_to_its_attribute(case: Case) -> None:
    check(case)
