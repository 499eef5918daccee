"""`falcolake verify`: checks objects, local or in S3, against every rule.

Reads each object in full, one after another, and changes nothing. The checks are in `rules`
(Security Lake's format, falcolake's own promises) and `rows` (the OCSF schema).
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from streams.audit import rate, rules
from streams.audit import rows as ocsf_rows
from streams.audit.rules import Fault
from streams.errors import Misconfigured
from streams.lake.reader import LakeReader
from streams.lake.session import connect
from streams.lake.store import StoredObject, is_probe
from streams.settings.settings import Settings
from streams.sizes import counted
from streams.terminal import OnProgress

SCHEME = "s3://"


class Checked(NamedTuple):
    """One object: its rows, how many were checked against OCSF, and its faults."""

    name: str
    rows: int
    validated: int
    faults: tuple[Fault, ...]

    def plain(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return {
            "object": self.name,
            "rows": self.rows,
            "rows_validated": self.validated,
            "faults": [
                {"rule": fault.rule, "message": fault.message, "warning": fault.warning}
                for fault in self.faults
            ],
        }


@dataclass(frozen=True, slots=True)
class Verification:
    """All objects that were checked. `schema` is false if the OCSF packages are missing."""

    place: str
    objects: tuple[Checked, ...]
    schema: bool
    #: How many objects were put sooner after another than Security Lake asks for.
    often: int = 0

    @property
    def faults(self) -> int:
        """The number of broken rules, without warnings."""
        return sum(not fault.warning for each in self.objects for fault in each.faults)

    @property
    def warnings(self) -> int:
        """The number of recommendations that are not followed."""
        return sum(fault.warning for each in self.objects for fault in each.faults)

    def notes(self) -> list[str]:
        """Return what was not checked, and what is seen only in many objects together."""
        found = []
        if not self.schema:
            found.append(f"the rows were not checked against the OCSF schema: {ocsf_rows.EXTRA}")
        if self.often:
            found.append(
                f"{self.often:,} of {len(self.objects):,} objects were put less than 5 minutes "
                "after another of their partition and day; Security Lake asks for that only above "
                "256 MB: use a longer WINDOW__INTERVAL"
            )
        return found

    def plain(self) -> dict[str, Any]:
        """Return the verification as JSON types."""
        by_rule = Counter(fault.rule for each in self.objects for fault in each.faults)
        return {
            "place": self.place,
            "objects": [each.plain() for each in self.objects],
            "rows": sum(each.rows for each in self.objects),
            "rows_validated": sum(each.validated for each in self.objects),
            "faults": self.faults,
            "warnings": self.warnings,
            "too_often": self.often,
            "by_rule": dict(by_rule),
            "notes": self.notes(),
        }

    def __str__(self) -> str:
        rows = sum(each.rows for each in self.objects)
        validated = sum(each.validated for each in self.objects)
        against = f"{validated:,} of them against the OCSF schema"
        return (
            f"{self.place}: {counted(len(self.objects), 'object')} "
            f"with {counted(rows, 'row')}, {against}; "
            f"faults: {self.faults or 'none'}, warnings: {self.warnings or 'none'}"
        )


def run(
    settings: Settings,
    place: str,
    *,
    sample: int | None = None,
    schema: bool | None = None,
    progress: OnProgress = lambda done, total: None,
) -> Verification:
    """Check an object, or all objects under a directory or prefix.

    Args:
        settings: how to reach S3; bucket and prefix are those of the place.
        place: a path, or s3://bucket/key.
        sample: the number of rows of each object to validate; by default all.
        schema: whether to check rows against OCSF; by default if the packages are installed.
        progress: called after each object.

    Raises:
        Misconfigured: there is nothing at the place, or a right is missing.
        Unavailable: S3 does not answer.
    """
    source = _Lake(settings, place) if place.startswith(SCHEME) else _Directory(place)
    names = source.names()
    schema = ocsf_rows.available() if schema is None else schema
    checked = []
    progress(0, len(names))
    for number, name in enumerate(names, 1):
        with source.opened(name) as file:
            rows, faults = rules.check(file, source.key(name), placed=source.placed)
            validated = 0
            if schema and not any(fault.rule == "parquet" for fault in faults):
                validated, wrong = ocsf_rows.check(file, sample)
                faults += [Fault("schema", f"{each}") for each in wrong]
        checked.append(Checked(name, rows, validated, tuple(faults)))
        progress(number, len(names))
    return Verification(place, tuple(checked), schema, rate.too_often(source.found))


class _Directory:
    """Local files."""

    placed = False
    found: tuple[StoredObject, ...] = ()  # a copy does not say when the object was put

    def __init__(self, place: str) -> None:
        self._path = Path(place)

    def names(self) -> list[str]:
        if self._path.is_dir():
            found = sorted(str(file) for file in self._path.rglob("*.parquet") if file.is_file())
        else:
            found = [str(self._path)] if self._path.is_file() else []
        if not found:
            raise Misconfigured(
                f"there is no Parquet file at {self._path}",
                "give a file, a directory of Parquet files, or s3://bucket/prefix",
            )
        return found

    def key(self, name: str) -> str:
        """Return the path, whose end can be the key of an object."""
        return str(Path(name).absolute())

    @contextmanager
    def opened(self, name: str) -> Iterator[Path]:
        yield Path(name)


class _Lake:
    """Objects in a bucket, downloaded one at a time."""

    placed = True

    def __init__(self, settings: Settings, place: str) -> None:
        bucket, _, self._key = place.removeprefix(SCHEME).partition("/")
        if not bucket:
            raise Misconfigured(
                f"{place} does not name a bucket", "for example s3://my-lake/ext/falco"
            )
        lake = settings.lake.model_copy(update={"bucket": bucket})
        self._place = place
        self.found: tuple[StoredObject, ...] = ()
        self._reader = LakeReader(lake, connect(lake))

    def names(self) -> list[str]:
        """Return the keys of the object at this key and of those under it."""
        below = f"{self._key.rstrip('/')}/".lstrip("/")

        def wanted(found: StoredObject) -> bool:
            folder = found.key.endswith("/") and not found.size
            if folder or is_probe(found.key):
                return False
            return found.key == self._key or found.key.startswith(below)

        self.found = tuple(filter(wanted, self._reader.beginning_with(self._key)))
        names = [found.key for found in self.found]
        if not names:
            raise Misconfigured(
                f"there is no object at {self._place}", "correct it, or see 'falcolake audit'"
            )
        return names

    def key(self, name: str) -> str:
        return name

    @contextmanager
    def opened(self, name: str) -> Iterator[Path]:
        with TemporaryDirectory(prefix="falcolake-") as directory:
            file = Path(directory) / "object.parquet"
            self._reader.fetch(name, file)
            yield file
