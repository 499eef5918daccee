"""The sources of an import: files, directories, prefixes of S3, standard input; and their bytes.

gzip and zstd are known by their first bytes, whatever a name says, and are decompressed as they are
read. A directory's files and a prefix's objects come in the order of their names.
"""

import gzip
import io
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from streams.background import in_background
from streams.errors import Misconfigured, in_words
from streams.lake.reader import LakeReader
from streams.lake.session import connect
from streams.settings.settings import Settings

SCHEME = "s3://"
STANDARD_INPUT = "-"

#: Bytes of an object that are asked for at once. A connection that waits for Kafka would be closed.
PIECE = 4 << 20

#: Bytes of an object that is fetched before its turn, and how many are.
SMALL = 1 << 18
AT_ONCE = 12

GZIP = b"\x1f\x8b"
ZSTD = b"\x28\xb5\x2f\xfd"


@dataclass(frozen=True)
class Source:
    """Something to import.

    Its `tag` is different once its content is; empty if only the content itself can tell. `size`
    is as stored, None if unknown. A source that `grows` may get more at its end.
    """

    name: str
    tag: str = ""
    size: int | None = None
    grows: bool = False

    @contextmanager
    def open(self) -> Iterator[tuple[IO[bytes], bool]]:
        """Open it for reading, decompressed; yield that, and whether its last value may go on.

        Reading raises OSError, EOFError and zlib.error, and FalcolakeError of an object.
        """
        with self._open() as raw:
            head = _head(raw)
            stream = rewound(head, raw)
            with _decompressed(stream, head) as content:
                yield content, self.grows and content is stream

    def _open(self) -> Any:
        if self.name == STANDARD_INPUT:
            return _standard_input()
        return Path(self.name).open("rb", buffering=0)


@dataclass(frozen=True)
class Stored(Source):
    """An object in S3."""

    reader: LakeReader | None = None
    key: str = ""
    body: bytes | None = None

    def fetched(self) -> "Stored":
        """Return it with its body in memory, for a small one."""
        assert self.reader is not None
        return replace(self, body=self.reader.piece(self.key, 0, self.size or 0)[0])

    def _open(self) -> Any:
        if self.body is not None:
            return io.BytesIO(self.body)
        assert self.reader is not None
        return _Object(self.reader, self.key, self.size or 0)


class _Object(io.RawIOBase):
    """An object as a file, read in pieces. Raises FalcolakeError if it changes meanwhile."""

    def __init__(self, reader: LakeReader, key: str, size: int) -> None:
        self._reader, self._key, self._left = reader, key, size
        self._begin = 0
        self._etag: str | None = None
        self._piece = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._piece and self._left:
            size = min(PIECE, self._left)
            piece, self._etag = self._reader.piece(self._key, self._begin, size, self._etag)
            self._begin += len(piece)
            self._left -= len(piece)
            self._piece = memoryview(piece)
        taken = min(len(buffer), len(self._piece))
        buffer[:taken] = self._piece[:taken]
        self._piece = self._piece[taken:]
        return taken


class _Rewound(io.RawIOBase):
    """A stream whose first bytes were read already."""

    def __init__(self, head: bytes, rest: Any) -> None:
        self._head, self._rest = head, rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._head:
            taken = min(len(buffer), len(self._head))
            buffer[:taken], self._head = self._head[:taken], self._head[taken:]
            return taken
        return self._rest.readinto(buffer) or 0


def rewound(head: bytes, rest: Any) -> IO[bytes]:
    """Return a stream from its beginning on, whose first bytes were read already."""
    return io.BufferedReader(_Rewound(head, rest), 1 << 18)


def find(settings: Settings, words: Sequence[str], besides: Path) -> Iterator[Source]:
    """Yield the sources that are named, in a fixed order, but for the file `besides`.

    Raises Misconfigured at once for a path that is not there, and S3's errors on the way.
    """
    for word in words:
        if word != STANDARD_INPUT and not word.startswith(SCHEME):
            with _reading(word):
                Path(word).stat()
    return (source for word in words for source in _find(settings, word, besides))


def ahead(sources: Iterable[Source], wanted: Callable[[Source], bool]) -> Iterator[Source]:
    """Yield the sources in order; the next small objects among them that are wanted are fetched.

    falcosidekick writes an object for each alert, and each takes some milliseconds.
    """
    waiting: deque[Source | Future[Stored]] = deque()
    for source in sources:
        if isinstance(source, Stored) and (source.size or 0) <= SMALL and wanted(source):
            waiting.append(in_background(source.fetched, "fetching"))
        else:
            waiting.append(source)
        if len(waiting) > AT_ONCE:
            yield _arrived(waiting.popleft())
    while waiting:
        yield _arrived(waiting.popleft())


def _arrived(source: "Source | Future[Stored]") -> Source:
    return source if isinstance(source, Source) else source.result()


def _find(settings: Settings, word: str, besides: Path) -> Iterator[Source]:
    if word == STANDARD_INPUT:
        yield Source(word)
    elif word.startswith(SCHEME):
        yield from _objects(settings, word)
    elif Path(word).is_dir():
        journal = besides.resolve()
        journals = {journal, *(Path(f"{journal}-{end}") for end in ("wal", "shm"))}
        with _reading(word):
            for path in _walk(Path(word).resolve()):
                if path.is_file() and path not in journals:
                    yield _file(path)
    else:
        with _reading(word):
            found = _file(Path(word).absolute())
        yield found


def _walk(top: Path) -> Iterator[Path]:
    """Yield what is in a directory and those in it. Raises OSError where it may not look."""

    def fail(error: OSError) -> None:
        raise error

    for folder, folders, files in os.walk(top, onerror=fail):
        folders.sort()
        yield from (Path(folder, name) for name in sorted(files))


@contextmanager
def _reading(word: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = error.filename or word
        raise Misconfigured(
            f"cannot read {where}: {in_words(error)}",
            "give files, directories, s3://bucket/prefix, or - for standard input",
        ) from error


def _file(path: Path) -> Source:
    found = path.stat()
    if not path.is_file():
        return Source(str(path))  # a pipe
    return Source(str(path), f"{found.st_size}:{found.st_mtime_ns}", found.st_size, grows=True)


def _objects(settings: Settings, word: str) -> Iterator[Source]:
    bucket, _, prefix = word.removeprefix(SCHEME).partition("/")
    if not bucket:
        raise Misconfigured(f"{word} names no bucket", "give s3://bucket/prefix")
    lake = settings.lake.model_copy(update={"bucket": bucket})
    reader = LakeReader(lake, connect(lake))
    for stored in reader.beginning_with(prefix):
        if stored.size:
            yield Stored(
                f"{SCHEME}{bucket}/{stored.key}",
                f"{stored.size}:{stored.written_ms}",
                stored.size,
                reader=reader,
                key=stored.key,
            )


def _standard_input() -> Any:
    """Open standard input. Python aborts at its end if a thread waits in its own buffer for it."""
    try:
        return io.FileIO(sys.stdin.fileno(), closefd=False)
    except OSError:
        return nullcontext(sys.stdin.buffer)  # that of the tests


def _head(raw: Any) -> bytes:
    """Read the first bytes of a stream, as many as tell how it is compressed."""
    head = b""
    while len(head) < len(ZSTD) and (more := raw.read(len(ZSTD) - len(head))):
        head += more
    return head


@contextmanager
def _decompressed(stream: Any, head: bytes) -> Iterator[Any]:
    if head.startswith(GZIP):
        with gzip.GzipFile(fileobj=stream) as content:
            yield content
    elif head.startswith(ZSTD):
        import pyarrow as pa

        with pa.CompressedInputStream(stream, "zstd") as content:
            yield content
    else:
        yield stream
