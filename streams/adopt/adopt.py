"""The adoption: finds the blocked partitions, and goes on with them without losing a record.

It is safe to kill and to run again. First it notes in the commit metadata that the partition is
blocked, then it pads the log, and the copies and the new offset are one transaction: there are all
of them or none.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from streams.adopt.decide import Facts, Plan, adopted, decide, noted
from streams.adopt.held import LetterOf, digest, missing, rows_of
from streams.audit.audit import sort_objects
from streams.audit.coverage import LakeWindow
from streams.errors import Misconfigured
from streams.kafka import adoption, dead_letter_reader, scan, status
from streams.kafka.client import open_admin
from streams.kafka.epochs import leader_epoch
from streams.kafka.topics import partitions_of
from streams.lake import footers
from streams.lake.reader import LakeReader
from streams.lake.session import connect
from streams.lake.store import StoredObject
from streams.settings.mapping import build_mapping
from streams.settings.settings import Settings, variable
from streams.sizes import counted
from streams.terminal import OnProgress
from streams.windows.seal import UNSEALED

if TYPE_CHECKING:
    from streams.kafka.client import Admin, Consumer

#: Above this, padding would take too long and too much of Kafka: a new prefix is the better way.
MOST_PADDING = 20_000_000

#: States of a group without members.
IDLE = {"none", "empty"}


@dataclass(slots=True)
class Adopted:
    """What was done with one partition, or with a dry run would be done."""

    partition: int
    kind: str
    reason: str
    committed: int | None
    offset: int
    padding: int
    records: int
    copies: int


@dataclass(slots=True)
class Adoption:
    """The result; `partitions` are those that were blocked."""

    topic: str
    group: str
    dry_run: bool
    partitions: list[Adopted] = field(default_factory=list)

    def __str__(self) -> str:
        if not self.partitions:
            return f"nothing to adopt: no partition of topic {self.topic} is blocked"
        copies = sum(each.copies for each in self.partitions)
        dry = "dry run, nothing done: " if self.dry_run else ""
        return (
            f"{dry}adopted {counted(len(self.partitions), 'partition')}; at the topic's end "
            f"published again what the lake does not have: {counted(copies, 'record')}"
        )

    def plain(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return {
            "topic": self.topic,
            "group": self.group,
            "dry_run": self.dry_run,
            "partitions": [asdict(each) for each in self.partitions],
        }


def run(
    settings: Settings,
    *,
    partitions: frozenset[int] = frozenset(),
    dry_run: bool = False,
    progress: OnProgress = lambda done, total: None,
    say: Callable[[str], None] = lambda words: None,
) -> Adoption:
    """Adopt the blocked partitions, or those of them that are named.

    Raises:
        Misconfigured: the group has members, a partition does not exist, a right is missing.
        Unavailable: Kafka or the lake does not answer. Run it again.
    """
    settings.require_lake()
    topic = settings.kafka.topic
    reader = LakeReader(settings.lake, connect(settings.lake))
    with open_admin(settings) as admin:
        known = status.look(admin, settings)
        _refuse_members(known)
        numbers = {each.partition for each in known.partitions}
        if unknown := sorted(partitions - numbers):
            raise Misconfigured(
                f"topic {topic} has no partition {', '.join(map(str, unknown))}",
                f"its partitions are {', '.join(map(str, sorted(numbers)))}",
            )
        places = partitions_of(admin, topic) or []
        committed = status.committed_offsets(admin, settings.kafka.group_id, places)
        commits = {place.partition: commit for place, commit in committed.items()}
        arranged, _ = sort_objects(reader.objects(), settings.lake.prefix)
        found = Adoption(topic, settings.kafka.group_id, dry_run)
        letters = None if known.dead_letters is None else _letters(settings)
        for each in known.partitions:
            number = each.partition
            if partitions and number not in partitions:
                continue
            windows = arranged.get((topic, number), [])
            offset, seal = commits.get(number, (None, UNSEALED))
            _read_footers(reader, windows)
            facts = Facts(
                number,
                offset,
                seal._replace(cut=each.cut),
                known.topic_id,
                each.begin,
                each.log_end,
                windows,
            )
            plan = decide(facts)
            if plan is not None:
                say(f"partition {number}: {plan.kind}: {plan.reason}")
                one = _Adopter(settings, admin, reader, facts, plan, progress, say)
                found.partitions.append(one.adopt((letters or {}).get(number, {}), dry_run=dry_run))
    return found


def _refuse_members(known: status.Status) -> None:
    if known.group_state not in IDLE:
        raise Misconfigured(
            f"group {known.group} has members: its state is {known.group_state}",
            "stop all workers of the group, wait until 'falcolake status' shows no owner, and run "
            "adopt again",
        )


def _read_footers(reader: LakeReader, windows: list[LakeWindow]) -> None:
    objects = [stored for window in windows for stored in window.objects]
    read = iter(footers.read_all(reader, [StoredObject(o.key, o.size) for o in objects]))
    for window in windows:
        window.objects = [stored._replace(footer=next(read)) for stored in window.objects]


def _letters(settings: Settings) -> dict[int, LetterOf]:
    """Return what the dead letters say of the values that they are of, by partition and offset."""
    found: dict[int, dict[int, bytes | int | None]] = {}
    said = dead_letter_reader.standing(
        settings, lambda letter: letter.truncated_from or digest(letter.value)
    )
    for (partition, offset), value in said.items():
        found.setdefault(partition, {})[offset] = value
    return dict(found)


class _Adopter:
    """Adopts one partition."""

    def __init__(
        self,
        settings: Settings,
        admin: "Admin",
        reader: LakeReader,
        facts: Facts,
        plan: Plan,
        progress: OnProgress,
        say: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._admin = admin
        self._reader = reader
        self._facts = facts
        self._plan = plan
        self._progress = progress
        self._say = say
        self._records = 0

    def adopt(self, letters: LetterOf, *, dry_run: bool) -> Adopted:
        facts, plan = self._facts, self._plan
        if plan.padding > MOST_PADDING:
            raise Misconfigured(
                f"partition {plan.partition}: the lake has windows up to offset {plan.until:,}, "
                f"the log ends {plan.padding:,} offsets before: too many to fill up",
                f"set {variable('lake.prefix')} to a new prefix: the topic is read from its "
                "beginning, and the old objects stay where they are",
            )
        with scan.open_consumer(self._settings) as client:
            if dry_run:
                end = min(
                    plan.until, scan.bounds(client, self._settings.kafka.topic)[plan.partition][1]
                )
                copies = list(self._missing(client, letters, end))
            else:
                copies = self._do(client, letters)
        return Adopted(
            plan.partition,
            plan.kind,
            plan.reason,
            facts.committed,
            plan.until,
            plan.padding,
            self._records,
            len(copies),
        )

    def _do(self, client: "Consumer", letters: LetterOf) -> list[int]:
        settings, facts, plan = self._settings, self._facts, self._plan
        number = plan.partition
        with adoption.open_writer(settings, number) as writer:
            if plan.padding:
                # A padded log looks whole: the note keeps workers, and a second try, from that.
                offset = plan.until if facts.committed is None else facts.committed
                adoption.commit(self._admin, settings, number, offset, noted(facts, plan))
                self._say(f"partition {number}: filling up {plan.padding:,} offsets")
                writer.pad(plan.padding, lambda done: self._progress(done, plan.padding))
            adoption.wait_until_stable(client, settings.kafka.topic, {number: plan.until})
            copies = list(self._missing(client, letters, plan.until))
            _refuse_members(status.look(self._admin, settings))
            epoch = leader_epoch(self._admin, settings.kafka.topic, number, plan.until)
            metadata = adopted(facts, epoch)
            self._say(f"partition {number}: publishing {counted(len(copies), 'record')} again")
            writer.publish(
                client,
                copies,
                plan.until,
                metadata,
                lambda done: self._progress(done, len(copies)),
            )
        adoption.wait_until_committed(self._admin, settings, number, plan.until, metadata)
        return copies

    def _missing(self, client: "Consumer", letters: LetterOf, end: int) -> Iterator[int]:
        facts, plan = self._facts, self._plan
        ranges = {plan.partition: (plan.start, end)}
        records = self._counted(scan.scan(client, self._settings.kafka.topic, ranges))
        windows = [window for window in facts.windows if window.end > plan.start]
        mapping = build_mapping(self._settings)
        yield from missing(
            records, windows, rows_of(self._reader), letters, mapping, facts.topic_id
        )

    def _counted(self, records: Iterator[Any]) -> Iterator[Any]:
        plan, self._records = self._plan, 0
        for record in records:
            self._records += 1
            if self._records % adoption.CHUNK == 0:
                self._progress(record.offset - plan.start, max(1, plan.until - plan.start))
            yield record
