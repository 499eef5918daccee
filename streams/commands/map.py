"""`falcolake map`: alerts in, OCSF findings out; or where each of their fields went. `cli` adds it.

Needs neither Kafka nor S3, and changes nothing.
"""

import json
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from streams.terminal import print_line, print_table, print_text, say

if TYPE_CHECKING:
    from schemas.explain import Explanation

#: Characters of a field's value in a table; with --json all of it.
SHOWN = 60


def map_alerts(
    context: typer.Context,
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE", help="JSON lines or a JSON array; - for a pipe."),
    ] = None,
    event_class: Annotated[
        Literal["detection_finding", "security_finding"] | None,
        typer.Option("--class", help="OCSF class. Default: the setting ocsf.class."),
    ] = None,
    ocsf_version: Annotated[
        Literal["1.1.0", "1.8.0"] | None,
        typer.Option(help="OCSF version. Default: the setting ocsf.version."),
    ] = None,
    pretty: Annotated[bool, typer.Option("--pretty", help="Indent the JSON.")] = False,
    explained: Annotated[
        bool, typer.Option("--explain", help="Print where each field went, and why.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="With --explain: JSON lines, not tables.")
    ] = False,
) -> None:
    """Turn alerts into OCSF findings, as JSON lines; needs neither Kafka nor S3.

    What is no alert is named on standard error, with its line and the reason, and makes the exit
    code 1.

    \b
    Examples:
      falcolake map alerts.jsonl > findings.jsonl
      kubectl logs -n falco daemonset/falco | falcolake map --pretty - | less
      falcolake map --explain --ocsf-version 1.8.0 alerts.jsonl
    """
    from schemas.explain import explain
    from schemas.mapping import Filtered, Reject
    from streams.commands.convert import convert
    from streams.settings.load import load
    from streams.settings.mapping import build_mapping

    settings = load(context.obj)
    wanted = {"event_class": event_class, "version": ocsf_version}
    ocsf = settings.ocsf.model_copy(update={key: value for key, value in wanted.items() if value})
    mapping = build_mapping(settings.model_copy(update={"ocsf": ocsf}))
    make = partial(explain, mapping) if explained else mapping.finding
    rejects = 0
    for place, answer in convert(make, files):
        if isinstance(answer, Reject):
            say(f"{place}: {answer.reason}")
            rejects += 1
        elif isinstance(answer, list):
            _print_explained(place, answer, as_json=as_json, pretty=pretty)
        elif not isinstance(answer, Filtered):
            print_line(answer, pretty=pretty)
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
    """Make a text that fits into a cell and does nothing to a terminal."""
    shown = value if value.isprintable() else json.dumps(value)[1:-1]
    return shown if len(shown) <= SHOWN else shown[: SHOWN - 1] + "…"
