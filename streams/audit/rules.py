"""The rules of Amazon Security Lake and falcolake for one object, except its rows' content.

Each rule is a function that yields its violations. A file that cannot be read is a fault, not an
exception. Source: "Collecting data from custom sources" in the Security Lake
user guide.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
from pyarrow import compute, parquet

from schemas import mapping
from schemas.ocsf.columns import columns
from schemas.ocsf.releases import beyond_security_lake
from streams.audit import proof
from streams.audit.coverage import Stored
from streams.audit.page_sizes import pages
from streams.audit.rows import CLASSES
from streams.errors import Corrupt
from streams.lake.footers import interpret
from streams.lake.keys import Footer, Unread, parse_key
from streams.settings.fields import ACCOUNT_ID
from streams.settings.settings import SECURITY_LAKE_PREFIX
from streams.staging.filing import DAY_NOTE

PAGE_BYTES = 1 << 20
ROW_GROUP_BYTES = 256 << 20
SOURCE_LENGTH = 20
RELEASES = {(kind, version) for kind, versions in mapping.CLASSES.items() for version in versions}

Rule = Literal[
    "parquet",  # it can be read
    "path",  # its key: source, region, account, event day, window
    "footer",  # its footer: present, consistent, and of this key
    "day",  # only rows of the event day in its path
    "order",  # rows ordered by time
    "class",  # one event class and version
    "columns",  # the column types of the class and version
    "page",  # data pages of at most 1 MiB before compression
    "row group",  # row groups of at most 256 MiB after compression
    "codec",  # zstd
    "schema",  # rows that OCSF allows
]


@dataclass(frozen=True, slots=True)
class Fault:
    """A rule that an object breaks; a warning if the rule is only a recommendation."""

    rule: Rule
    message: str
    warning: bool = False


@dataclass(slots=True)
class Candidate:
    """An object to check: its file, key and Parquet metadata."""

    file: Path
    #: The full key, or the path of a local file, of which only `region=` and what follows counts.
    key: str
    #: Whether the key must be valid in a lake; a local copy of an object can be anywhere.
    placed: bool
    metadata: "parquet.FileMetaData"
    row_group_bytes: int


def check(
    file: Path, key: str, *, placed: bool, row_group_bytes: int = ROW_GROUP_BYTES
) -> tuple[int, list[Fault]]:
    """Check one object; return its number of rows and what is wrong with it."""
    try:
        candidate = Candidate(file, key, placed, parquet.read_metadata(file), row_group_bytes)
    except (pa.ArrowException, OSError) as error:
        return 0, [Fault("parquet", f"it cannot be read: {error}".splitlines()[0])]
    faults: list[Fault] = []
    for rule in _RULES:
        try:
            faults += rule(candidate)
        except (pa.ArrowException, OSError, Corrupt) as error:
            faults.append(Fault("parquet", f"it cannot be read: {error}".splitlines()[0]))
    return candidate.metadata.num_rows, list(dict.fromkeys(faults))


# ---- place and footer


def _place(candidate: Candidate) -> Iterator[Fault]:
    """Check the path's form, and compare it with footer and rows."""
    at = candidate.key.find("region=")
    if at < 0 and not candidate.placed:
        return
    prefix, rest = candidate.key[: max(at, 0)].removesuffix("/"), candidate.key[max(at, 0) :]
    if candidate.placed:
        yield from _prefix(prefix)
    place = parse_key(f"{prefix}/{rest}", prefix)
    if place is None or not place.under(prefix).endswith(rest):
        yield Fault("path", "not region=…/accountId=…/eventDay=…/topic-partition-first-end.parquet")
        return
    if not re.fullmatch(r"[a-z]{2,4}(-[a-z]+)+-\d{1,2}", place.region):
        yield Fault("path", f"{place.region!r} is not an AWS region")
    if not ACCOUNT_ID.fullmatch(place.account_id):
        text = "is not an account id of 12 digits, external, or external_ and an id"
        yield Fault("path", f"{place.account_id!r} {text}")
    yield from _day(candidate, place.event_day)
    footer = interpret(candidate.metadata)
    if isinstance(footer, Unread):
        return
    stored = Stored(candidate.key, place, candidate.file.stat().st_size, footer)
    for kind, message in proof.compare(stored, footer):
        if kind != "misplaced":  # `_day` checks the rows themselves
            yield Fault("footer", message)


def _prefix(prefix: str) -> Iterator[Fault]:
    if prefix.startswith("/"):
        yield Fault("path", "the key begins with a slash, so it is not under a source's prefix")
    elif not re.fullmatch(rf"ext/[^/]{{1,{SOURCE_LENGTH}}}", prefix):
        text = f"a source of Security Lake is ext/ and a name of at most {SOURCE_LENGTH} characters"
        yield Fault("path", f"{text}, not {prefix!r}", warning=True)


def _day(candidate: Candidate, event_day: str) -> Iterator[Fault]:
    """Check that the rows are of this day, or say in `unmapped` of which other day they are."""
    times = _column(candidate, "time").combine_chunks()
    bounds = compute.min_max(times).as_py()
    days = sorted({proof.day(time) for time in bounds.values() if isinstance(time, int)})
    if not days or days == [event_day]:
        return
    fields = _column(candidate, "unmapped").to_pylist(maps_as_pydicts="lossy")
    others = [
        _says_day(unmapped, name)
        for name, unmapped in zip(map(proof.day, times.to_pylist()), fields, strict=True)
        if name != event_day
    ]
    footer = interpret(candidate.metadata)
    if not all(others):
        yield Fault("day", f"rows of {' to '.join(days)} under eventDay={event_day}")
    elif isinstance(footer, Footer) and footer.other_days < len(others):
        text = f"{len(others)} rows of other days, but {footer.other_days} in the whole window"
        yield Fault("footer", text)


def _says_day(unmapped: Any, name: str) -> bool:
    """Whether a finding says that its own day is this one."""
    fields = unmapped if isinstance(unmapped, dict) else {}
    return any(key.endswith(DAY_NOTE) and value == name for key, value in fields.items())


def _footer(candidate: Candidate) -> Iterator[Fault]:
    footer = interpret(candidate.metadata)
    if isinstance(footer, Unread):
        yield Fault("footer", footer.reason)
    elif footer.rows > footer.counts.findings:
        text = f"{footer.rows} rows, but the window has {footer.counts.findings} findings"
        yield Fault("footer", text)


# ---- rows


def _column(candidate: Candidate, name: str) -> pa.ChunkedArray:
    """Return a column, or an attribute of a struct. Raises Corrupt if it does not exist."""
    outer, *inner = name.split(".")
    with parquet.ParquetFile(candidate.file) as source:
        table = source.read(columns=[name])
    try:
        return compute.struct_field(table[outer], inner) if inner else table[outer]
    except KeyError:
        raise Corrupt(f"there is no column {name}", "write the object again, with it") from None


def _order(candidate: Candidate) -> Iterator[Fault]:
    times = _column(candidate, "time").combine_chunks()
    earlier = compute.less(times[1:], times[:-1])
    row = compute.index(earlier, value=True).as_py()
    if row >= 0:
        yield Fault("order", f"row {row + 1} is earlier than the row before it")


def _class(candidate: Candidate) -> Iterator[Fault]:
    kinds = _kinds(candidate)
    named = [f"class {uid} of version {version}" for uid, version in kinds]
    if len(kinds) > 1:
        yield Fault("class", f"rows of more than one event class: {', '.join(named)}")
    for kind, name in zip(kinds, named, strict=True):
        if (CLASSES.get(kind[0]), kind[1]) not in RELEASES:
            yield Fault("class", f"{name} is not one that falcolake writes")
        # A lake of one's own has another prefix; where a local file will go is unknown.
        of_security_lake = candidate.key.startswith(SECURITY_LAKE_PREFIX) or not candidate.placed
        if of_security_lake and (beyond := beyond_security_lake(kind[1])):
            yield Fault("class", beyond, warning=True)


def _kinds(candidate: Candidate) -> list[tuple[int, str]]:
    """Return each (class_uid, version) of the rows."""
    columns = [_column(candidate, name) for name in ("class_uid", "metadata.version")]
    pairs = pa.table(columns, ["uid", "version"]).group_by(["uid", "version"]).aggregate([])
    return sorted(((row["uid"], row["version"]) for row in pairs.to_pylist()), key=str)


def _columns(candidate: Candidate) -> Iterator[Fault]:
    """Compare the columns with those of this class and version."""
    schema = parquet.read_schema(candidate.file, memory_map=False)
    found = {field.name: _duckdb(field.type) for field in schema}
    kinds = [(CLASSES.get(uid, ""), version) for uid, version in _kinds(candidate)]
    # An object without rows can be of any class.
    wanted = [columns(*kind) for kind in sorted(RELEASES) if not kinds or kind in kinds]
    if not wanted or any(list(found.items()) == list(each.items()) for each in wanted):
        return
    for name in {**wanted[0], **found}:
        if name not in found:
            yield Fault("columns", f"{name} is missing")
        elif name not in wanted[0]:
            yield Fault("columns", f"{name} is not a column of this class")
        elif found[name] != wanted[0][name]:
            here, right = _where_they_part(found[name], wanted[0][name])
            yield Fault("columns", f"{name} is {here}, not {right}")
    if found == dict(wanted[0]):
        yield Fault("columns", f"they are in another order: {', '.join(found)}"[:200])


def _duckdb(kind: pa.DataType) -> str:
    """Return a type's name as in `schemas.ocsf.columns`."""
    if pa.types.is_struct(kind):
        return "STRUCT(" + ", ".join(f'"{each.name}" {_duckdb(each.type)}' for each in kind) + ")"
    if pa.types.is_map(kind):
        return f"MAP({_duckdb(kind.key_type)}, {_duckdb(kind.item_type)})"
    if pa.types.is_list(kind):
        return f"{_duckdb(kind.value_type)}[]"
    return _TYPES.get(kind, str(kind))


def _where_they_part(found: str, wanted: str) -> tuple[str, str]:
    """Return two long types, cut to the attribute where they begin to differ."""
    pairs = enumerate(zip(found, wanted, strict=False))
    at = next((place for place, (one, other) in pairs if one != other), len(found))
    start = max(found.rfind(', "', 0, at) + 2, found.rfind('("', 0, at) + 1) if '"' in found else 0
    return found[start : start + 80], wanted[start : start + 80]


# ---- Parquet


def _page(candidate: Candidate) -> Iterator[Fault]:
    """Yield the largest data page of each column that has one too large."""
    largest: dict[str, int] = {}
    for page in pages(candidate.file, candidate.metadata):
        if page.kind == "data" and page.size > max(PAGE_BYTES, largest.get(page.column, 0)):
            largest[page.column] = page.size
    for column, size in largest.items():
        yield Fault("page", f"{column} has a data page of {size:,} bytes before compression")


def _row_group(candidate: Candidate) -> Iterator[Fault]:
    for number in range(candidate.metadata.num_row_groups):
        group = candidate.metadata.row_group(number)
        chunks = map(group.column, range(group.num_columns))
        size = sum(chunk.total_compressed_size for chunk in chunks)
        if size > candidate.row_group_bytes:
            yield Fault("row group", f"row group {number} has {size:,} bytes after compression")


def _codec(candidate: Candidate) -> Iterator[Fault]:
    groups = map(candidate.metadata.row_group, range(candidate.metadata.num_row_groups))
    used = {group.column(n).compression for group in groups for n in range(group.num_columns)}
    for codec in sorted(used - {"ZSTD"}):
        yield Fault("codec", f"compressed with {codec.lower()}; zstd is preferred", warning=True)


_TYPES = {
    pa.string(): "VARCHAR",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    pa.bool_(): "BOOLEAN",
    pa.timestamp("ms", "UTC"): "TIMESTAMP_MS",
}
_RULES: tuple[Callable[[Candidate], Iterator[Fault]], ...] = (
    _place,
    _footer,
    _class,
    _columns,
    _order,
    _page,
    _row_group,
    _codec,
)
