"""Times and durations as written on the command line."""

from datetime import UTC, datetime

import typer
from pydantic import TypeAdapter, ValidationError

from streams.clock import now_ms
from streams.settings.fields import Seconds

_seconds: TypeAdapter[float] = TypeAdapter(Seconds)


def duration(text: str, option: str) -> float:
    """Return the seconds of a duration such as 90, 5m, 6h or 2d, or raise typer's BadParameter."""
    if text.endswith("d"):  # settings do not accept days
        return 24 * duration(f"{text[:-1]}h", option)
    try:
        return _seconds.validate_python(text)
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise typer.BadParameter(f"{option} {text}: {reason}") from None


def span(text: str, option: str) -> float:
    """Return the seconds of a duration that must have a unit, or raise typer's BadParameter."""
    seconds = duration(text, option)
    if text.strip()[-1:].isdigit():
        raise typer.BadParameter(f"{option} {text}: add the unit, as in {text}h or {text}m")
    return seconds


def moment(text: str, option: str) -> int:
    """Return an ISO 8601 time, UTC without a zone, in epoch ms, or raise typer's BadParameter."""
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise typer.BadParameter(
            f"{option} {text}: write a time as 2026-11-20, 2026-11-20T08:30Z "
            "or 2026-11-20T08:30:00+01:00"
        ) from None
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    return round(found.timestamp() * 1000)


def period(since: str | None, until: str | None, last: str | None) -> tuple[int | None, int | None]:
    """Return the times of --from, --to and --last, epoch ms, or raise typer's BadParameter."""
    if since and last:
        raise typer.BadParameter("--from and --last exclude each other")
    first = moment(since, "--from") if since else None
    if last:
        first = now_ms() - round(span(last, "--last") * 1000)
    end = moment(until, "--to") if until else None
    if first is not None and end is not None and first >= end:
        raise typer.BadParameter("--to is not after --from")
    return first, end
