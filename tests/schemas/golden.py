"""What the sample alerts map to; `python -m tests.schemas.golden` writes it again.

A finding that changes without a new `MAPPING_VERSION` would change objects that are already in a
lake, so `test_golden.py` compares.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from schemas.mapping import MAPPING_VERSION
from tests.alerts import SAMPLES, falcosidekick
from tests.schemas.kinds import MAPPINGS, finding_of

PATH = Path(__file__).with_name("golden.json")


def findings() -> dict[str, Any]:
    """Return the findings by class and release, without the raw alert."""
    made: dict[str, Any] = {"mapping_version": MAPPING_VERSION}
    for (event_class, version), mapping in MAPPINGS.items():
        for name, alert in SAMPLES.items():
            finding = finding_of(mapping, falcosidekick(alert), 1_795_442_608_000)
            made[f"{event_class} {version} {name}"] = {
                key: value for key, value in finding.items() if key != "raw_data"
            }
    return made


def main() -> None:
    """Write what the alerts map to now, one finding per line."""
    lines = (f"{json.dumps(key)}: {json.dumps(value)}" for key, value in findings().items())
    PATH.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
