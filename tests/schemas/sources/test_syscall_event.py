"""The syscall, its result and its arguments."""

from __future__ import annotations

from tests.schemas.sources.rows import (
    IN_DATA,
    RESPONSE,
    SAME,
    Case,
    E,
    check,
    each,
)

CASES = [
    Case(
        "evt.type", "execve", {}, (f"{E}.api.operation", SAME), (f"{E}.api.service.name", "syscall")
    ),
    Case("syscall.type", "execve", {}, (f"{E}.api.operation", SAME), None),
    Case("evt.res", "EACCES", {"evt.type": "open"}, (f"{RESPONSE}.error", SAME), None),
    Case("evt.res", "SUCCESS", {"evt.type": "open"}, (f"{RESPONSE}.message", SAME), None),
    Case("evt.rawres", -13, {"evt.type": "open"}, (f"{RESPONSE}.code", SAME), None),
    Case("krsi.res", 3, {"evt.type": "krsi_open"}, (f"{RESPONSE}.code", SAME), None),
    Case("krsi.iou_ret", 3, {"evt.type": "krsi_open"}, (f"{RESPONSE}.code", SAME), None),
    Case("json.value[/a/b]", "x", {"ct.name": "Put"}, (IN_DATA, SAME), None),
    Case("jevt.value[/a/b]", "x", {"ka.verb": "get"}, (IN_DATA, SAME), None),
    Case("evt.args", "fd=3", {}, (f"{E}.data", {"evt.args": "fd=3"}), None),
]


@each(CASES)
def test_a_field_goes_to_its_attribute(case: Case) -> None:
    check(case)
