"""The recount: asks Kafka whether offsets without a record really have none.

A window can have fewer records than offsets: transactions leave markers, compaction deletes
records. A worker that lost a record would look the same, so the audit counts again where it can.
"""

from collections.abc import Iterable, Iterator

from streams.audit.coverage import Coverage, LakeWindow, Problem
from streams.kafka.scan import open_consumer, scan
from streams.settings.settings import Settings

#: The most offsets to read, newest windows first: a topic with transactions has gaps everywhere.
MOST = 2_000_000


def recount(
    settings: Settings, partitions: Iterable[Coverage], topic_id: str = ""
) -> Iterator[tuple[Coverage, Problem]]:
    """Read the windows that have offsets without a record; yield those that should have more.

    Windows of a topic with another id are left out: Kafka no longer has their records.
    """
    doubtful = [
        (found, window)
        for found in partitions
        for window in found.windows
        if window.footers and window.absent and found.known and window.first >= found.known.begin
        if not topic_id or not window.topic_ids or topic_id in window.topic_ids
    ]
    doubtful.sort(key=lambda each: -each[1].end)
    if not doubtful:
        return
    budget = MOST
    with open_consumer(settings) as client:
        for found, window in doubtful:
            budget -= window.end - window.first
            if budget < 0:
                return
            offsets = {found.partition: (window.first, window.end)}
            there = sum(1 for _ in scan(client, found.topic, offsets))
            if there > window.counts.records:
                yield found, _problem(found, window, there)


def _problem(found: Coverage, window: LakeWindow, there: int) -> Problem:
    text = f"{window.counts.records} records, but Kafka has {there} in these offsets"
    return Problem("counts", text, found.topic, found.partition, window.first, window.end)
