"""Times and durations on the command line: what is accepted, and what is wrong usage."""

import pytest
import typer

from streams.commands.times import duration, moment, span


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("250ms", 0.25), ("5m", 300), ("6h", 21_600), ("2d", 172_800), ("0.5d", 43_200)],
)
def test_a_duration_has_a_unit_or_is_in_seconds(text: str, seconds: float) -> None:
    assert duration(text, "--last") == seconds


@pytest.mark.parametrize("text", ["", "soon", "0", "-5", "d", "5 weeks", "1h 30m", "nan", "inf"])
def test_what_is_not_a_duration_is_named_with_its_option(text: str) -> None:
    with pytest.raises(typer.BadParameter) as caught:
        duration(text, "--last")
    assert caught.value.message.startswith("--last ")


def test_a_span_without_a_unit_is_refused() -> None:
    assert span("6h", "--last") == 21_600
    with pytest.raises(typer.BadParameter, match="add the unit, as in 6h or 6m"):
        span("6", "--last")


@pytest.mark.parametrize(
    ("text", "epoch_ms"),
    [
        ("2026-11-20", 1_795_132_800_000),
        ("2026-11-20T08:30Z", 1_795_163_400_000),
        ("2026-11-20T08:30", 1_795_163_400_000),
        (" 2026-11-20T08:30:00+01:00 ", 1_795_159_800_000),
        ("2026-11-20T08:30:00.250", 1_795_163_400_250),
    ],
)
def test_a_time_is_in_utc_unless_it_has_a_zone(text: str, epoch_ms: int) -> None:
    assert moment(text, "--from") == epoch_ms


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "08:30"])
def test_what_is_not_a_time_is_named_with_its_option(text: str) -> None:
    with pytest.raises(typer.BadParameter) as caught:
        moment(text, "--from")
    assert caught.value.message.startswith(f"--from {text}: write a time as 2026-11-20")
