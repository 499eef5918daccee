"""Times and durations as a person writes them on the command line."""

from datetime import UTC, datetime

import typer
from pydantic import TypeAdapter, ValidationError

from streams.settings.fields import Seconds

_seconds: TypeAdapter[float] = TypeAdapter(Seconds)


def duration(text: str, option: str) -> float:
    """Read a duration, `90`, `5m`, `6h`, `2d`: seconds. Raises typer's BadParameter."""
    if text.endswith("d"):  # which no setting takes
        return 24 * duration(f"{text[:-1]}h", option)
    try:
        return _seconds.validate_python(text)
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise typer.BadParameter(f"{option} {text}: {reason}") from None


def moment(text: str, option: str) -> int:
    """Read a time in any form of ISO 8601: epoch ms. Without a zone it is UTC.

    Raises typer's BadParameter.
    """
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise typer.BadParameter(
            f"{option} {text}: a time is like 2026-11-20, 2026-11-20T08:30Z "
            "or 2026-11-20T08:30:00+01:00"
        ) from None
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    return round(found.timestamp() * 1000)
