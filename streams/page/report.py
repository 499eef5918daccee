"""The report: everything that the status page shows, as JSON, of one worker at one moment.

Built from health, ledger and journal. It decides nothing, and contains nothing of an alert beyond
what the journal keeps.
"""

import socket
from importlib.metadata import version
from typing import Any

from streams import clock
from streams.control.fleet import Fleet
from streams.page.health import Health
from streams.settings.settings import Settings
from streams.windows.progress import Progress
from streams.windows.window import Partition
from streams.worker.journal import Journal

#: The most waiting windows to list, for a partition and for all of them.
LISTED = 50
LISTED_IN_ALL = 2000


class Reporter:
    """Builds the reports of one worker process."""

    def __init__(
        self, settings: Settings, health: Health, journal: Journal, fleet: Fleet, name: str
    ) -> None:
        self._settings = settings
        self._health = health
        self._journal = journal
        self._fleet = fleet
        self._name = name
        self._began = clock.now_ms()

    def fleet(self) -> dict[str, Any]:
        """Return all workers of the group as JSON types, and note that someone looks at them."""
        now = clock.now_ms()
        self._fleet.look(now)
        return self._fleet.plain(now, self._name)

    def plain(self) -> dict[str, Any]:
        """Return the report as JSON types. Times are epoch ms, durations seconds."""
        settings, now = self._settings, clock.now_ms()
        ledger = self._health.ledger
        problems = self._health.blockers()
        held = {each.partition for each in problems if each.kind == "held"}
        partitions = []
        if ledger is not None:
            listed = min(LISTED, LISTED_IN_ALL // max(1, len(ledger.partitions)))
            partitions = [
                self._partition(
                    each, ledger.partitions[each.partition], each.partition in held, listed
                )
                for each in ledger.progress()
            ]
        return {
            "now": now,
            "began": self._began,
            "worker": settings.kafka.group_instance_id or socket.gethostname(),
            "version": version("falcolake"),
            "topic": settings.kafka.topic,
            "group": settings.kafka.group_id,
            "lake": f"s3://{settings.lake.bucket}/{settings.lake.prefix}",
            "interval": settings.window.interval,
            "ready": self._health.readiness()["ready"],
            "draining": self._health.draining,
            "problems": [each.plain() for each in (*problems, *self._health.delays())],
            "waiting": self._health.waiting(),
            "partitions": partitions,
            "staging": self._staging(),
            **self._journal.plain(now),
        }

    def _staging(self) -> dict[str, int | None]:
        usage = self._health.ledger.usage if self._health.ledger else None
        disk = self._settings.staging
        return {
            "bytes": usage.staged if usage else None,
            "free": usage.free if usage else None,
            "max_bytes": disk.max_bytes,
            "min_free_bytes": disk.min_free_bytes,
        }

    @staticmethod
    def _partition(
        progress: Progress, partition: Partition, held: bool, listed: int
    ) -> dict[str, Any]:
        opened = partition.open.oldest
        waiting = list(partition.sealed_windows())
        return {
            **progress._asdict(),
            "lag": progress.lag,
            "held": held,
            "blocked": partition.blocked is not None,
            "open": None
            if opened is None
            else {
                "first": partition.sealed_end,
                "records": partition.open_records,
                "oldest": opened,
            },
            "waiting": [
                {
                    "first": window.first,
                    "end": window.end,
                    "records": window.counts.records,
                    "oldest": window.oldest,
                }
                for window in waiting[:listed]
            ],
        }
