"""What a check of `doctor` finds, and how checks run: one at a time, each within a timeout.

A check yields one diagnosis for each thing it looked at. It cannot stop the others: an exception
becomes a bad diagnosis, and so does a timeout. A check is not run if the check it needs was bad.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

from streams.background import in_background
from streams.errors import FalcolakeError
from streams.terminal import waiting

Level = Literal["good", "warning", "bad", "skipped"]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One line: what was checked, how it is, and what to do about it (empty where it is good)."""

    check: str
    level: Level
    message: str
    remedy: str = ""

    def plain(self) -> dict[str, Any]:
        """Return the diagnosis as JSON types."""
        return {
            "check": self.check,
            "level": self.level,
            "message": self.message,
            "remedy": self.remedy or None,
        }


class Check(NamedTuple):
    """A check: its name, the name of another that must not have been bad, and what it does."""

    name: str
    need: str | None
    run: Callable[[], Iterable[Diagnosis]]


def good(check: str, message: str) -> Diagnosis:
    """Build a diagnosis of something that is as it should be."""
    return Diagnosis(check, "good", message)


def warning(check: str, message: str, remedy: str) -> Diagnosis:
    """Build a diagnosis of something that works, but may not for long or not as intended."""
    return Diagnosis(check, "warning", message, remedy)


def bad(check: str, message: str, remedy: str) -> Diagnosis:
    """Build a diagnosis of something that keeps records out of the lake."""
    return Diagnosis(check, "bad", message, remedy)


def skipped(check: str, message: str, remedy: str) -> Diagnosis:
    """Build a diagnosis of something that could not be looked at."""
    return Diagnosis(check, "skipped", message, remedy)


def failed(check: str, error: FalcolakeError) -> Diagnosis:
    """Build a diagnosis from an error."""
    return bad(check, one_line(error.message), one_line(error.hint))


def one_line(text: str) -> str:
    """Fold text into one line."""
    return "; ".join(line.strip() for line in text.splitlines() if line.strip())


def examine(checks: Iterable[Check], timeout: float) -> Iterator[Diagnosis]:
    """Run checks one after the other, each for at most `timeout` seconds; yield what they find."""
    missing: set[str] = set()
    for check in checks:
        if check.need in missing:
            missing.add(check.name)
            yield skipped(check.name, "not checked", f"fix {check.need} first")
            continue
        with waiting(f"checking: {check.name}"):
            answers = _run(check, timeout)
        for found in answers:
            if found.level == "bad":
                missing.add(check.name)
            yield found


def _run(check: Check, timeout: float) -> list[Diagnosis]:
    try:
        return in_background(partial(_guarded, check), "check").result(timeout)
    except TimeoutError:
        return [
            bad(
                check.name,
                f"no answer within {timeout:g} s",
                "check for a firewall that drops packets, or try a longer --timeout",
            )
        ]


def _guarded(check: Check) -> list[Diagnosis]:
    found: list[Diagnosis] = []
    try:
        found.extend(check.run())
    except FalcolakeError as error:
        found.append(failed(check.name, error))
    except Exception as error:
        message = one_line(f"the check itself failed: {type(error).__name__}: {error}")
        found.append(bad(check.name, message, "report this as a bug of falcolake"))
    return found
