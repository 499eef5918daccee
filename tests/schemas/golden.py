"""What the samples map to, kept: `python -m tests.schemas.golden` writes it anew.

A finding that changes without a new `MAPPING_VERSION` would change objects that are in a lake
already, so `test_golden.py` compares.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from schemas.mapping import MAPPING_VERSION, Mapping, Options
from tests.schemas.samples import SAMPLES, falcosidekick

PATH = Path(__file__).with_name("golden.json")
KINDS = (
    ("detection_finding", "1.1.0"),
    ("detection_finding", "1.8.0"),
    ("security_finding", "1.1.0"),
)


def findings() -> dict[str, Any]:
    """The samples' findings by class and release, without the raw alert."""
    made: dict[str, Any] = {"mapping_version": MAPPING_VERSION}
    for event_class, version in KINDS:
        mapping = Mapping(Options(event_class=event_class, ocsf_version=version))
        for name, alert in SAMPLES.items():
            finding = mapping.finding(falcosidekick(alert), 1_795_442_608_000)
            assert isinstance(finding, dict)
            made[f"{event_class} {version} {name}"] = {
                key: value for key, value in finding.items() if key != "raw_data"
            }
    return made


def main() -> None:
    """Write what the samples map to now, one finding a line."""
    lines = (f"{json.dumps(key)}: {json.dumps(value)}" for key, value in findings().items())
    PATH.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
