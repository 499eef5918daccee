"""The findings of a mapping version never change."""

from __future__ import annotations

import json

from tests.schemas.golden import PATH, findings


def test_findings_change_only_with_the_mapping_version() -> None:
    kept, now = json.loads(PATH.read_text()), findings()
    changed = [name for name in kept.keys() | now.keys() if kept.get(name) != now.get(name)]

    assert changed == [], (
        "Findings have changed. If that is intended, increment MAPPING_VERSION in"
        " schemas/mapping.py and run python -m tests.schemas.golden."
    )
    assert "mapping_version" not in changed
