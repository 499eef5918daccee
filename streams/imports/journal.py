"""The journal: how far an import has come. One SQLite file, for one importer at a time.

It knows of each source how far it was read, with a digest of all bytes up to there. And it holds
the outbox: the batches of alerts that were read and that Kafka may not have yet, as they were or
will be sent. Both change in one transaction, so after a crash the two fit together: what is not in
the outbox is in Kafka or not read yet.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from streams.errors import Corrupt, FalcolakeError, Misconfigured, Unavailable, in_words

VERSION = 1
IN_MEMORY = Path(":memory:")

TABLES = """
CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS sources (
    name TEXT PRIMARY KEY, tag TEXT NOT NULL, position INTEGER NOT NULL, line INTEGER NOT NULL,
    digest TEXT NOT NULL, alerts INTEGER NOT NULL, whole INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS outbox (
    id INTEGER PRIMARY KEY, first INTEGER NOT NULL, records BLOB NOT NULL,
    part INTEGER, sequence INTEGER);
CREATE TABLE IF NOT EXISTS refused (
    source TEXT NOT NULL, line INTEGER NOT NULL, size INTEGER NOT NULL,
    PRIMARY KEY (source, line, size));
"""

_encode = msgspec.msgpack.encode


class Record(NamedTuple):
    """An alert on its way into Kafka, and where it came from."""

    value: bytes
    source: str
    line: int


_decode = msgspec.msgpack.Decoder(list[Record]).decode


class Refused(NamedTuple):
    """A record that is too large for Kafka, and where it is."""

    source: str
    line: int
    size: int

    def __str__(self) -> str:
        return f"{self.source}, line {self.line:,}: {self.size:,} bytes are more than Kafka takes"


class Progress(NamedTuple):
    """How far a source was read: `position` counts its bytes, decompressed."""

    tag: str = ""
    position: int = 0
    line: int = 1
    digest: str = ""
    alerts: int = 0
    whole: bool = False


@dataclass(slots=True)
class Batch:
    """Records for one partition; `first` is the number of the first one in this journal.

    `sequence` is the idempotent producer's. Partition and sequence are known once it may have been
    sent.
    """

    first: int
    records: list[Record]
    partition: int | None = None
    sequence: int | None = None


@dataclass(slots=True)
class State:
    """What the journal knows of Kafka, and of this import."""

    topic: str = ""
    topic_id: str = ""
    #: Random, in the header of each record.
    run: str = ""
    #: The number of the next record.
    number: int = 0
    producer_id: int = -1
    epoch: int = -1
    #: By partition: the producer's next sequence number, and an offset up to where none of the
    #: outbox is.
    sequences: dict[int, int] = field(default_factory=dict)
    ends: dict[int, int] = field(default_factory=dict)


class Journal:
    """An open journal; nobody else can open it meanwhile."""

    def __init__(self, path: Path) -> None:
        """Raise Misconfigured if it cannot be opened, or Corrupt if it cannot be read."""
        self.path = path
        with self._translating("open"):
            if path != IN_MEMORY:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch(mode=0o600)
            # Of several threads, but of one at a time.
            self._database = sqlite3.connect(
                path, timeout=0, isolation_level=None, check_same_thread=False
            )
            try:
                self._set_up()
            except BaseException:
                self._database.close()
                raise
        with self._translating("read"):
            self.state = self._read_state()
        self._refused: list[Refused] = []

    def _set_up(self) -> None:
        run = self._database.execute
        run("PRAGMA locking_mode = EXCLUSIVE")
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = FULL")
        run("BEGIN EXCLUSIVE")
        for statement in TABLES.split(";"):
            run(statement)
        run("COMMIT")

    def _read_state(self) -> State:
        row = self._database.execute("SELECT value FROM state WHERE name = 'state'").fetchone()
        if row is None:
            return State()
        version, state = msgspec.json.decode(row[0], type=tuple[int, State])
        if version != VERSION:
            raise Misconfigured(
                f"the journal {self.path} is of another version of falcolake ({version})",
                "use that version, or another --journal: it imports everything again",
            )
        return state

    def close(self) -> None:
        """Let others open it."""
        self._database.close()

    # ---- sources

    def progress(self, source: str) -> Progress:
        """Return how far a source was read."""
        with self._translating("read"):
            row = self._database.execute(
                "SELECT tag, position, line, digest, alerts, whole FROM sources WHERE name = ?",
                [source],
            ).fetchone()
        if row is None:
            return Progress()
        tag, position, line, digest, alerts, whole = row
        return Progress(tag, position, line, digest, alerts, bool(whole))

    def refuse(self, records: Iterable[Refused]) -> None:
        """Write records that are too large with what is written next."""
        self._refused += records

    def refused(self, most: int) -> tuple[int, list[Refused]]:
        """Return how many records were too large, ever, and the first of them."""
        with self._translating("read"):
            (count,) = self._database.execute("SELECT count(*) FROM refused").fetchone()
            rows = self._database.execute("SELECT * FROM refused LIMIT ?", [most]).fetchall()
        return count, [Refused(*row) for row in rows]

    # ---- the outbox

    def outbox(self) -> list[Batch]:
        """Return the batches that Kafka may not have, in order."""
        with self._translating("read"):
            rows = self._database.execute(
                "SELECT first, records, part, sequence FROM outbox ORDER BY id"
            ).fetchall()
            return [Batch(row[0], _decode(row[1]), row[2], row[3]) for row in rows]

    def write(
        self, outbox: Sequence[Batch] = (), progress: Mapping[str, Progress] | None = None
    ) -> None:
        """Write the state, what is the outbox now, and how far sources were read, at once."""
        with self._translating("write"), self._changing() as run:
            run("DELETE FROM outbox")
            for batch in outbox:
                run(
                    "INSERT INTO outbox (first, records, part, sequence) VALUES (?, ?, ?, ?)",
                    [batch.first, _encode(batch.records), batch.partition, batch.sequence],
                )
            for name, each in (progress or {}).items():
                run("INSERT OR REPLACE INTO sources VALUES (?, ?, ?, ?, ?, ?, ?)", [name, *each])
            for record in self._refused:
                run("INSERT OR REPLACE INTO refused VALUES (?, ?, ?)", record)
            state = msgspec.json.encode((VERSION, self.state)).decode()
            run("INSERT OR REPLACE INTO state VALUES ('state', ?)", [state])
        self._refused.clear()

    @contextmanager
    def _changing(self) -> Iterator[Any]:
        run = self._database.execute
        run("BEGIN")
        try:
            yield run
            run("COMMIT")
        except BaseException:
            if self._database.in_transaction:  # SQLite ends some itself: on a full disk
                run("ROLLBACK")
            raise

    @contextmanager
    def _translating(self, what: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, msgspec.MsgspecError) as error:
            raise self._translated(error, what) from error

    def _translated(self, error: Exception, what: str) -> FalcolakeError:
        message = f"cannot {what} the journal {self.path}: {in_words(error)}"
        code = getattr(error, "sqlite_errorname", "")
        if code.startswith("SQLITE_BUSY"):
            return Misconfigured(
                f"another import uses the journal {self.path}",
                "wait until it has ended, or give this one its own --journal",
            )
        if code.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT", "SQLITE_ERROR")) or isinstance(
            error, msgspec.MsgspecError
        ):
            return Corrupt(
                message,
                "restore it, or use another --journal: it imports everything again",
            )
        if code.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
            return Unavailable(
                message, "make room on its disk, and run the same command again: it goes on"
            )
        return Misconfigured(message, "give --journal a file in a directory of your own")
