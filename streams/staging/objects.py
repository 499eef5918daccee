"""Objects: what a window makes; the one way from staged rows to Parquet, to ship and to replay.

A window's objects are a pure function of its records, the settings and the mapping's version; here
is that function. Writes local files and nothing else.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from schemas.mapping import Mapping
from streams import faults
from streams.lake.keys import ObjectKey
from streams.staging.parquet import Group
from streams.staging.staging import Staging
from streams.windows.window import Window

#: The last moment of the year 9999, epoch ms; a producer may write any number as a timestamp.
LATEST = 253_402_300_799_999


@dataclass(frozen=True, slots=True)
class Objects:
    """Makes objects of staged windows. `place` files windows that have no finding."""

    staging: Staging
    mapping: Mapping
    topic: str
    place: Group

    def groups(self, window: Window) -> list[tuple[Group, int]]:
        """The window's objects; a window with records but no findings makes an empty one.

        Without it the lake alone could not tell an all-rejected window from a lost one.
        """
        groups = self.staging.groups(window)
        if not groups and window.counts.records:
            oldest = min(max(0, window.oldest), LATEST)
            day = datetime.fromtimestamp(oldest // 1000, UTC).strftime("%Y%m%d")
            groups = [(self.place._replace(event_day=day), 0)]
        return groups

    def key(self, window: Window, group: Group) -> ObjectKey:
        """Name the object of a group."""
        return ObjectKey(*group, self.topic, window.partition, window.first, window.end)

    def export(self, window: Window, group: Group, file: Path) -> None:
        """Write one object of a window as Parquet."""
        with faults.around("copy"):
            self.staging.export(window, group, self.mapping, self._footer(window), file)

    def _footer(self, window: Window) -> dict[str, str]:
        """The object's own account of its window, in the Parquet key-value metadata."""
        values = {
            "topic": self.topic,
            "partition": window.partition,
            "first": window.first,
            "end": window.end,
            **window.counts._asdict(),
            "mapping_version": self.mapping.version,
        }
        return {f"falcolake.{name}": str(value) for name, value in values.items()}
