"""`falcolake query`: the answer to SQL over the findings of a period, batch by batch."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa

from streams.errors import FalcolakeError
from streams.query.engine import Engine, columns_of
from streams.query.objects import DirectorySource, LakeSource, Objects, Source
from streams.query.period import ALWAYS, Period
from streams.settings.settings import Settings
from streams.terminal import OnProgress


@dataclass
class Answer:
    """The columns of an answer, and its rows, which are read once."""

    columns: pa.Schema
    batches: Iterator[pa.RecordBatch]
    #: What is left out of it.
    notes: list[str]


def source_of(settings: Settings, directory: Path | None) -> Source:
    """Return the lake, or a directory. Raises Misconfigured if it cannot be one."""
    return LakeSource(settings) if directory is None else DirectorySource(directory)


@contextmanager
def run(
    settings: Settings,
    sql: str,
    *,
    directory: Path | None = None,
    period: Period = ALWAYS,
    progress: OnProgress = lambda done, total: None,
) -> Iterator[Answer]:
    """Ask the lake, or the objects in a directory.

    Args:
        settings: the lake; and the class and version whose columns it has without objects.
        sql: one SELECT over `findings`.
        directory: where to look instead of the lake.
        period: the times of the findings that are there.
        progress: called when an object is first read.

    Raises:
        Misconfigured: the SQL, the place or a right is wrong.
        Unavailable: the lake does not answer, or an object changed meanwhile.
        Corrupt: an object is not readable Parquet.
    """
    source = source_of(settings, directory)
    objects = Objects(source, progress)
    with TemporaryDirectory(prefix="falcolake-") as temporary:
        engine = Engine(Path(temporary))
        try:
            with _failures_of(objects):
                objects.find(period)
                ocsf = settings.ocsf
                found = objects.dataset(lambda: columns_of(ocsf.event_class, ocsf.version))
                engine.show(found, period.condition())
                schema, batches = engine.ask(sql)
            notes = list(objects.notes())
            if not objects.objects:
                notes.append(f"there is no object of this period in {source.place}")
            yield Answer(schema, _batches(batches, objects), notes)
        finally:
            engine.close()


def _batches(batches: Iterator[pa.RecordBatch], objects: Objects) -> Iterator[pa.RecordBatch]:
    with _failures_of(objects):
        yield from batches


@contextmanager
def _failures_of(objects: Objects) -> Iterator[None]:
    """Raise what went wrong in reading objects, instead of what DuckDB makes of it."""
    try:
        yield
    except FalcolakeError as error:
        if objects.failure is None:
            raise
        raise objects.failure from error
