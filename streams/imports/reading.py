"""Reads sources from where the journal says, and gathers their records into chunks."""

import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from streams.errors import in_words
from streams.imports.cutting import Cutter, Piece, new_digest
from streams.imports.journal import Progress, Record, Refused
from streams.imports.sender import BATCH_BYTES
from streams.imports.sources import Source, ahead, rewound

if TYPE_CHECKING:
    from hashlib import blake2b

READ_BYTES = 1 << 18

#: Records of a batch, however small they are.
BATCH_RECORDS = 5000

#: What a file raises that is damaged or cannot be read.
UNREADABLE = (OSError, EOFError, zlib.error)


@dataclass(slots=True)
class Tally:
    """What reading came to so far."""

    files: int = 0
    alerts: int = 0
    size: int = 0
    #: Alerts that an earlier run has imported.
    skipped: int = 0
    #: Sentences about what was left out, and about what may be wrong with it.
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Chunk:
    """Batches of records, and how far their sources are read with them."""

    batches: list[list[Record]] = field(default_factory=list)
    progress: dict[str, Progress] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)
    count: int = 0
    #: Bytes of the last batch.
    _size: int = 0

    def add(self, record: Record) -> None:
        """Append a record to the last batch, or to a new one if that is full."""
        size = len(record.value)
        if not self.batches or (
            self._size + size > BATCH_BYTES or len(self.batches[-1]) == BATCH_RECORDS
        ):
            self.batches.append([])
            self._size = 0
        self.batches[-1].append(record)
        self._size += size
        self.count += 1

    def is_full(self, batches: int, records: int) -> bool:
        """Return whether it has so many batches, the last one almost full, or so many records."""
        last_is_full = bool(self.batches) and (
            self._size >= BATCH_BYTES * 3 // 4 or len(self.batches[-1]) == BATCH_RECORDS
        )
        return (
            self.count >= records
            or len(self.batches) - (not last_is_full) >= batches
            or len(self.refused) + len(self.progress) >= BATCH_RECORDS
        )


class Reader:
    """Reads sources one after the other."""

    def __init__(self, known: Callable[[str], Progress], limit: int | None = None) -> None:
        """`known` returns how far a source was read before; `limit` is for alerts in all."""
        self._known = known
        self._left = limit
        self._chunk = Chunk()
        self.tally = Tally()

    def chunks(self, sources: Iterable[Source], batches: int, records: int) -> Iterator[Chunk]:
        """Yield chunks of about so many batches, and at most so many records."""
        for source in ahead(sources, lambda each: not self._is_done(each, self._known(each.name))):
            for _ in self._read(source):
                if self._left == 0 or self._chunk.is_full(batches, records):
                    yield self._take()
                    if self._left == 0:
                        return
        yield self._take()

    def counts(self, sources: Iterable[Source]) -> Iterator[tuple[str, int, int]]:
        """Yield of each source the name, and how many alerts it has to import, of what size."""
        seen: set[str] = set()
        for source in sources:
            if source.name in seen:
                continue
            seen.add(source.name)
            alerts, size = self.tally.alerts, self.tally.size
            for _ in self._read(source):
                self._take()
                if self._left == 0:
                    break
            self._take()
            yield source.name, self.tally.alerts - alerts, self.tally.size - size
            if self._left == 0:
                return

    @property
    def is_at_limit(self) -> bool:
        """Whether it has stopped because of the limit."""
        return self._left == 0

    def _take(self) -> Chunk:
        taken, self._chunk = self._chunk, Chunk()
        return taken

    def _read(self, source: Source) -> Iterator[None]:
        """Read a source into the chunk, and stop wherever that may be taken."""
        known = self._progress(source.name)
        if self._is_done(source, known):
            self.tally.skipped += known.alerts
            return
        try:
            with source.open() as (content, grows):
                yield from self._content(source, content, grows=grows)
        except UNREADABLE as error:
            self.tally.problems.append(f"cannot read {source.name}: {in_words(error)}")
        finally:
            self.tally.files += 1

    def _is_done(self, source: Source, known: Progress) -> bool:
        return known.whole and source.tag != "" and known.tag == source.tag

    def _progress(self, name: str) -> Progress:
        return self._chunk.progress.get(name) or self._known(name)

    def _content(self, source: Source, content: IO[bytes], *, grows: bool) -> Iterator[None]:
        name = source.name
        if not source.tag:
            name, content = _identified(name, content)
        known = self._progress(name)
        passed = _skip(content, known.position)
        if known.position and passed.hexdigest() != known.digest:
            self._refuse(source)
            return
        self.tally.skipped += known.alerts
        cutter = Cutter(known.position, known.line, passed)
        alerts = known.alerts
        for piece in _pieces(cutter, content, grows=grows):
            alerts += 1
            if piece.value is None:
                self._chunk.refused.append(Refused(source.name, piece.line, piece.size))
            else:
                self._chunk.add(Record(piece.value, source.name, piece.line))
                self.tally.alerts += 1
                self.tally.size += piece.size
            if self._left is not None:
                self._left -= 1
            self._note(name, source.tag, cutter, alerts, whole=False)
            yield
        self._note(name, source.tag, cutter, alerts, whole=True)
        yield
        if cutter.torn is not None:
            line, size = cutter.torn
            self.tally.notes.append(
                f"left the last {size:,} bytes of {source.name}, from line {line:,} on: they are "
                "no whole alert yet"
            )

    def _note(self, name: str, tag: str, cutter: Cutter, alerts: int, *, whole: bool) -> None:
        self._chunk.progress[name] = Progress(
            tag, cutter.position, cutter.line, cutter.digest(), alerts, whole
        )

    def _refuse(self, source: Source) -> None:
        self.tally.problems.append(
            f"left out {source.name}: the beginning, which was imported, has changed. To import "
            "all of it, give it another name, or use another --journal"
        )


def _identified(name: str, content: IO[bytes]) -> tuple[str, IO[bytes]]:
    """Return a name for what comes through a pipe, by its first record, and the pipe from there."""
    begin = content.read(READ_BYTES)
    cutter = Cutter()
    first = next(cutter.feed(begin), None) or next(cutter.finish(leave_torn=False), None)
    digest = new_digest()
    digest.update((first.value if first else None) or begin)
    return f"{name} {digest.hexdigest()}", rewound(begin, content)


def _skip(content: IO[bytes], position: int) -> "blake2b":
    """Read up to a position; return the digest of that."""
    passed = new_digest()
    while position and (block := content.read(min(READ_BYTES, position))):
        passed.update(block)
        position -= len(block)
    return passed


def _pieces(cutter: Cutter, content: IO[bytes], *, grows: bool) -> Iterator[Piece]:
    while block := content.read(READ_BYTES):
        yield from cutter.feed(block)
    yield from cutter.finish(leave_torn=grows)
