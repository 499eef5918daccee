"""Writes an answer in a format, batch by batch. On a terminal nothing in it is obeyed."""

import csv
import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Literal

import pyarrow as pa
from pyarrow import parquet, types

from streams.errors import Misconfigured, in_words
from streams.query.run import Answer
from streams.query.values import plain, text, unique
from streams.terminal import escaped, print_table, printable

#: Rows of a table.
PAGE = 1000

Format = Literal["table", "json", "csv", "parquet"]


def show(answer: Answer, form: Format, output: Path | None) -> None:
    """Write an answer to a file, or to standard output."""
    if form == "table":
        _table(answer)
    elif output is None:
        WRITERS[form](answer, _standard_output())
    else:
        with _replacing(output) as file:
            WRITERS[form](answer, file)


def _table(answer: Answer) -> None:
    """Print a table; of a long answer several, so that only the rows of one are in memory."""
    numbers = [each.name for each in answer.columns if _is_number(each.type)]
    rows = ([*map(text, row)] for row in _rows(answer))
    page = list(islice(rows, PAGE))
    while True:
        print_table(answer.columns.names, page, numbers)
        page = list(islice(rows, PAGE))
        if not page:
            return


def _is_number(type_: pa.DataType) -> bool:
    return bool(types.is_integer(type_) or types.is_floating(type_) or types.is_decimal(type_))


def _rows(answer: Answer) -> Iterator[tuple[Any, ...]]:
    for batch in answer.batches:
        with _written("an answer"):
            columns = [column.to_pylist(maps_as_pydicts="lossy") for column in batch.columns]
        yield from zip(*columns, strict=True)


@contextmanager
def _written(what: str) -> Iterator[None]:
    """Name the way out where a type of DuckDB has no counterpart: intervals, endless times."""
    try:
        yield
    except (pa.ArrowException, ValueError, OverflowError) as error:
        raise Misconfigured(
            f"cannot write {what}: {in_words(error).splitlines()[0]}",
            "cast the column to another type, such as VARCHAR",
        ) from error


def _json(answer: Answer, file: BinaryIO) -> None:
    names, terminal = unique(answer.columns.names), file.isatty()
    for row in _rows(answer):
        line = json.dumps(dict(zip(names, map(plain, row), strict=True)), ensure_ascii=False)
        file.write((escaped(line) if terminal else line).encode(errors="replace") + b"\n")


def _csv(answer: Answer, file: BinaryIO) -> None:
    terminal = file.isatty()

    def line(cells: list[str]) -> bytes:
        made = io.StringIO()
        writer = csv.writer(made, lineterminator="\n")
        writer.writerow(map(printable, cells) if terminal else cells)
        return made.getvalue().encode(errors="replace")

    file.write(line(answer.columns.names))
    file.writelines(line([*map(text, row)]) for row in _rows(answer))


def _parquet(answer: Answer, file: BinaryIO) -> None:
    with (
        _written("Parquet"),
        parquet.ParquetWriter(file, answer.columns, compression="zstd") as writer,
    ):
        for batch in answer.batches:
            writer.write_batch(batch)


WRITERS = {"json": _json, "csv": _csv, "parquet": _parquet}


class _Pipe(io.RawIOBase):
    """Standard output, which need not know its position: Parquet's writer asks for it."""

    def __init__(self, to: BinaryIO) -> None:
        self._to, self._at = to, 0

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return sys.stdout.isatty()

    def tell(self) -> int:
        return self._at

    def write(self, piece: Any) -> int:
        self._at += memoryview(piece).nbytes
        self._to.write(piece)
        return memoryview(piece).nbytes

    def close(self) -> None:
        """Leave it open."""


def _standard_output() -> BinaryIO:
    sys.stdout.flush()
    return _Pipe(sys.stdout.buffer)  # type: ignore[return-value]


@contextmanager
def _replacing(output: Path) -> Iterator[BinaryIO]:
    """Open a file that takes the place of `output` once it is complete."""
    part = output.with_name(f"{output.name}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(output)
    except OSError as error:
        raise Misconfigured(
            f"cannot write {output}: {in_words(error)}", "give --output another file"
        ) from error
    finally:
        with suppress(OSError):
            part.unlink()
