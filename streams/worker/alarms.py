"""Alarms: what a person has to know of a partition's log, each logged as an error once.

Records that Kafka deleted unread are counted; blocked partitions are shown until they no longer
are. Nothing here survives a restart: the next worker finds the same and reports it again.
"""

import logging
from collections.abc import Iterable, Mapping

from streams.windows.batch import Found
from streams.windows.progress import Delay
from streams.windows.window import Blocked, Partition
from streams.worker.logs import facts
from streams.worker.metrics import Metrics
from streams.worker.takeover import LOOKING, Losses

log = logging.getLogger(__name__)


class Alarms:
    """The alarms of one worker. `blocked` has since when partitions are, in monotonic seconds."""

    def __init__(self, metrics: Metrics) -> None:
        self.blocked: dict[int, float] = {}
        self._metrics = metrics
        self._losses = Losses()
        self._said: dict[int, Blocked] = {}
        #: Where the transactions begin that are reported as open for long, by partition.
        self._delayed: dict[int, int] = {}

    def took_over(self, found: Mapping[int, Found], partitions: Mapping[int, Partition]) -> None:
        """Report the offsets that were deleted between the last commit and an assignment."""
        for number, state in found.items():
            self._lost(number, self._losses.at_takeover(partitions[number], state))

    def skipped(self, number: int, expected: int, start: int) -> None:
        """Report the offsets that were deleted where `expected` comes next and the log starts."""
        self._lost(number, self._losses.between(number, expected, start))

    def _lost(self, number: int, lost: range) -> None:
        if not lost:
            return
        self._metrics.lost(number, len(lost))
        log.error(
            "partition %d: Kafka's retention deleted offsets %d to %d before they were read: "
            "lengthen the topic's retention or add workers",
            number,
            lost[0],
            lost[-1],
        )

    def vanished(self, number: int, lost: range) -> None:
        """Report staged offsets that Kafka no longer has, because the log was cut."""
        self._metrics.lost(number, len(lost))
        log.error(
            "partition %d: Kafka lost offsets %d to %d after they were read and before they were "
            "sealed: was there an unclean leader election, or did a broker lose its disk?",
            number,
            lost[0],
            lost[-1],
        )

    def show_delays(self, found: Iterable[Delay]) -> None:
        """Log each transaction that has been open for long, once, and that it has ended."""
        delays = {delay.partition: delay for delay in found}
        for number, delay in delays.items():
            if self._delayed.get(number) != delay.first:
                log.warning("partition %d: %s: %s", number, delay.reason, delay.hint)
        for number in self._delayed.keys() - delays.keys():
            log.info("partition %d: no transaction has been open for long any more", number)
        self._delayed = {number: delay.first for number, delay in delays.items()}

    def show_blocked(self, partitions: Mapping[int, Partition], monotonic: float) -> None:
        """Publish which of the worker's partitions are blocked, and why."""
        found = {
            n: each.blocked
            for n, each in partitions.items()
            if each.blocked is not None and each.blocked != LOOKING
        }
        for number in self.blocked.keys() - found.keys():
            del self.blocked[number]
            self._metrics.unblocked(number)
        for number, blocked in sorted(found.items()):
            self._metrics.blocked(number, blocked, self.blocked.setdefault(number, monotonic))
            if self._said.get(number) != blocked:
                self._said[number] = blocked
                log.error(
                    "partition %d: blocked: %s (%s)",
                    number,
                    blocked.reason,
                    blocked.hint,
                    extra=facts(
                        partition=number,
                        kind=blocked.kind,
                        reason=blocked.reason,
                        hint=blocked.hint,
                    ),
                )
