"""Segments: the DuckDB files of a staging directory.

A segment is one file, written through its WAL only and unlinked once nothing needs it. That is
several times faster than one growing file, whose checkpoints block inserts for seconds. After
kill -9 a segment holds complete appends, and its contents are read from the file. If a file does
not open, or belongs to another topic or mapping, its records are read from Kafka again; a damaged
file is moved aside, never deleted.
"""

import contextlib
import itertools
import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import msgspec

from streams import faults
from streams.errors import Corrupt, FalcolakeError, Misconfigured, Unavailable
from streams.staging.directory import TEMPORARY, Directory, make_private
from streams.staging.enums import literal
from streams.staging.parquet import Group, connect
from streams.windows.room import Usage
from streams.windows.window import Run

log = logging.getLogger(__name__)

#: Rows that no checkpoint has written stay in DuckDB's memory, above this in temporary files.
MEMORY = 96_000_000

#: The WAL of a segment without committed tables is smaller than this.
BEGUN_BYTES = 8192

#: What DuckDB writes first of a new file: three headers. A kill may come between them.
HEADERS_BYTES = 3 * 4096

#: The version of these tables, and of the format that `packed` writes.
LAYOUT = 9

TABLES = """
    CREATE TABLE {s}.segment(layout INTEGER, topic VARCHAR, mapping_version VARCHAR);
    CREATE TABLE {s}.appends("partition" INTEGER, "first" BIGINT, "group" VARCHAR, content BLOB);
    CREATE TABLE {s}.rejects("partition" INTEGER, "first" BIGINT, piece INTEGER, pieces INTEGER,
        packed BLOB);
"""
"""In `appends` each run has a row without a group, with an `Entry`, and a row for each group, with
its packed findings. A statement takes a millisecond, and longer with each column."""


class Entry(NamedTuple):
    """A run, without its segment; how many findings it has of each group; its records' digests."""

    run: Run
    groups: list[tuple[Group, int]]
    digests: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Entry).decode


def entry_of(run: Run, groups: list[tuple[Group, int]], digests: bytes) -> bytes:
    """Return the content of a run's row."""
    return _encode(Entry(run, groups, digests))


def read_entry(content: bytes) -> Entry:
    """Return what is in a run's row."""
    return _decode(content)


def group_name(group: Group) -> str:
    """Return how a group is named in `appends`; its parts are parts of a key, without a slash."""
    return "/".join(group)


def group_of(name: str) -> Group:
    """Return the group of a name."""
    return Group(*name.split("/"))


@contextlib.contextmanager
def translated(what: str, path: Path) -> Iterator[None]:
    """Translate errors of DuckDB and the disk; `what` is what failed in `path`."""
    try:
        yield
    except (duckdb.Error, OSError) as error:
        raise translate(error, what, path) from error


def translate(error: Exception, what: str, path: Path) -> FalcolakeError:
    """Return the falcolake error for an error of DuckDB or the disk."""
    text = f"cannot {what} in {path}: {error}".splitlines()[0]
    if isinstance(error, duckdb.OutOfMemoryException):
        return Unavailable(text, "the window is too large for memory: lower WINDOW__MAX_BYTES")
    unusable = PermissionError | NotADirectoryError | FileExistsError
    if isinstance(error, unusable) or "Permission denied" in str(error):
        return Misconfigured(
            text, "set STAGING__PATH to a directory in which the worker's user may write"
        )
    full = OSError | duckdb.IOException | duckdb.TransactionException | duckdb.FatalException
    if isinstance(error, full):
        return Unavailable(text, "make room on the disk, or set STAGING__PATH to another one")
    return Corrupt(text, "the records are read again from Kafka")


def schema(number: int) -> str:
    """Return the name under which a segment is attached."""
    return f"segment_{number}"


class Segments:
    """The segments of one worker. Callers must not change them from two threads at once."""

    def __init__(self, path: Path, topic: str, mapping_version: str) -> None:
        self.path = path
        self.numbers: set[int] = set()
        """The attached ones."""
        self._identity = (LAYOUT, topic, mapping_version)
        self._last = 0
        #: Bytes of the largest append that DuckDB's memory has room for.
        self._largest = MEMORY // 4
        self._directory = Directory(path)
        self._db: duckdb.DuckDBPyConnection | None = None

    # ---- the directory

    def open(self) -> list[Run]:
        """Lock the directory and attach earlier segments; return the runs in them.

        Raises Misconfigured if another worker uses the directory, it holds other files, or it
        cannot be written.
        """
        try:
            with translated("open staging", self.path):
                self._directory.hold(LAYOUT)
                self._connect()
            self._last = max(self._directory.segments(".damaged"), default=0)
            runs = []
            for number in self._directory.segments():
                self._last = max(self._last, number)
                runs += self._attach(number)
        except BaseException:
            self.close()
            raise
        return runs

    def _connect(self) -> None:
        self._db = connect(f"{MEMORY}B", self.path / TEMPORARY)
        self._db.execute(
            "SET checkpoint_threshold='1TB'; SET checkpoint_on_detach='DISABLED';"
            "PRAGMA disable_checkpoint_on_shutdown;"
        )

    def close(self) -> None:
        """Release the files and the directory; what is staged stays."""
        if self._db is not None:
            self._db.close()
            self._db = None
        self._directory.release()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a connection to all segments. Raises Unavailable once they are closed."""
        if self._db is None:
            raise Unavailable("staging is closed", "the worker is stopping: start it again")
        return self._db.cursor()

    def make_room(self, size: int) -> None:
        """Let DuckDB have memory for an append of `size` bytes, which it holds as a whole."""
        if size > self._largest:
            self._largest = size
            self.cursor().execute(f"SET memory_limit='{MEMORY + 2 * size}B'")

    def usage(self) -> Usage:
        """Measure what staging takes and what the disk has left."""
        with translated("measure staging", self.path):
            return Usage(self._directory.bytes(), shutil.disk_usage(self.path).free)

    # ---- one segment

    def create(self) -> int:
        """Create a segment; return its number."""
        number = self._last = self._last + 1
        name = schema(number)
        self.numbers.add(number)
        try:
            with self.cursor() as cursor:
                cursor.execute(f"ATTACH {literal(str(self._file(number)))} AS {name}")
                cursor.execute("BEGIN")
                cursor.execute(TABLES.format(s=name))
                cursor.execute(f"INSERT INTO {name}.segment VALUES (?, ?, ?)", list(self._identity))
                cursor.execute("COMMIT")
            for file in (self._file(number), self._wal(number)):
                make_private(file)
            _sync_directory(self.path)
        except (duckdb.Error, OSError):
            self.remove(number)
            raise
        return number

    def remove(self, number: int) -> None:
        """Detach a segment and unlink its files."""
        self._detach(number)
        self.numbers.discard(number)
        with translated("remove a segment", self.path):
            # The WAL first: a main file alone holds nothing, but a WAL alone looks like damage.
            for file in (self._wal(number), self._file(number)):
                with faults.around("unlink"):
                    file.unlink(missing_ok=True)

    def _attach(self, number: int) -> list[Run]:
        """Attach an earlier segment and return its runs: none if it is unreadable."""
        file, name = self._file(number), schema(number)
        cursor = self.cursor()
        try:
            if not file.exists():
                raise FileNotFoundError(f"{file.name} is missing, but its WAL is there")
            if file.stat().st_size < HEADERS_BYTES and not self._wal_bytes(number):
                log.info("segment %d has only been begun: dropped", number)
                self.remove(number)
                return []
            cursor.execute(f"ATTACH {literal(str(file))} AS {name}")
            tables = cursor.execute(
                "SELECT count(*) FROM duckdb_tables() WHERE database_name = ?", [name]
            ).fetchall()
            if tables == [(0,)] and self._wal_bytes(number) < BEGUN_BYTES:
                log.info("segment %d is empty: dropped", number)
                self.remove(number)
                return []
            identity = cursor.execute(f"SELECT * FROM {name}.segment").fetchall()
            if identity != [self._identity]:
                log.warning(
                    "segment %d is of %s, not %s: dropped, its records are read again",
                    number,
                    identity,
                    self._identity,
                )
                self.remove(number)
                return []
            found = cursor.execute(
                f'SELECT content FROM {name}.appends WHERE "group" IS NULL'
            ).fetchall()
            runs = [read_entry(content).run._replace(segment=number) for (content,) in found]
        except (duckdb.Error, OSError, msgspec.MsgspecError) as error:
            self._set_aside(number, error)
            return []
        self.numbers.add(number)
        return runs

    def _set_aside(self, number: int, error: Exception) -> None:
        self._detach(number)
        for file in (self._file(number), self._wal(number)):
            if file.exists():
                file.rename(file.with_name(file.name + ".damaged"))
        log.error(
            "segment %d cannot be read (%s): moved aside as *.damaged in %s; "
            "its records are read again from Kafka",
            number,
            str(error).splitlines()[0],
            self.path,
        )

    def _detach(self, number: int) -> None:
        with contextlib.suppress(duckdb.Error):
            self.cursor().execute(f"DETACH DATABASE IF EXISTS {schema(number)}")

    def _file(self, number: int) -> Path:
        return self.path / f"segment-{number:08d}.duckdb"

    def _wal(self, number: int) -> Path:
        return self._file(number).with_suffix(".duckdb.wal")

    def _wal_bytes(self, number: int) -> int:
        wal = self._wal(number)
        return wal.stat().st_size if wal.exists() else 0


def _sync_directory(path: Path) -> None:
    """Make the name of a new file durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def insert(cursor: duckdb.DuckDBPyConnection, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows with one statement: each costs a millisecond, whatever it inserts."""
    if rows:
        marks = f"({', '.join('?' * len(rows[0]))})"
        values = list(itertools.chain(*rows))
        cursor.execute(f"INSERT INTO {table} VALUES {', '.join([marks] * len(rows))}", values)
