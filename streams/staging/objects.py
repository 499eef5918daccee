"""Objects: the one way from a window's staged rows to Parquet, for shipping and for replay.

A window's objects are a pure function of its records, the settings and the mapping's version: this
module is that function. It writes local files only.
"""

from dataclasses import dataclass
from pathlib import Path

from schemas.mapping import Mapping
from streams import faults
from streams.lake.keys import ObjectKey
from streams.staging.filing import name_of, record_days
from streams.staging.parquet import Group
from streams.staging.staging import Staging
from streams.windows.window import Window


@dataclass(frozen=True, slots=True)
class Objects:
    """Makes the objects of staged windows. Those without findings are filed at staging's home."""

    staging: Staging
    mapping: Mapping
    topic: str

    def groups(self, window: Window) -> list[tuple[Group, int]]:
        """Return the window's objects and their row counts.

        A window with records but no findings makes one empty object. Without it, the lake alone
        could not tell a window of rejects from a lost one.
        """
        groups = self.staging.groups(window)
        if not groups and window.counts.records:
            day = record_days([window.oldest])[0].as_py()
            groups = [(Group(*self.staging.home, name_of(day)), 0)]
        return groups

    def repeated(self, window: Window) -> int:
        """Return how many of the window's records repeat an earlier one of it."""
        return self.staging.summary(window).repeated

    def key(self, window: Window, group: Group) -> ObjectKey:
        """Return the key of a group's object."""
        return ObjectKey(*group, self.topic, window.partition, window.first, window.end)

    def export(self, window: Window, group: Group, file: Path) -> None:
        """Write one object of a window as Parquet."""
        with faults.around("copy"):
            self.staging.export(window, group, self.mapping, self._footer(window), file)

    def _footer(self, window: Window) -> dict[str, str]:
        """Return the key-value metadata with which an object describes its window."""
        summary = self.staging.summary(window)
        values = {
            "topic": self.topic,
            "partition": window.partition,
            "first": window.first,
            "end": window.end,
            **window.counts._asdict(),
            "repeated": summary.repeated,
            "mapping_version": self.mapping.version,
        }
        if window.topic_id:
            values["topic_id"] = window.topic_id
        if summary.other_days:
            values["other_days"] = summary.other_days
        if summary.other_places:
            values["other_places"] = summary.other_places
        return {f"falcolake.{name}": str(value) for name, value in values.items()}
