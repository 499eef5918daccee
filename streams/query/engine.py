"""DuckDB over one dataset: it reads nothing else, writes nothing, and its memory is bounded.

Errors of DuckDB are translated only here, for a person who wrote SQL.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from pyarrow import dataset

from schemas.ocsf.columns import columns
from streams.errors import Corrupt, FalcolakeError, Misconfigured, Unavailable

MEMORY = "1GB"
#: Rows of an answer at once: a finding may have a megabyte.
BATCH = 2048

#: After this, SQL cannot open files, load extensions, see Python's variables, or undo it.
SHUT = """
    SET enable_external_access=false;
    SET autoload_known_extensions=false;
    SET autoinstall_known_extensions=false;
    SET python_enable_replacements=false;
    SET lock_configuration=true;
"""
COLUMNS = "'DESCRIBE findings' lists the columns, --example some queries"
#: How DuckDB begins to say what Arrow met in an object.
STREAM = "reading the stream registered as"
DAMAGED = "try again: it may have been written just now; else 'falcolake verify' names the object"
READS = "ask with SELECT; --output writes the answer to a file"


def columns_of(event_class: str, version: str) -> pa.Schema:
    """Return the columns of a class and version of OCSF."""
    made = ", ".join(
        f'CAST(NULL AS {type_}) AS "{name}"'
        for name, type_ in columns(event_class, version).items()
    )
    with duckdb.connect() as database:
        return database.sql(f"SELECT {made}").to_arrow_reader().schema


class Engine:
    """A DuckDB in memory."""

    def __init__(self, temporary: Path) -> None:
        """`temporary` is the directory for what does not fit into memory."""
        self._db = duckdb.connect()
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="duckdb")
        self._db.execute(
            f"SET memory_limit='{MEMORY}'; SET enable_progress_bar=false; SET TimeZone='UTC';"
        )
        self._db.execute("SET temp_directory=?", [f"{temporary}"])

    def show(self, objects: dataset.Dataset, condition: str) -> None:
        """Make the view `findings`, of rows that meet a condition; shut everything else out.

        `falco` is the same view, by the name that it has in other engines.
        """
        self._db.register("objects", objects)
        self._db.execute(
            f"CREATE VIEW findings AS SELECT * FROM objects WHERE {condition};"
            f"CREATE VIEW falco AS SELECT * FROM findings; {SHUT}"
        )

    def ask(self, sql: str) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """Return the answer to a SELECT. Raises Misconfigured for anything else."""
        reader = self._apart(lambda: self._reader(sql))
        return reader.schema, self._batches(reader)

    def _batches(self, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        while (batch := self._apart(lambda: next(reader, None))) is not None:
            yield batch

    def _apart(self, call: Callable[[], Any]) -> Any:
        """Call it in a thread, since DuckDB may not look for Ctrl-C for minutes."""
        with translated():
            try:
                return self._threads.submit(call).result()
            except KeyboardInterrupt:
                self._db.interrupt()
                raise

    def _reader(self, sql: str) -> pa.RecordBatchReader:
        statements = self._db.extract_statements(sql)
        if len(statements) != 1:
            count = len(statements) or "no"
            raise Misconfigured(f"there are {count} statements, not one", READS)
        (statement,) = statements
        if statement.type != duckdb.StatementType.SELECT:
            raise Misconfigured(
                f"{statement.type.name} is not allowed: a query only reads findings", READS
            )
        return self._db.sql(statement).to_arrow_reader(BATCH)

    def close(self) -> None:
        """Release its memory, once it has ended what it does."""
        self._db.interrupt()
        self._threads.shutdown()
        self._db.close()


@contextmanager
def translated() -> Iterator[None]:
    """Translate errors of DuckDB, and of Arrow where it reads from DuckDB."""
    try:
        yield
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise translate(error) from error


def translate(error: Exception) -> FalcolakeError:
    """Return what an error means to the person who wrote the SQL."""
    said = "\n".join(line for line in str(error).splitlines() if line.strip())
    if isinstance(error, duckdb.PermissionException):
        return Misconfigured(f"a query only reads findings: {said}", READS)
    if isinstance(error, duckdb.OutOfMemoryException) or "Out of Memory Error" in said:
        return Unavailable(
            f"the query needs more than {MEMORY}, or the disk is full: {said}",
            "name fewer columns, a shorter period, or a LIMIT",
        )
    if STREAM in said:
        reason = said.partition("failed: ")[2].splitlines()[0]
        return Corrupt(f"an object cannot be read: {reason}", DAMAGED)
    return Misconfigured(said, COLUMNS)
