"""Checks everything that a worker needs, and says what to do about what is missing.

Asks Kafka, the lake and this machine. Changes nothing, except for one empty object in the lake (see
`doctor.lake`) and a consumer group that is deleted afterwards (see `doctor.group`).
"""

from collections.abc import Iterator
from pathlib import Path

from streams.doctor import disk as disk_checks
from streams.doctor import kafka as kafka_checks
from streams.doctor import lake as lake_checks
from streams.doctor import windows as windows_checks
from streams.doctor.diagnosis import Check, Diagnosis, bad, examine, good, one_line, warning
from streams.errors import Misconfigured
from streams.settings.load import load
from streams.settings.settings import Settings


def diagnose(config: Path | None, timeout: float) -> Iterator[Diagnosis]:
    """Run every check, each for at most `timeout` seconds, and yield the diagnoses.

    Settings that cannot be used are the only diagnosis then.
    """
    try:
        settings = load(config)
    except Misconfigured as error:
        hints = one_line(error.hint)
        for line in error.message.splitlines():
            yield bad("settings", line, hints)
        return
    yield from examine(
        [
            Check("settings", None, lambda: settled(settings)),
            *kafka_checks.checks(settings),
            *lake_checks.checks(settings),
            *windows_checks.checks(settings),
            *disk_checks.checks(settings),
        ],
        timeout,
    )


def settled(settings: Settings) -> Iterator[Diagnosis]:
    """Check that required settings are set, and warn of those that are allowed but odd."""
    settings.require_lake()
    found = settings.warnings()
    for each in found:
        yield warning("settings", each, "'falcolake settings' shows where each value comes from")
    if not found:
        yield good("settings", "complete and consistent")
