"""The overview that `falcolake status` shows: what Kafka, the workers and the lake say.

Kafka alone is enough. Workers are asked through the control topic, for `PATIENCE` seconds; the lake
is read if its settings are there. What does not answer is left out, and a note says so.
"""

import threading
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from streams.clock import now_ms
from streams.control import requests
from streams.control.messages import Ask, State
from streams.errors import FalcolakeError
from streams.kafka import scan, status
from streams.kafka.client import open_admin
from streams.kafka.errors import explaining
from streams.kafka.status import Status
from streams.lake.reader import LakeReader, Newest
from streams.settings.settings import Settings
from streams.sizes import counted
from streams.terminal import waiting

if TYPE_CHECKING:
    from streams.kafka.client import Admin

#: Seconds that the workers, and the lake, may take to answer.
PATIENCE = 3.0


@dataclass(slots=True)
class Overview:
    """All that is known now. `oldest` are the times (epoch ms) of the first unshipped records."""

    status: Status
    now_ms: int
    oldest: dict[int, int] = field(default_factory=dict)
    states: dict[int, State] = field(default_factory=dict)
    newest: Newest | None = None
    notes: list[str] = field(default_factory=list)

    def behind(self, partition: int) -> float | None:
        """Return the age in seconds of the oldest unshipped record; None without one."""
        oldest = self.oldest.get(partition)
        return None if oldest is None else max(0.0, (self.now_ms - oldest) / 1000)

    def problems(self) -> list[str]:
        """Return what needs attention, one sentence each."""
        found = self.status.problems()
        for number, state in sorted(self.states.items()):
            if state.partitions[number]:
                found.append(f"partition {number}: cannot ship: {state.partitions[number]}")
        paused = {state.worker: state.paused for state in self.states.values() if state.paused}
        return found + [f"{worker} does not read: {why}" for worker, why in sorted(paused.items())]

    def __str__(self) -> str:
        kafka_says = self.status
        sent = kafka_says.dead_letters
        letters = "no dead letters" if sent is None else counted(sent, "dead letter")
        text = (
            f"topic {kafka_says.topic}, group {kafka_says.group} ({kafka_says.group_state}): "
            f"{counted(kafka_says.lag, 'record')} not in the lake yet, {letters}"
        )
        behind = [each for n in self.oldest if (each := self.behind(n)) is not None]
        if behind:
            text += f", the oldest {span(max(behind))} old"
        if self.newest is not None:
            age = (self.now_ms - self.newest.written_ms) / 1000
            text += f"; last object {span(max(0.0, age))} ago"
        return text

    def plain(self) -> dict[str, Any]:
        """Return the overview as JSON types."""
        found = self.status.plain()
        for each in found["partitions"]:
            number = each["partition"]
            state = self.states.get(number)
            each["oldest_unshipped"] = _iso(self.oldest.get(number))
            each["behind_seconds"] = self.behind(number)
            each["worker"] = state.worker if state else None
            each["held"] = (state.partitions[number] or None) if state else None
            each["paused"] = (state.paused or None) if state else None
        newest = self.newest
        found["last_object"] = newest and {"key": newest.key, "written": _iso(newest.written_ms)}
        return found | {"problems": self.problems(), "notes": self.notes}


def read(settings: Settings, *, ask: bool = True) -> Overview:
    """Read what Kafka says, with `ask` the workers too, and the lake if its bucket is set.

    Raises:
        Misconfigured: the topic does not exist, or Kafka refuses the settings.
        Unavailable: Kafka does not answer.
    """
    with open_admin(settings) as admin:
        found = Overview(status.look(admin, settings), now_ms())
        _date(settings, found)
        if ask and any(each.owner for each in found.status.partitions):
            with waiting("waiting for the workers to answer"):
                _ask(settings, admin, found)
    if settings.lake.bucket:
        with waiting(f"waiting for the lake, bucket {settings.lake.bucket}"):
            _look_at_lake(settings, found)
    return found


def _date(settings: Settings, found: Overview) -> None:
    """Ask Kafka when the first unshipped records were written."""
    ranges = {
        each.partition: (each.end - each.lag, each.end)
        for each in found.status.partitions
        if each.lag
    }
    if ranges:
        with scan.open_consumer(settings) as client:
            first = scan.first_records(client, found.status.topic, ranges)
        found.oldest = {number: record.timestamp for number, record in first.items()}
        # Transaction markers and aborted records get no window: nothing else waits here.
        found.status = replace(
            found.status,
            partitions=tuple(
                replace(each, waits=each.partition in first or bool(each.sealed))
                for each in found.status.partitions
            ),
        )


def _ask(settings: Settings, admin: "Admin", found: Overview) -> None:
    """Ask the workers for their state; give up on those that do not answer in time."""
    owned = [each.partition for each in found.status.partitions if each.owner]
    try:
        request = Ask(v=1, group=found.status.group)
        with explaining(settings):
            offset = requests.write(settings, admin, request)
        with scan.open_consumer(settings) as client:
            answers = requests.answers(settings, client, offset)
            deadline = time.monotonic() + PATIENCE
            while time.monotonic() < deadline and len(found.states) < len(owned):
                answers.listen(200)
                states = {number: answers.of(number) for number in owned}
                found.states = {n: state for n, state in states.items() if state is not None}
    except FalcolakeError as error:
        found.notes.append(f"the workers cannot be asked: {error}")
        return
    if silent := sorted({*owned} - found.states.keys()):
        numbers = ", ".join(map(str, silent))
        found.notes.append(f"no worker answers for partitions {numbers}: this is from Kafka alone")


def _look_at_lake(settings: Settings, found: Overview) -> None:
    """Find the newest object, without waiting for a lake that does not answer."""
    until = datetime.fromtimestamp(found.now_ms / 1000, UTC) + timedelta(days=1)

    def look() -> None:
        from streams.lake.session import connect

        try:
            reader = LakeReader(settings.lake, connect(settings.lake))
            answer.append(reader.newest(f"{until:%Y%m%d}"))
        except FalcolakeError as error:
            answer.append(error)

    answer: list[Newest | FalcolakeError | None] = []
    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    if not answer:
        found.notes.append(f"the lake has not answered within {PATIENCE:.0f} s")
    elif isinstance(answer[0], FalcolakeError):
        found.notes.append(f"the lake cannot be read: {answer[0]}")
    else:
        found.newest = answer[0]


def _iso(moment: int | None) -> str | None:
    if moment is None:
        return None
    return datetime.fromtimestamp(moment / 1000, UTC).isoformat(timespec="milliseconds")


def span(seconds: float) -> str:
    """Format a span of time in its two largest units."""
    whole = int(seconds)
    for size, unit, smaller in ((86_400, "d", 3600), (3600, "h", 60), (60, "m", 1)):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size}{unit} {rest}{'hms'['dhm'.index(unit)]}"
    return f"{whole}s"
