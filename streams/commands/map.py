"""The command `map`, and how it reads files.

The mapping is the worker's, so a reject here is what a worker would send to the dead-letter topic.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, Literal

import typer

from streams.commands.options import load_settings
from streams.errors import Misconfigured
from streams.terminal import print_line, print_table, print_text, say

if TYPE_CHECKING:
    from schemas.explain import Explanation

#: Characters of a field's value in a table; --json prints all of it.
SHOWN = 60
STANDARD_INPUT = "-"
NO_TIMESTAMP = -1  # Kafka's own value for a record without a timestamp


def map_alerts(
    context: typer.Context,
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE", help="JSON lines or a JSON array; - for standard input."),
    ] = None,
    event_class: Annotated[
        Literal["detection_finding", "security_finding"] | None,
        typer.Option("--class", help="OCSF class. Default: the setting ocsf.class."),
    ] = None,
    ocsf_version: Annotated[
        Literal["1.1.0", "1.3.0", "1.8.0"] | None,
        typer.Option(help="OCSF version. Default: the setting ocsf.version."),
    ] = None,
    pretty: Annotated[bool, typer.Option("--pretty", help="Indent the JSON.")] = False,
    explained: Annotated[
        bool, typer.Option("--explain", help="Print where each field goes, and why.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="With --explain: JSON lines, not tables.")
    ] = False,
) -> None:
    """Map alerts to OCSF findings, as JSON lines; needs neither Kafka nor S3.

    Rejects go to standard error, with their line and reason, and set exit code 1.
    Filtered alerts are left out; --explain says what filtered them.

    \b
    Examples:
      falcolake map alerts.jsonl > findings.jsonl
      kubectl logs -n falco daemonset/falco | falcolake map --pretty - | less
      falcolake map --explain --ocsf-version 1.8.0 alerts.jsonl
    """
    from schemas.explain import explain
    from schemas.mapping import Filtered, Reject
    from streams.settings.mapping import build_mapping

    settings = load_settings(context)
    wanted = {"event_class": event_class, "version": ocsf_version}
    ocsf = settings.ocsf.model_copy(update={key: value for key, value in wanted.items() if value})
    mapping = build_mapping(settings.model_copy(update={"ocsf": ocsf}))
    make = partial(explain, mapping) if explained else mapping.finding
    rejects = 0
    for place, value in read_values(files or [STANDARD_INPUT]):
        answer = make(value, NO_TIMESTAMP)
        if isinstance(answer, Reject):
            say(f"{place}: {answer.reason}")
            rejects += 1
        elif isinstance(answer, list):
            _print_explained(place, answer, as_json=as_json, pretty=pretty)
        elif not isinstance(answer, Filtered):
            print_line(answer, pretty=pretty)
        elif explained and as_json:
            print_line({"alert": place, "filtered": answer.by}, pretty=pretty)
        elif explained:
            print_text(f"{place}: filtered by {answer.by}\n")
    raise typer.Exit(1 if rejects else 0)


def _print_explained(
    place: str, lines: "list[Explanation]", *, as_json: bool, pretty: bool
) -> None:
    if as_json:
        print_line({"alert": place, "fields": [line._asdict() for line in lines]}, pretty=pretty)
        return
    print_text(f"{place}:")
    print_table(
        ["field", "value", "attributes", "why"],
        [
            [_cut(line.field), _cut(line.value), ", ".join(line.attributes) or "-", line.why]
            for line in lines
        ],
    )
    print_text("")


def _cut(value: str) -> str:
    """Return a text that fits into a cell, without control characters."""
    shown = value if value.isprintable() else json.dumps(value)[1:-1]
    return shown if len(shown) <= SHOWN else shown[: SHOWN - 1] + "…"


def read_values(names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Yield every value of some files with its place: `name:line`, or `name[index]` in an array.

    Reads JSON lines one at a time, however long the file, or one JSON array as a whole. "-" is
    standard input. Empty lines are skipped.

    Raises:
        Misconfigured: a file cannot be read. It is raised before the first value is yielded.
    """
    with ExitStack() as opened:
        for name, source in [(name, _open(name, opened)) for name in names]:
            yield from _values(name, source)


def _open(name: str, opened: ExitStack) -> BinaryIO:
    if name == STANDARD_INPUT:
        return sys.stdin.buffer
    try:
        return opened.enter_context(Path(name).open("rb"))
    except OSError as error:
        raise Misconfigured(
            f"cannot read {name}: {error.strerror}",
            "give a file of JSON lines, or - for standard input",
        ) from None


def _values(name: str, source: BinaryIO) -> Iterator[tuple[str, bytes]]:
    begun = False
    for number, line in enumerate(source, start=1):
        value = line.strip()
        if not value:
            continue
        if not begun and value.startswith(b"["):
            yield from _array(name, number, line + source.read())
            return
        begun = True
        yield f"{name}:{number}", value


def _array(name: str, number: int, text: bytes) -> Iterator[tuple[str, bytes]]:
    import msgspec

    try:
        values = msgspec.json.decode(text, type=list[msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        # Not an array, but lines of which the first is wrong.
        for offset, line in enumerate(text.splitlines()):
            if value := line.strip():
                yield f"{name}:{number + offset}", value
    else:
        for index, raw in enumerate(values):
            yield f"{name}[{index}]", bytes(raw)
