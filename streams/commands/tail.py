"""The command `tail`."""

from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from streams.clock import now_ms
from streams.commands.options import load_settings
from streams.terminal import is_read, print_cells, print_line, say_line

if TYPE_CHECKING:
    from schemas.mapping import Mapping
    from streams.kafka.client import Record
    from streams.settings.settings import Settings
    from streams.watch.alerts import Wanted

#: OCSF's names, from severity_id 1 on.
Severity = Literal["informational", "low", "medium", "high", "critical", "fatal"]


def tail(
    context: typer.Context,
    severity: Annotated[
        Severity | None,
        typer.Option(
            case_sensitive=False, help="Only this OCSF severity and above, and unknown ones."
        ),
    ] = None,
    rule: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TEXT",
            help="Only rules whose name contains this, in any case; can be repeated.",
        ),
    ] = None,
    namespace: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this Kubernetes namespace; can be repeated."),
    ] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this source, such as syscall; can be repeated."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="First show what came in the last 10m, 6h or 2d."),
    ] = None,
    count: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="End after N alerts.")
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print each alert as a complete OCSF finding, one a line."),
    ] = False,
) -> None:
    """Show alerts as they come into Kafka, mapped as a worker maps them; until Ctrl-C.

    A line each: time (UTC), severity, rule, pod or host, message; in a pipe in full, with tabs
    between them. Rejects, and what happens to the topic and its brokers, go to standard error.
    What the settings filter is not shown. It joins no group and changes nothing in Kafka. Alerts
    of different partitions are not in order of time.

    \b
    Examples:
      falcolake tail --severity high
      falcolake tail --rule shell --namespace shop --since 10m
      falcolake tail --json --count 1 | jq .
    """
    from streams.commands.times import span

    seconds = span(since, "--since") if since else None
    settings = load_settings(context)
    from schemas.ocsf.releases import SEVERITIES
    from streams.watch.alerts import Wanted

    wanted = Wanted(
        SEVERITIES.index(severity.capitalize()) if severity else 0,
        tuple(rule or ()),
        frozenset(namespace or ()),
        frozenset(source or ()),
    )
    first = None if seconds is None else now_ms() - round(seconds * 1000)
    try:
        _follow(settings, wanted, first, count, as_json=as_json)
    except KeyboardInterrupt:
        raise typer.Exit from None  # the usual end


def _follow(
    settings: "Settings", wanted: "Wanted", since: int | None, count: int | None, *, as_json: bool
) -> None:
    from streams.kafka.follow import follow
    from streams.settings.mapping import build_mapping

    mapping, shown = build_mapping(settings), 0
    with closing(follow(settings, since)) as heard:
        for records, notes, _ in heard:
            for note in notes:
                say_line(f"Note: {note}")
            for record in records:
                shown += _show(mapping, wanted, record, as_json=as_json)
                if shown == count:
                    return
            if not is_read():
                raise BrokenPipeError


def _show(mapping: "Mapping", wanted: "Wanted", record: "Record", *, as_json: bool) -> bool:
    """Show what a record is; return whether that is a wanted alert."""
    from schemas.mapping import Filtered, Reject
    from streams.watch.alerts import read
    from streams.watch.lines import cells, fitted

    found = read(mapping, record.value, record.timestamp)
    if isinstance(found, Reject):
        say_line(f"Rejected: {record.topic}-{record.partition}:{record.offset}: {found.reason}")
        return False
    if isinstance(found, Filtered) or found not in wanted:
        return False
    if as_json:
        print_line(mapping.finding(record.value, record.timestamp), pretty=False)
    else:
        print_cells(cells(found), lambda width: fitted(found, width))
    return True
