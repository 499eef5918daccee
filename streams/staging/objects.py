"""Objects: the one way from a window's staged rows to Parquet, for shipping and for replay.

A window's objects are a pure function of its records, the settings and the mapping's version: this
module is that function. It writes local files only.
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

#: The end of the year 9999, epoch ms: a producer may write any number as a timestamp.
LATEST = 253_402_300_799_999


@dataclass(frozen=True, slots=True)
class Objects:
    """Makes the objects of staged windows. `place` is where windows without findings are filed."""

    staging: Staging
    mapping: Mapping
    topic: str
    place: Group

    def groups(self, window: Window) -> list[tuple[Group, int]]:
        """Return the window's objects and their row counts.

        A window with records but no findings makes one empty object. Without it, the lake alone
        could not tell a window of rejects from a lost one.
        """
        groups = self.staging.groups(window)
        if not groups and window.counts.records:
            oldest = min(max(0, window.oldest), LATEST)
            day = datetime.fromtimestamp(oldest // 1000, UTC).strftime("%Y%m%d")
            groups = [(self.place._replace(event_day=day), 0)]
        return groups

    def key(self, window: Window, group: Group) -> ObjectKey:
        """Return the key of a group's object."""
        return ObjectKey(*group, self.topic, window.partition, window.first, window.end)

    def export(self, window: Window, group: Group, file: Path) -> None:
        """Write one object of a window as Parquet."""
        with faults.around("copy"):
            self.staging.export(window, group, self.mapping, self._footer(window), file)

    def _footer(self, window: Window) -> dict[str, str]:
        """Return the key-value metadata with which an object describes its window."""
        values = {
            "topic": self.topic,
            "partition": window.partition,
            "first": window.first,
            "end": window.end,
            **window.counts._asdict(),
            "mapping_version": self.mapping.version,
        }
        if window.topic_id:
            values["topic_id"] = window.topic_id
        return {f"falcolake.{name}": str(value) for name, value in values.items()}
