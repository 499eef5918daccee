"""All that must hold before a worker can do its work, and what to do where it does not.

Asks Kafka, the lake and this machine; changes nothing but for one empty object in the lake and a
consumer group that is deleted again (see `lake_checks`, `kafka_checks`).
"""

from collections.abc import Iterator
from pathlib import Path

from streams.doctor import disk as disk_checks
from streams.doctor import kafka as kafka_checks
from streams.doctor import lake as lake_checks
from streams.doctor.diagnosis import Check, Diagnosis, bad, examine, good, one_line, warning
from streams.errors import Misconfigured
from streams.settings.load import load
from streams.settings.settings import Settings


def diagnose(config: Path | None, timeout: float) -> Iterator[Diagnosis]:
    """Run every check, each for at most `timeout` seconds; yield one diagnosis after the other.

    Settings that cannot be used are a diagnosis too, and the only one then.
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
            *disk_checks.checks(settings),
        ],
        timeout,
    )


def settled(settings: Settings) -> Iterator[Diagnosis]:
    """What must be set is set, and what is allowed but odd is named."""
    settings.require_lake()
    found = settings.warnings()
    for each in found:
        yield warning("settings", each, "'falcolake settings' shows where each value is from")
    if not found:
        yield good("settings", "complete, and none contradicts another")
