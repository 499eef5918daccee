"""The check of `doctor` that says where a worker will begin, if Kafka has no committed offset.

It asks and decides as a worker does (`lake.tails`, `windows.lookup`), and changes nothing.
"""

from collections.abc import Iterable, Iterator

from streams.doctor.diagnosis import Check, Diagnosis, bad, good, one_line
from streams.errors import FalcolakeError
from streams.kafka import status
from streams.lake import tails
from streams.lake.reader import LakeReader
from streams.lake.session import connect
from streams.settings.settings import Settings
from streams.windows.lookup import decide
from streams.windows.window import Blocked

CHECK = "windows"


def checks(settings: Settings) -> list[Check]:
    """Return the check of the lake's windows."""
    return [Check(CHECK, "bucket", lambda: windows(settings))]


def windows(settings: Settings) -> Iterator[Diagnosis]:
    """Check that each partition without a committed offset can go on from the lake's windows."""
    found = status.read(settings)
    new = {each.partition: each for each in found.partitions if each.committed is None}
    if not new:
        yield good(CHECK, "not needed: every partition has a committed offset")
        return
    try:
        last = tails.find(LakeReader(settings.lake, connect(settings.lake)), found.topic, new)
    except FalcolakeError as error:
        yield bad(
            CHECK,
            f"{_named(new)} without a committed offset: a worker must see what the lake has of "
            f"it, but {one_line(error.message)}",
            one_line(error.hint),
        )
        return
    beginning, going = [], []
    for number, each in new.items():
        tail = last.get(number)
        where = decide(tail, found.topic_id, each.begin, each.end)
        if isinstance(where, Blocked):
            yield bad(
                CHECK, f"partition {number}: a worker will block it: {where.reason}", where.hint
            )
        elif tail is None:
            beginning.append(number)
        else:
            going.append(f"{number} at {tail.end}")
    if beginning:
        yield good(
            CHECK,
            f"{_named(beginning)} without a committed offset, and without windows in the lake: a "
            "worker begins with the first record",
        )
    if going:
        yield good(
            CHECK,
            "without a committed offset a worker goes on where the lake's windows end: partition "
            + ", ".join(going),
        )


def _named(numbers: Iterable[int]) -> str:
    return f"partition {', '.join(map(str, sorted(numbers)))}"
