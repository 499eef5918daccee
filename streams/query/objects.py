"""The objects that a query reads, as one dataset: chosen by key, with the columns of all.

A key's region, account and day are columns, so a condition on them chooses objects too. Of each
object only the columns that the query needs are read, and the row groups that its conditions leave.
Objects of several classes, versions and mappings have the columns of all of them, null where one
has none. Objects whose columns contradict those of most are left out, and named.

An object that is overwritten or deleted meanwhile is an error: rows of two versions never mix.
"""

import io
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pyarrow as pa
from pyarrow import dataset

from streams.errors import Corrupt, FalcolakeError, Misconfigured, Unavailable, in_words
from streams.lake.ddl import PARTITIONS
from streams.lake.keys import ObjectKey, parse_key
from streams.lake.reader import LakeReader
from streams.lake.session import connect
from streams.lake.store import StoredObject, is_probe
from streams.query.period import Period
from streams.settings.settings import Settings
from streams.terminal import OnProgress

FORMAT = dataset.ParquetFileFormat()

#: Objects whose columns are read beforehand; of more, so many that are spread evenly. An object
#: that is not among them and contradicts them ends the query.
MOST_FOOTERS = 500
#: Concurrent reads: as many as the S3 client keeps connections.
AT_ONCE = 16

#: How much is read before DuckDB asks for it: rows at once, batches and objects.
AHEAD = {"batch_size": 8192, "batch_readahead": 2, "fragment_readahead": 4, "cache_metadata": False}

AGAIN = "try again: the object may have been written just now; else see 'falcolake verify'"


class Source(Protocol):
    """Where objects are."""

    #: In words, for messages.
    place: str

    def objects(self, period: Period) -> Iterator[tuple[ObjectKey | None, StoredObject]]:
        """Yield the objects that can have findings of the period; None: the key is not one."""
        ...

    def read(self, stored: StoredObject, begin: int, size: int) -> bytes:
        """Read a piece of an object, which must be as it was when it was found."""
        ...


class LakeSource:
    """The lake of the settings."""

    def __init__(self, settings: Settings) -> None:
        """Raise Misconfigured if no lake is set."""
        settings.require_lake()
        self._reader = LakeReader(settings.lake, connect(settings.lake))
        self._prefix = settings.lake.prefix
        self._etags: dict[str, str] = {}
        self.place = f"s3://{settings.lake.bucket}/{self._prefix}"

    def objects(self, period: Period) -> Iterator[tuple[ObjectKey | None, StoredObject]]:
        """List the days of the period only."""
        for below in self._days(period) if period.bounded else [""]:
            for stored in self._reader.objects(below):
                folder = stored.key.endswith("/") and not stored.size
                if not folder and not is_probe(stored.key):
                    yield parse_key(stored.key, self._prefix), stored

    def _days(self, period: Period) -> Iterator[str]:
        top = f"{self._prefix}/"
        for region in self._reader.folders(f"{top}region="):
            for account in self._reader.folders(f"{region}accountId="):
                for found in self._reader.folders(f"{account}eventDay="):
                    if period.has(found.rpartition("=")[2].rstrip("/")):
                        yield found.removeprefix(top)

    def read(self, stored: StoredObject, begin: int, size: int) -> bytes:
        """Send one request; all those for an object are for what the first one found."""
        body, etag = self._reader.piece(stored.key, begin, size, self._etags.get(stored.key))
        self._etags.setdefault(stored.key, etag)
        return body


class DirectorySource:
    """A local copy of a lake, or of a part of it."""

    def __init__(self, directory: Path) -> None:
        """Raise Misconfigured if it is not a directory."""
        if not directory.is_dir():
            raise Misconfigured(
                f"there is no directory {directory}",
                "give a directory that has region=…/accountId=…/eventDay=… in it",
            )
        self._directory = directory.absolute()
        self.place = f"{directory}"

    def objects(self, period: Period) -> Iterator[tuple[ObjectKey | None, StoredObject]]:
        """Look for Parquet files at any depth."""
        for file in sorted(self._directory.rglob("*.parquet")):
            key = parse_key(f"{file}", f"{file}".rpartition("/region=")[0])
            if key is None or period.has(key.event_day):
                yield key, self._stored(file)

    def _stored(self, file: Path) -> StoredObject:
        try:
            found = file.stat()
        except OSError as error:
            raise Unavailable(f"cannot read {file}: {in_words(error)}", AGAIN) from error
        return StoredObject(f"{file}", found.st_size, found.st_mtime_ns // 1_000_000)

    def read(self, stored: StoredObject, begin: int, size: int) -> bytes:
        """Read from the file, unless it has changed."""
        file = Path(stored.key)
        if self._stored(file) != stored:
            raise Unavailable(f"{file} was changed while it was read", AGAIN)
        try:
            with file.open("rb") as opened:
                opened.seek(begin)
                return opened.read(size)
        except OSError as error:
            raise Unavailable(f"cannot read {file}: {in_words(error)}", AGAIN) from error


class _Pieces(io.RawIOBase):
    """A file whose pieces are fetched when they are read."""

    def __init__(self, size: int, fetch: Callable[[int, int], bytes]) -> None:
        self._size, self._fetch, self._at = size, fetch, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = base + offset
        return self._at

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._size - self._at)
        wanted = left if size < 0 else min(size, left)
        found = self._fetch(self._at, wanted) if wanted else b""
        self._at += len(found)
        return found


class Sparing(dataset.FileSystemDataset):  # type: ignore[misc]
    """A dataset that reads less ahead than Arrow does by default."""

    def scanner(self, **asked: Any) -> dataset.Scanner:
        """Return what reads the columns and rows that DuckDB asks for."""
        return super().scanner(**asked, **AHEAD)


class Object(NamedTuple):
    """An object of falcolake's, and what Arrow reads of it."""

    key: ObjectKey
    stored: StoredObject
    fragment: dataset.Fragment


@dataclass
class Objects:
    """The objects of a period. `failure` is the first error of reading them.

    Arrow and DuckDB pass such an error on as mere text.
    """

    source: Source
    progress: OnProgress = lambda done, total: None
    objects: list[Object] = field(default_factory=list)
    #: Why which objects are left out.
    left: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    failure: FalcolakeError | None = None
    _begun: set[str] = field(default_factory=set)

    def find(self, period: Period) -> None:
        """List the objects, without reading any."""
        for key, stored in self.source.objects(period):
            if key is None:
                self.left["whose keys are not falcolake's"].append(stored.key)
            else:
                self.objects.append(Object(key, stored, self._fragment(key, stored)))

    def _fragment(self, key: ObjectKey, stored: StoredObject) -> dataset.Fragment:
        values = dict(zip(PARTITIONS, key[: len(PARTITIONS)], strict=True))
        place = dataset.field(PARTITIONS[0]) == values[PARTITIONS[0]]
        for name in PARTITIONS[1:]:
            place &= dataset.field(name) == values[name]
        file = _Pieces(stored.size, lambda begin, size: self._read(stored, begin, size))
        return FORMAT.make_fragment(pa.PythonFile(file, "r"), partition_expression=place)

    def _read(self, stored: StoredObject, begin: int, size: int) -> bytes:
        if stored.key not in self._begun:
            self._begun.add(stored.key)
            self.progress(len(self._begun), len(self.objects))
        try:
            return self.source.read(stored, begin, size)
        except FalcolakeError as error:
            self.failure = self.failure or error
            raise

    def dataset(self, empty: Callable[[], pa.Schema]) -> dataset.FileSystemDataset:
        """Return all objects with all their columns; without any object, with those of `empty`."""
        schema = self._unify() if self.objects else empty()
        for name in PARTITIONS:
            if name not in schema.names:
                schema = schema.append(pa.field(name, pa.string()))
        fragments = [each.fragment for each in self.objects]
        return Sparing(fragments, schema, FORMAT)

    def _unify(self) -> pa.Schema:
        """Return the columns of all; leave out objects that contradict those of most."""
        alike: list[tuple[pa.Schema, list[Object]]] = []
        some = spread(self.objects, MOST_FOOTERS)
        threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="footers")
        try:
            for each, schema in zip(some, threads.map(self._schema, some), strict=True):
                same = next((found for known, found in alike if known.equals(schema)), None)
                if same is None:
                    alike.append((schema, [each]))
                else:
                    same.append(each)
        finally:
            threads.shutdown(cancel_futures=True)
        alike.sort(key=lambda found: -len(found[1]))
        schema = alike[0][0]
        out: set[str] = set()
        for other, found in alike[1:]:
            try:
                schema = pa.unify_schemas([schema, other], promote_options="permissive")
            except pa.ArrowException:
                out |= {each.stored.key for each in found}
        if out:
            self.left["whose columns contradict the others'"] += sorted(out)
            self.objects = [each for each in self.objects if each.stored.key not in out]
        return schema

    def _schema(self, found: Object) -> pa.Schema:
        try:
            schema: pa.Schema = found.fragment.physical_schema
        except (pa.ArrowException, OSError) as error:
            said = in_words(error).splitlines()[0]
            raise Corrupt(f"{found.stored.key} cannot be read: {said}", AGAIN) from error
        return schema.remove_metadata()

    def notes(self) -> Iterator[str]:
        """Yield which objects are left out."""
        for why, keys in self.left.items():
            more = f" and {len(keys) - 1:,} more" if len(keys) > 1 else ""
            yield f"left out {keys[0]}{more}, {why}"


def spread(objects: Sequence[Object], most: int) -> Sequence[Object]:
    """Return at most so many of the objects, spread evenly, with the first and the last."""
    if len(objects) <= most:
        return objects
    return [objects[number * (len(objects) - 1) // (most - 1)] for number in range(most)]
