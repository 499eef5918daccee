"""The flush: ask every worker to ship what is in the topic now, and wait for the proof.

The proof is Kafka's: the group's committed offsets have reached the requested ends. What workers
answer only explains what is missing. A flush is safe at any time, twice at once, and without a
worker: the request is valid for an hour, also for a worker that starts later.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from streams.control import requests
from streams.control.messages import Flush, State
from streams.kafka import scan, status
from streams.kafka.client import open_admin
from streams.kafka.errors import unknown_topic
from streams.kafka.status import PartitionStatus, Status
from streams.settings.settings import Settings

if TYPE_CHECKING:
    from streams.kafka.client import Admin, Consumer

#: Milliseconds between two reads of the committed offsets.
LOOK_MS = 300

#: Seconds without a commit after which a partition is checked for any remaining record.
STILL = 2.0


@dataclass(slots=True)
class PartitionFlush:
    """One partition: the offsets to flush, how far it is, and why it lags."""

    partition: int
    first: int
    end: int
    committed: int
    reason: str = ""

    @property
    def lag(self) -> int:
        """Requested offsets that are not in the lake yet."""
        return max(0, self.end - self.committed)


@dataclass(slots=True)
class Flushed:
    """The result of a flush. `request` is its offset on the control topic; None if not needed.

    `partitions` are those that had something to flush; `warnings` are for a person to read at once.
    """

    topic: str
    group: str
    partitions: list[PartitionFlush] = field(default_factory=list)
    request: int | None = None
    seconds: float = 0.0
    warnings: list[str] = field(default_factory=list)

    @property
    def lagging(self) -> list[PartitionFlush]:
        """The partitions whose end is not in the lake yet."""
        return [each for each in self.partitions if each.lag]

    @property
    def total(self) -> int:
        """How many offsets were requested."""
        return sum(each.end - each.first for each in self.partitions)

    def __str__(self) -> str:
        if not self.partitions:
            return f"nothing to flush: all of topic {self.topic} is in the lake"
        left = sum(each.lag for each in self.lagging)
        done = f"{self.total - left:,} of {self.total:,}" if left else f"all {self.total:,}"
        words = "the record is" if self.total == 1 and not left else f"{done} records are"
        return f"{words} in the lake, after {self.seconds:.1f} s"

    def plain(self) -> dict[str, Any]:
        """Return the result as JSON types."""
        return {
            "topic": self.topic,
            "group": self.group,
            "done": not self.lagging,
            "request": self.request,
            "seconds": round(self.seconds, 3),
            "partitions": [
                {
                    "partition": each.partition,
                    "end": each.end,
                    "committed": each.committed,
                    "lag": each.lag,
                    "reason": each.reason or None,
                }
                for each in self.partitions
            ],
        }


def run(
    settings: Settings,
    *,
    timeout: float,
    progress: Callable[[Flushed], None] = lambda found: None,
) -> Flushed:
    """Ask the workers to flush, and wait at most `timeout` seconds until they have.

    `progress` is called each time the committed offsets are read.

    Raises:
        Misconfigured: a topic does not exist, or Kafka refuses the settings.
        Unavailable: Kafka does not answer. A request that was sent stays valid.
    """
    began = time.monotonic()
    with open_admin(settings) as admin:
        before = status.look(admin, settings)
        found = Flushed(settings.kafka.topic, settings.kafka.group_id, warnings=before.problems())
        found.partitions = [
            PartitionFlush(each.partition, each.end - each.lag, each.end, each.end - each.lag)
            for each in before.partitions
            if each.lag
        ]
        if found.partitions:
            ends = {each.partition: each.end for each in found.partitions}
            request = Flush(v=1, group=found.group, ends=ends)
            found.request = requests.write(settings, admin, request)
            with scan.open_consumer(settings) as client:
                _Watch(settings, admin, client, found).until(began + timeout, progress)
        found.seconds = time.monotonic() - began
    return found


class _Watch:
    """Reads committed offsets and answers until all is flushed or time is up."""

    def __init__(
        self,
        settings: Settings,
        admin: "Admin",
        client: "Consumer",
        found: Flushed,
    ) -> None:
        self._settings = settings
        self._admin = admin
        self._found = found
        self._answers = requests.answers(settings, client, found.request or 0)
        #: A partition's committed offset, when it was first seen, and whether that was looked into.
        self._since: dict[int, tuple[int, float, bool]] = {}

    def until(self, deadline: float, progress: Callable[[Flushed], None]) -> None:
        while True:
            now = status.look(self._admin, self._settings)
            partitions = {each.partition: each for each in now.partitions}
            if not partitions.keys() >= {each.partition for each in self._found.partitions}:
                raise unknown_topic(self._settings)  # deleted, and recreated with fewer
            for each in self._found.partitions:
                current = partitions[each.partition]
                each.committed = max(each.committed, current.reached)
            self._look_for_records()
            self._answers.listen(LOOK_MS)  # this is also the pause between two reads
            for each in self._found.partitions:
                answer = self._answers.of(each.partition)
                current = partitions[each.partition]
                each.reason = reason(now, current, answer) if each.lag else ""
            progress(self._found)
            if not self._found.lagging or time.monotonic() >= deadline:
                return

    def _look_for_records(self) -> None:
        """Count partitions that stand still and have no record left as flushed."""
        monotonic, still = time.monotonic(), {}
        for each in self._found.lagging:
            committed, since, looked = self._since.get(each.partition, (-1, 0.0, False))
            if committed != each.committed:
                self._since[each.partition] = each.committed, monotonic, False
            elif monotonic - since >= STILL and not looked:
                self._since[each.partition] = committed, since, True
                still[each.partition] = each
        if not still:
            return
        with scan.open_consumer(self._settings) as client:
            ranges = {number: (each.committed, each.end) for number, each in still.items()}
            there = scan.first_records(client, self._found.topic, ranges)
        for number, each in still.items():
            if number not in there:
                each.committed = each.end


def reason(now: Status, current: PartitionStatus, state: State | None) -> str:
    """Return what is known about why a partition lags; `state` is its worker's answer."""
    if current.owner is None:
        if any(each.owner for each in now.partitions):
            return f"no worker owns it; the group is {now.group_state}"
        return f"no worker of group {now.group} is running"
    if state is None:
        said = "it has not answered"
    elif held := state.partitions[current.partition]:
        return f"{state.worker} cannot ship: {held}"
    elif state.paused:
        return f"{state.worker} does not read: {state.paused}"
    else:
        said = "it reports no problem"
    if current.sealed:
        return f"sealed up to {current.sealed[-1]} by {current.owner}, not shipped yet; {said}"
    return f"not sealed yet by {current.owner}; {said}"
