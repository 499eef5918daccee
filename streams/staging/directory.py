"""The staging directory: its mark and lock, and which names in it are ours.

A directory is ours once it has a file named `.falcolake-staging`. One without it is taken only if
it is empty or has nothing but what a worker left there before there were marks; anything else is
refused, so that a wrong path costs nobody a file. Only leftovers of our own exact names are ever
deleted. The directory and its files are for the worker's user alone.
"""

import contextlib
import errno
import logging
import os
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from streams.errors import Misconfigured
from streams.locks import try_lock

log = logging.getLogger(__name__)

MARK = ".falcolake-staging"
NEW_MARK = f"{MARK}.new"
LOCK = "lock"

#: Where DuckDB puts what does not fit into memory: that of staging, and that of exports.
TEMPORARY = "temporary"
TEMPORARY_COPY = "temporary-copy"

SEGMENT = re.compile(r"segment-(\d{8,})\.duckdb(\.wal)?(\.damaged)?")
EXPORT = re.compile(r"export-\d+\.parquet")

#: An export's name before there were marks.
_FORMER_EXPORT = re.compile(r"\d+\.parquet")
_SPILLED = re.compile(r"duckdb_temp_[\w-]+(\.\w+)?")

_OURS = {LOCK, MARK, NEW_MARK, TEMPORARY, TEMPORARY_COPY}

#: What `mkfs` puts on a new volume.
_EMPTY = {"lost+found"}

#: Errors that do not pass by waiting.
_HOPELESS = {
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR),
    *(errno.EEXIST, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL, errno.ENXIO, errno.ENODEV),
    *(errno.ENOSYS, errno.EOPNOTSUPP),
}

USE_ANOTHER = "set FALCOLAKE_STAGING__PATH to an empty or new directory, for this worker alone"


def export_name(number: int) -> str:
    """Return the file name of an export."""
    return f"export-{number}.parquet"


def not_ours(names: Iterable[str]) -> list[str]:
    """Return the names for which a directory that has them is refused: none if it has our mark."""
    present = set(names) - _EMPTY
    if MARK in present:
        return []
    former = _FORMER_EXPORT if LOCK in present else EXPORT
    return sorted(name for name in present if not (_is_ours(name) or former.fullmatch(name)))


def _is_ours(name: str) -> bool:
    return name in _OURS or bool(SEGMENT.fullmatch(name) or EXPORT.fullmatch(name))


def refuse_strangers(path: Path) -> None:
    """Raise Misconfigured if a directory holds what is not ours and has no mark."""
    others = not_ours(_names(path))
    if others:
        shown = ", ".join(map(repr, others[:3])) + (", …" if len(others) > 3 else "")
        raise Misconfigured(
            f"{path} is not a staging directory: it has {shown} and no file {MARK}", USE_ANOTHER
        )


def make_private(path: Path) -> None:
    """Leave a file or directory to its owner alone, if we may: a volume can belong to root."""
    with contextlib.suppress(FileNotFoundError, PermissionError):
        path.chmod(0o700 if path.is_dir() else 0o600)


class Directory:
    """A staging directory, which one worker at a time can hold."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._guard: IO[str] | None = None

    def hold(self, version: int) -> None:
        """Create, lock and mark the directory, and remove leftovers of exports in it.

        `version` is that of the files' layout. Raises Misconfigured if another worker uses the
        directory, others' files are in it, or nothing can ever be written to it; an OSError that
        may pass.
        """
        try:
            self._hold(version)
        except (OSError, ValueError) as error:
            self.release()
            if isinstance(error, OSError) and error.errno not in _HOPELESS:
                raise
            raise Misconfigured(
                f"cannot open staging in {self.path}: {error}",
                "set FALCOLAKE_STAGING__PATH to a directory in which the worker's user may write",
            ) from error
        except Misconfigured:
            self.release()
            raise

    def _hold(self, version: int) -> None:
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        refuse_strangers(self.path)
        make_private(self.path)
        self._guard = (self.path / LOCK).open("a")
        if not try_lock(self._guard):
            raise Misconfigured(
                f"another worker uses the staging directory {self.path}",
                "stop it, or set FALCOLAKE_STAGING__PATH to another directory",
            )
        self._clean()
        self._mark(version)

    def release(self) -> None:
        """Let another worker have the directory."""
        if self._guard is not None:
            self._guard.close()
            self._guard = None

    def segments(self, suffix: str = "") -> list[int]:
        """Return the numbers of segments that have a file, main or WAL, with this suffix."""
        found = map(SEGMENT.fullmatch, _names(self.path))
        return sorted({int(each[1]) for each in found if each and (each[3] or "") == suffix})

    def bytes(self) -> int:
        """Return the bytes of our files, without those that were moved aside."""
        total = 0
        for entry in self._files():
            if not entry.name.endswith(".damaged"):
                with contextlib.suppress(FileNotFoundError):  # removed by an export meanwhile
                    found = entry.stat()
                    total += found.st_size if stat.S_ISREG(found.st_mode) else 0
        return total

    def _files(self) -> Iterator[os.DirEntry[str]]:
        """Yield what is ours, and what DuckDB has spilled; this runs several times a second."""
        with os.scandir(self.path) as entries:
            yield from (entry for entry in entries if _is_ours(entry.name))
        for name in (TEMPORARY, TEMPORARY_COPY):
            with contextlib.suppress(FileNotFoundError), os.scandir(self.path / name) as spilled:
                yield from spilled

    def _clean(self) -> None:
        """Remove what exports and spilled memory of an earlier run left."""
        exports = (EXPORT,) if (self.path / MARK).exists() else (EXPORT, _FORMER_EXPORT)
        for name in _names(self.path):
            path = self.path / name
            if any(form.fullmatch(name) for form in exports) and _is_file(path):
                path.unlink()
            elif name in {TEMPORARY, TEMPORARY_COPY} and path.is_dir() and not path.is_symlink():
                for spilled in path.iterdir():
                    if _SPILLED.fullmatch(spilled.name) and _is_file(spilled):
                        spilled.unlink()
                make_private(path)
            elif name == LOCK or SEGMENT.fullmatch(name):
                make_private(path)

    def _mark(self, version: int) -> None:
        """Write the mark: at each start, because it also proves that files can be written."""
        new = self.path / NEW_MARK
        try:
            new.unlink(missing_ok=True)
            new.touch(mode=0o600)
            new.write_text(f"falcolake staging, layout {version}\n")
            new.replace(self.path / MARK)
            for name in (TEMPORARY, TEMPORARY_COPY):  # DuckDB would let others read them
                (self.path / name).mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            # A full disk is no reason to refuse: what is staged makes room once it is shipped.
            if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
                raise
            log.warning("no room for the mark of %s: %s", self.path, error)


def _names(path: Path) -> list[str]:
    return [entry.name for entry in path.iterdir()]


def _is_file(path: Path) -> bool:
    return stat.S_ISREG(path.lstat().st_mode)
