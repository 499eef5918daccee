"""The retry of dead letters: records that were rejected and that the current mapping accepts.

A record keeps its identity, its offset, so it goes into its own window, which is replayed with the
same bounds and keys. That is safe to repeat and to run concurrently. Publishing the record again
would create a second record, one more for every interrupted retry, and the first one's window would
count a reject indefinitely. The price: Kafka must still have the window's records.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from schemas.mapping import Reject
from streams.kafka import dead_letter_reader
from streams.kafka.dead_letter_reader import Letter
from streams.replay import replay
from streams.replay.replay import Options, Replay, Selection
from streams.settings.mapping import build_mapping
from streams.settings.settings import Settings
from streams.terminal import OnProgress


@dataclass(slots=True)
class Retry:
    """The result: `refused` counts the letters that the mapping still rejects, by reason."""

    accepted: int
    replay: Replay | None
    refused: dict[str, int] = field(default_factory=dict)

    @property
    def resolved(self) -> int:
        """The number of letters that were resolved, or in a dry run would be."""
        return sum(each.resolved for each in self.replay.windows) if self.replay else 0

    def __str__(self) -> str:
        refused = sum(self.refused.values())
        words = "would be resolved" if self.replay and self.replay.dry_run else "resolved"
        return (
            f"{self.accepted + refused:,} dead letters: {self.accepted:,} are accepted now, "
            f"{self.resolved:,} {words}; {refused:,} are still rejected"
        )

    def plain(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return {
            "letters": self.accepted + sum(self.refused.values()),
            "accepted": self.accepted,
            "resolved": self.resolved,
            "refused": self.refused,
            "replay": self.replay.plain() if self.replay else None,
        }


def run(
    settings: Settings,
    wanted: Callable[[Letter], bool],
    *,
    dry_run: bool = False,
    progress: OnProgress = lambda done, total: None,
) -> Retry:
    """Replay the windows of the wanted letters that are accepted now.

    A truncated letter counts as accepted: the replay has the record, and decides. Raises as
    `replay.run` does.
    """
    settings.require_lake()
    mapping = build_mapping(settings)

    def verdict(letter: Letter) -> str | None:
        """Return why a letter is still rejected, "" if it is not, or None if it is not wanted."""
        if not wanted(letter):
            return None
        if letter.truncated_from is not None:
            return ""
        found = mapping.map(letter.value, letter.timestamp)
        return found.reason if isinstance(found, Reject) else ""

    verdicts = dead_letter_reader.standing(settings, verdict)
    accepted = tuple((*source, source[1] + 1) for source, why in verdicts.items() if why == "")
    refused = Counter(why for why in verdicts.values() if why)
    done = None
    if accepted:
        options = Options(dry_run=dry_run)
        done = replay.run(settings, Selection(ranges=accepted), options, progress=progress)
    return Retry(len(accepted), done, dict(refused.most_common()))
