"""The event itself: the syscall and its result → `api`; what has no attribute → `data`."""

from __future__ import annotations

from typing import Any

import msgspec

from schemas.memory import remembered
from schemas.ocsf.releases import Release, json_of
from schemas.sources.draft import ANY, DATA, Draft, Row, plain

_API = "evidences[].api"

CALL_ROWS: tuple[Row, ...] = (
    Row("evt.type", (f"{_API}.operation",), "Syscall source only."),
    Row("syscall.type", (f"{_API}.operation",), "If there is no evt.type."),
    Row(
        "evt.res",
        (f"{_API}.response.error", f"{_API}.response.message"),
        "message: for SUCCESS; error: for anything else.",
    ),
)
"""The call; part of the scene if its result is a word."""

RESULTS = ("evt.rawres", "krsi.res", "krsi.iou_ret")
"""Fields with a call's result as a number, which differs from alert to alert."""

ROWS: tuple[Row, ...] = (
    *(
        Row(field, (f"{_API}.response.code",), "The first that is a 32-bit integer.", ANY)
        for field in RESULTS
    ),
    *(
        Row(field, (DATA,), "One JSON object, keyed by Falco field.", ANY)
        for field in ("evt.arg*", "proc.is_exe_*", "json.value[*", "jevt.value[*")
    ),
)


def build_call(draft: Draft, _release: Release) -> None:
    """Add the syscall with its result."""
    fields = draft.fields
    draft.operation = fields.get("evt.type")
    if draft.source != "syscall" or "api" in draft.evidence:
        return
    operation = draft.first("evt.type", "syscall.type")
    if operation is not None:
        result = fields.pop("evt.res", None)
        code = next((n for n in map(draft.integer, RESULTS) if n is not None), None)
        draft.evidence["api"] = _api_of(operation, result, code)


def build(draft: Draft, release: Release) -> None:
    """Add the call if it is not in the scene, and what no builder has taken to the data."""
    fields = draft.fields
    evidence = draft.evidence
    if draft.operation is None and ("evt.type" in fields or "syscall.type" in fields):
        build_call(draft, release)
    data: dict[str, Any] = {}
    for field in draft.shape.data:
        if (value := fields.pop(field, None)) is not None:
            data[field] = value if value.__class__ is str else plain(value)
    if data:
        evidence["data"] = {**evidence["data"], **data} if "data" in evidence else data


@remembered
def _api_of(operation: str, result: str | None, code: int | None) -> msgspec.Raw:
    api: dict[str, Any] = {"operation": operation, "service": {"name": "syscall"}}
    response: dict[str, Any] = {}
    if result is not None:
        response["message" if result == "SUCCESS" else "error"] = result
    if code is not None:
        response["code"] = code
    if response:
        api["response"] = response
    return json_of(api)
