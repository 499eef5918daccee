"""The verdict: what must be true while a plan runs, and at its end.

During the run, at every effect that counts:
- a window is put only after Kafka took its seal;
- a commit is of a partition that is the member's, and everything before its offset is durable.

At the end:
- each record of the log is in the lake exactly once, or a dead letter, or filtered; aborted ones
  are nowhere; what the log itself lost is in the lake once at most, and reported;
- windows of one topic and partition do not overlap; each has all its objects, of one mapping, with
  exactly the rows that its records make;
- everything has shipped, or its partition is blocked for a cause that there really was.
"""

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from streams.lake.keys import ObjectKey, parse_key
from streams.windows.seal import read_seal
from tests.simulation.log import Written
from tests.simulation.staging import DAYS, Content, Row

if TYPE_CHECKING:
    from tests.simulation.world import World

PREFIX = "ext/falco"

#: Holes in the protocol that are known and open, by name: docs/simulation.md tells what each is.
#: What falls into one is not a violation, but is counted.
KNOWN = {
    "trimmed": "retention deleted records of a window whose objects are in the lake",
    "forgotten": "the offset was forgotten, and records of the last window were deleted or cut",
    "overwritten late": "a worker that had lost a window overwrote it with another mapping's rows",
    "half overwritten": "a topic was recreated or cut while another mapping overwrote a window",
    "unseen cut": "without leader epochs a log was cut and longer again before anyone looked",
    "earlier topic": "the put of an earlier topic's window came after the topic was recreated",
}

KEPT = frozenset(DAYS)


class Place(NamedTuple):
    """A window of one topic."""

    topic_id: str
    partition: int
    first: int
    end: int


class Verdict:
    """Judges one run; `violations` has what is wrong."""

    def __init__(self, world: "World") -> None:
        self.violations: list[str] = []
        self.known: set[str] = set()
        self._world = world
        self._durable: dict[tuple[str, int], int] = {}
        self._sealed: set[Place] = set()
        #: Windows that a worker overwrote that no longer had their partition, or that had lost it
        #: meanwhile: another one had committed them.
        self._overwritten_late: set[Place] = set()
        #: Partitions of which a window of an earlier topic was put.
        self._of_earlier_topic: set[int] = set()

    def violate(self, what: str) -> None:
        """Record a violation."""
        self.violations.append(what)
        self._world.history.note("VERDICT", what)

    # ---- during the run

    def committing(self, name: str, number: int, offset: int, metadata: str) -> None:
        """Look at a commit that Kafka takes."""
        world = self._world
        seal = read_seal(metadata, offset)
        said = f" and seals {list(seal.ends)}" if seal.ends else ""
        world.history.note("kafka", f"{name} commits partition {number}: {offset}{said}")
        if number not in world.group.members[name].partitions:
            self.violate(f"{name} commits partition {number}, which is another member's")
        if seal.topic_id != world.topic.id:
            return
        first = offset
        for end in seal.ends:
            self._sealed.add(Place(seal.topic_id, number, first, end))
            first = end
        blind = number in world.cut  # judged at the end
        known = self._durable.get((seal.topic_id, number), 0)
        for record in world.topic.logs[number].between(known, offset):
            text = record.value.decode()
            unput = record.kind in KEPT and not world.bucket.rows[text] and not blind
            if unput and not self._is_forgotten(number):
                self.violate(f"committed up to {offset}, but the lake lacks {text}")
            unsent = record.kind == "reject" and not world.letters[text] and not blind
            if unsent and not self._is_forgotten(number):
                self.violate(f"committed up to {offset}, but {text} has no dead letter")
        self._durable[seal.topic_id, number] = max(known, offset)

    def flushed(self, number: int, end: int) -> None:
        """Look at a flush that `falcolake flush` says is done up to an end of a partition."""
        world = self._world
        if world.recreated or number in world.cut | world.trimmed or self.is_excused(number):
            return
        for record in world.topic.logs[number].between(0, end):
            text = record.value.decode()
            is_there = record.kind not in KEPT or world.bucket.rows[text]
            if not is_there or (record.kind == "reject" and not world.letters[text]):
                self.violate(f"a flush up to {end} is done, but nothing came of {text}")

    def putting(self, key: str, content: bytes) -> None:
        """Look at an object that S3 takes."""
        found = self._place(key, content)
        if found is None:
            self.violate(f"a key that is none: {key}")
            return
        world, (_, place) = self._world, found
        if place not in self._sealed:
            self.violate(f"{key} is put before Kafka took its seal")
        if place.topic_id != world.topic.id:
            self._of_earlier_topic.add(place.partition)
        is_done = self._durable.get((place.topic_id, place.partition), 0) >= place.end
        is_its = self._has(world.loop.current().name, place.partition)
        if key in world.bucket.objects and (is_done or not is_its):
            self._overwritten_late.add(place)

    def _has(self, name: str, number: int) -> bool:
        """Whether a partition is that of the worker with this name; a late put is nobody's."""
        member = next(
            (m for n, m in self._world.group.members.items() if n.partition("#")[0] == name), None
        )
        return member is not None and number in member.partitions

    def _place(self, key: str, content: bytes) -> tuple[ObjectKey, Place] | None:
        parsed = parse_key(key, PREFIX)
        if parsed is None:
            return None
        said = Content.decode(content).metadata
        topic_id = said.get("falcolake.topic_id", "")
        return parsed, Place(topic_id, parsed.partition, parsed.first, parsed.end)

    # ---- its end

    def unsettled(self) -> str:
        """Return what has neither shipped nor is blocked for a cause, and what its owner says."""
        found = [f"partition {n}: {why}" for n in self._world.topic.logs if (why := self._open(n))]
        return "; ".join(found)

    def _open(self, number: int) -> str:
        """Return why a partition is not settled; empty if it is."""
        world = self._world
        owners = [
            worker
            for worker in world.workers.values()
            if number in worker.ledger.partitions and worker.host.alive
            and number in getattr(world.group.members.get(worker.client.member), "partitions", ())
        ]  # fmt: skip
        if len(owners) != 1:
            return f"owners {[worker.name for worker in owners]}"
        ledger = owners[0].ledger
        blocked = ledger.blocked().get(number)
        if blocked is not None and blocked.kind != "unproved":
            return "" if self._has_cause(number, blocked.kind) else f"blocked: {blocked.reason}"
        log = world.topic.logs[number]
        committed = world.group.offsets.get(number, (log.start, ""))[0]
        staged = ledger.partitions[number].staged.records
        waiting = max(staged, len(log.between(committed, log.end)))
        if not waiting and not log.open:
            return ""
        if self._is_trimmed(number):
            self.known.add(KNOWN["trimmed"])
            return ""
        if self._meets_earlier_topic(number):
            self.known.add(KNOWN["earlier topic"])
            return ""
        if self._is_forgotten(number):
            return ""
        said = owners[0].shipper.reasons().get(number) or ledger.pause_reason
        return f"{waiting} records from {committed} on; {owners[0].name} says {said or 'nothing'}"

    def _has_cause(self, number: int, kind: str) -> bool:
        world = self._world
        return {
            "truncated": number in world.cut or world.recreated,
            "recreated": world.recreated,
            "overlap": number in world.cut or world.recreated or number in world.occupied,
        }.get(kind, False)

    def judge(self) -> None:
        """Judge the end of a run."""
        for written in self._world.topic.written:
            self._judge_record(written)
        self._judge_windows()
        self._judge_losses()

    def _judge_record(self, written: Written) -> None:
        world, record = self._world, written.record
        text = record.value.decode()
        rows, letters = world.bucket.rows[text], world.letters[text]
        where = f"{text} (partition {written.partition}, offset {record.offset})"
        log = world.topic.logs[written.partition]
        kept = written.topic_id == world.topic.id and record in log.records
        if rows > 1:
            self.violate(f"{where} is in the lake {rows} times")
        if not kept:
            return
        if not log.is_committed(record):
            if rows or letters:
                self.violate(f"{where} was aborted, and has {rows} rows and {letters} letters")
            return
        wrong = {
            "filtered": rows or letters,
            "reject": rows or not letters,
        }.get(record.kind, not rows or letters)
        if wrong and not self.is_excused(written.partition):
            self.violate(f"{where} has {rows} rows and {letters} dead letters")

    def is_excused(self, number: int) -> bool:
        """Whether a partition need not have shipped all: it is blocked, or in a known hole."""
        if (
            self._is_blocked(number)
            or self._is_trimmed(number)
            or self._meets_earlier_topic(number)
        ):
            return True
        return self._is_forgotten(number) or self._is_unseen(number)

    def _is_unseen(self, number: int) -> bool:
        """Whether nothing could show that a log was cut."""
        world = self._world
        if world.plan.epochs or number not in world.cut - world.network.short:
            return False
        self.known.add(KNOWN["unseen cut"])
        return True

    def _is_forgotten(self, number: int) -> bool:
        """Whether the lake says where a partition goes on whose log was trimmed or cut."""
        world = self._world
        if number not in world.forgotten & (world.trimmed | world.cut):
            return False
        self.known.add(KNOWN["forgotten"])
        return True

    def _is_trimmed(self, number: int) -> bool:
        """Whether a window is held because retention deleted records of it that the lake has."""
        return number in self._world.trimmed and self._meets_other_window(number)

    def _meets_earlier_topic(self, number: int) -> bool:
        """Whether a window is held because an earlier topic's was put in its place."""
        return number in self._of_earlier_topic and self._meets_other_window(number)

    def _meets_other_window(self, number: int) -> bool:
        """Whether a window is held because its key has an object with another footer."""
        workers = self._world.workers.values()
        reasons = (worker.shipper.reasons().get(number, "") for worker in workers)
        return any("has something else: its footer" in reason for reason in reasons)

    def _judge_windows(self) -> None:
        windows: dict[Place, dict[str, list[Row]]] = defaultdict(dict)
        for key, content in sorted(self._world.bucket.objects.items()):
            found = self._place(key, content)
            if found is not None:
                windows[found[1]][found[0].event_day] = Content.decode(content).rows
        reached: dict[tuple[str, int], Place] = {}
        for place in sorted(windows):
            before = reached.get(place[:2])
            if before is not None and before.end > place.first:
                self.violate(f"windows overlap: {before} and {place}")
            reached[place[:2]] = place
            self._judge_window(place, windows[place])

    def _is_left(self, place: Place) -> bool:
        """Whether a window was not committed and cannot be: its topic is gone, or its log cut."""
        durable = self._durable.get((place.topic_id, place.partition), 0)
        gone = place.topic_id != self._world.topic.id or self._is_blocked(place.partition)
        return gone and durable < place.end

    def _is_blocked(self, number: int) -> bool:
        return any(number in each.ledger.blocked() for each in self._world.workers.values())

    def _judge_window(self, place: Place, objects: dict[str, list[Row]]) -> None:
        world = self._world
        versions = {row.version for rows in objects.values() for row in rows}
        if len(versions) > 1 and place.partition in world.trimmed:
            self.known.add(KNOWN["trimmed"])
        elif len(versions) > 1 and place in self._overwritten_late:
            self.known.add(KNOWN["overwritten late"])
        elif len(versions) > 1 and self._is_left(place):
            self.known.add(KNOWN["half overwritten"])
        elif len(versions) > 1:
            self.violate(f"{place} has rows of the mappings {sorted(versions)}")
        if place.partition in world.cut | world.trimmed or place.topic_id != world.topic.id:
            return
        expected: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for record in world.topic.logs[place.partition].between(place.first, place.end):
            if record.kind in KEPT:
                expected[DAYS[record.kind]].append((record.offset, record.value.decode()))
        committed = world.group.offsets.get(place.partition, (0, ""))[0]
        if place.end > committed:
            return
        made = {day: [(r.offset, r.value) for r in rows] for day, rows in objects.items() if rows}
        if made != expected:
            self.violate(f"{place} has {made}, and its records make {dict(expected)}")

    def _judge_losses(self) -> None:
        """Records that retention deleted before they were read must have been reported."""
        world = self._world
        lost = [
            each
            for each in world.topic.written
            if each.topic_id == world.topic.id
            and each.record.offset < world.topic.logs[each.partition].start
            and each.record.kind in KEPT
            and each.partition not in world.cut | world.new
            and each.record.transaction == 0
            and not world.bucket.rows[each.record.value.decode()]
        ]
        for number in {each.partition for each in lost}:
            count = sum(each.partition == number for each in lost)
            if world.reported[number] < count and not self.is_excused(number):
                self.violate(
                    f"partition {number}: retention deleted {count} records unread, "
                    f"reported {world.reported[number]}"
                )
