"""A finding as one line: its cells, and how wide they are on a terminal."""

import re
from typing import Final

from schemas.falco.moment import of_milliseconds
from streams.watch.alerts import Seen

#: By severity_id; as rich names styles.
STYLES: Final = ("magenta", "dim", "cyan", "yellow", "red", "bold red", "bold white on red")
#: Columns of a terminal from which a line also has the day.
WITH_DAY: Final = 110

# What Falco begins its output with, and the line has already.
_REPEATED: Final = re.compile(
    r"\A(?:\d\d:\d\d:\d\d\.\d+: )?"
    r"(?:Emergency|Alert|Critical|Error|Warning|Notice|Informational|Debug) "
)


def cells(seen: Seen) -> list[str]:
    """Return the cells of a line in full: time (UTC), severity, rule, host or pod, message."""
    return [of_milliseconds(seen.time), seen.severity, seen.rule, seen.place or "-", seen.message]


def fitted(seen: Seen, width: int) -> list[tuple[str, int, str]]:
    """Return the cells of a line with a width and a style each; one blank is between two cells."""
    moment = of_milliseconds(seen.time)
    moment = moment[5:19].replace("T", " ") if width >= WITH_DAY else moment[11:19]
    severity = "Info" if seen.severity == "Informational" else seen.severity
    rest = max(0, width - len(moment) - 8 - 4)
    rule = min(40, rest * 3 // 10)
    place = min(40, rest * 3 // 10)
    message = _REPEATED.sub("", seen.message, count=1)
    return [
        (moment, len(moment), "dim"),
        (severity, 8, STYLES[seen.severity_id] if seen.severity_id < len(STYLES) else STYLES[0]),
        (seen.rule, rule, "bold"),
        (seen.place or "-", place, ""),
        (message, max(0, rest - rule - place), ""),
    ]
