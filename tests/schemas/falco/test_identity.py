"""An alert that is delivered again has the same uid."""

from __future__ import annotations

from tests.alerts import SHELL, native
from tests.schemas.kinds import OLD, finding_of

CLOSE = "2026-11-23T14:03:27.123456788Z"


def test_an_alert_delivered_again_has_the_same_uid() -> None:
    uids = {finding_of(OLD, native(SHELL), at)["metadata"]["uid"] for at in (1, 2)}
    others = {
        finding_of(OLD, native({**SHELL, **change}), 1)["metadata"]["uid"]
        for change in ({"hostname": "b"}, {"rule": "b"}, {"output": "b"}, {"time": CLOSE})
    }

    assert len(uids) == 1
    assert len(others | uids) == 5
    assert {uid[14] for uid in others | uids} == {"5"}
