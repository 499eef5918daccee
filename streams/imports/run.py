"""An import: sources → chunks → journal → Kafka.

For each chunk, in this order: write its batches and how far its sources are read into the journal,
in one transaction; send the batches; go on once Kafka has all of them. After a crash the next run
finds the batches that Kafka may have in the journal, and sends those that it does not have.
"""

import asyncio
import itertools
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streams import faults
from streams.background import in_background
from streams.imports.journal import IN_MEMORY, Batch, Journal, Progress, Refused
from streams.imports.reading import Chunk, Reader
from streams.imports.sender import STOP_SECONDS, Sender, look
from streams.imports.sources import Source, find
from streams.kafka.errors import overheard
from streams.settings.load import wanted_fault
from streams.settings.settings import Settings
from streams.sizes import counted, in_bytes

#: Batches that are under way together, each to another partition.
AT_ONCE = 8

#: Sentences that a report keeps.
MOST_NAMED = 100

AT_LIMIT = "stopped at the limit: the same command goes on from here"


@dataclass(slots=True)
class Report:
    """What an import came to; `skipped` is what earlier runs had imported already."""

    files: int = 0
    alerts: int = 0
    size: int = 0
    skipped: int = 0
    seconds: float = 0.0
    interrupted: bool = False
    dry_run: bool = False
    refused: int = 0
    #: Sentences: what was left out on purpose, and what went wrong.
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        what = f"{counted(self.files, 'file')}, {counted(self.alerts, 'alert')}"
        before = f"{self.skipped:,} were imported before"
        if self.dry_run:
            return f"{what}, {in_bytes(self.size)} would be sent; {before}"
        rate = f" ({self.alerts / self.seconds:,.0f}/s)" if self.seconds else ""
        return f"{what} sent, {in_bytes(self.size)} in {self.seconds:.1f} s{rate}; {before}"

    def plain(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return {
            "files": self.files,
            "alerts": self.alerts,
            "bytes": self.size,
            "skipped": self.skipped,
            "too_large": self.refused,
            "seconds": self.seconds,
            "interrupted": self.interrupted,
            "notes": self.notes,
            "problems": self.problems,
        }


def default_journal(settings: Settings) -> Path:
    """Return the journal of a topic: next to the staging directory, where no worker clears it."""
    staging = settings.staging.path
    return staging.with_name(f"{staging.name}-imports") / f"{settings.kafka.topic}.journal"


def count(
    settings: Settings,
    words: Sequence[str],
    path: Path,
    limit: int | None = None,
    on_source: Callable[[str, int, int], None] = lambda source, alerts, size: None,
) -> Report:
    """Return what an import would send. Ask Kafka nothing, and write nothing.

    `on_source` is called with each source, its alerts that would be sent and their bytes.
    """
    journal = Journal(path if path.exists() else IN_MEMORY)
    try:
        reader = Reader(journal.progress, limit)
        for each in reader.counts(find(settings, words, path)):
            on_source(*each)
        report = _report(reader)
        report.dry_run = True
        return report
    finally:
        journal.close()


def run(
    settings: Settings,
    words: Sequence[str],
    path: Path,
    *,
    limit: int | None = None,
    rate: int = 0,
    progress: Callable[[int, str], None] = lambda alerts, source: None,
) -> Report:
    """Import the sources; return once Kafka has all alerts of them, or after Ctrl-C.

    Args:
        settings: where Kafka is, the topic, and how to reach S3.
        words: files, directories, s3://bucket/prefix, - for standard input.
        path: the journal.
        limit: the most alerts to import.
        rate: alerts a second; 0 for as many as Kafka takes.
        progress: called now and then with how many alerts were sent, and of what.

    Raises:
        Misconfigured: a path, topic, right or journal is wrong.
        Corrupt: the journal cannot be read, or nothing tells what Kafka has of it.
        Unavailable: Kafka or S3 does not answer; the same call goes on later.
    """
    faults.arm(wanted_fault(), f"kafka://{settings.kafka.servers[0]}")
    sources = find(settings, words, path)
    journal = Journal(path)
    try:
        left = look(settings, journal.state, journal.outbox())
        journal.write(left)
        reader = Reader(journal.progress, limit)
        importing = _Import(settings, journal, reader, rate, progress)
        with overheard("aiokafka"):
            return asyncio.run(importing.run(sources, left))
    finally:
        journal.close()


class _Import:
    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        reader: Reader,
        rate: int,
        progress: Callable[[int, str], None],
    ) -> None:
        self._journal = journal
        self._state = journal.state
        self._reader = reader
        self._rate = rate
        self._progress = progress
        self._sender = Sender(settings, journal.state)
        self._stopping = asyncio.Event()
        self._sent = self._size = self._late = 0

    async def run(self, sources: Iterator[Source], outbox: list[Batch]) -> Report:
        """Import, until a signal."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stopping.set)
        began = loop.time()
        await self._sender.start()
        work = asyncio.create_task(self._work(sources, outbox))
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                await asyncio.wait({work}, timeout=STOP_SECONDS)
            if work.done():
                work.result()
        finally:
            work.cancel()
            stopping.cancel()
            await asyncio.wait({work, stopping})
            await self._sender.stop()
        return self._reported(loop.time() - began, interrupted=self._stopping.is_set())

    def _reported(self, seconds: float, *, interrupted: bool) -> Report:
        report = _report(self._reader)
        report.alerts, report.size, report.seconds = self._sent, self._size, seconds
        report.interrupted = interrupted
        report.skipped = max(0, report.skipped - self._late)
        report.refused, named = self._journal.refused(MOST_NAMED)
        report.problems += [f"{each}" for each in named]
        return report

    async def _work(self, sources: Iterator[Source], outbox: list[Batch]) -> None:
        await self._deliver(outbox)
        self._late = self._sent
        records = self._rate or 1 << 30
        batches = min(AT_ONCE, len(self._sender.partitions))
        chunks = self._reader.chunks(sources, batches, records)
        loop = asyncio.get_running_loop()
        began = loop.time()
        reading = asyncio.ensure_future(_next(chunks))
        while (chunk := await self._arrival(reading)) is not None:
            outbox = self._numbered(chunk)
            self._journal.refuse(chunk.refused)
            self._note(outbox, chunk.progress)
            reading = asyncio.ensure_future(_next(chunks))
            await self._deliver(outbox)
            for name in list(chunk.progress)[-1:]:
                self._progress(self._sent, name)
            if self._rate:
                await self._pause(began + self._sent / self._rate - loop.time())
        self._journal.write()

    async def _arrival(self, reading: "asyncio.Future[Chunk | None]") -> Chunk | None:
        """Return the next chunk; None after the last one, and after a signal."""
        stopping = asyncio.ensure_future(self._stopping.wait())
        both: set[asyncio.Future[Any]] = {reading, stopping}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        return None if self._stopping.is_set() else await reading

    async def _pause(self, seconds: float) -> None:
        if seconds > 0:
            try:
                async with asyncio.timeout(seconds):
                    await self._stopping.wait()
            except TimeoutError:
                pass

    def _numbered(self, chunk: Chunk) -> list[Batch]:
        outbox = []
        for records in chunk.batches:
            outbox.append(Batch(self._state.number, records))
            self._state.number += len(records)
        return outbox

    def _note(self, outbox: list[Batch], progress: dict[str, Progress] | None = None) -> None:
        """Assign what is sent next, and write the outbox into the journal."""
        with faults.around("note"):
            self._sender.assign(outbox)
            self._journal.write(outbox, progress)

    async def _deliver(self, outbox: list[Batch]) -> None:
        """Send an outbox, until Kafka has all of it that is not too large for it."""
        while outbox:
            batches = [batch for batch in outbox if batch.partition is not None]
            if not batches:
                self._note(outbox)
                continue
            rest = [batch for batch in outbox if batch.partition is None]
            with faults.around("publish"):
                answer = await self._sender.send(batches)
            for batch in answer.taken:
                self._sent += len(batch.records)
                self._size += sum(len(record.value) for record in batch.records)
            halves = itertools.chain(*map(self._split, answer.large))
            outbox = [*answer.again, *halves, *rest]

    def _split(self, batch: Batch) -> list[Batch]:
        """Return the halves of a batch that is too large; a record alone is refused."""
        records, middle = batch.records, len(batch.records) // 2
        if not middle:
            (record,) = records
            self._journal.refuse([Refused(record.source, record.line, len(record.value))])
            return []
        return [
            Batch(batch.first, records[:middle]),
            Batch(batch.first + middle, records[middle:]),
        ]


async def _next(chunks: Iterator[Chunk]) -> Chunk | None:
    """Read the next chunk in a thread that does not keep the process from ending."""
    return await asyncio.wrap_future(in_background(lambda: next(chunks, None), "reading"))


def _report(reader: Reader) -> Report:
    tally = reader.tally
    return Report(
        tally.files,
        tally.alerts,
        tally.size,
        tally.skipped,
        notes=[*tally.notes, *([AT_LIMIT] if reader.is_at_limit else [])],
        problems=list(tally.problems),
    )
