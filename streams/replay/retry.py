"""The retry of dead letters: records that were refused and that the mapping of today accepts.

A record keeps its one identity, its offset: so it goes into the window it belongs to, which is
replayed whole, with its own bounds and keys. That can be done any number of times, and by two at
once. Put on the topic again it would be a second record, once more for every retry that was cut off
half way, and the first one's window would count a reject for ever. The price: Kafka must still have
the window's records.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from schemas.mapping import Reject
from streams.kafka import letters
from streams.kafka.letters import Letter
from streams.replay import replay
from streams.replay.replay import Options, Progress, Replay, Selection
from streams.settings.mapping import build_mapping
from streams.settings.settings import Settings


@dataclass(slots=True)
class Retry:
    """What became of it: `refused` counts the letters that the mapping still refuses, by reason."""

    accepted: int
    replay: Replay | None
    refused: dict[str, int] = field(default_factory=dict)

    @property
    def resolved(self) -> int:
        """How many letters were taken back; with a dry run: would be."""
        return sum(each.resolved for each in self.replay.windows) if self.replay else 0

    def __str__(self) -> str:
        refused = sum(self.refused.values())
        words = "would be resolved" if self.replay and self.replay.dry_run else "resolved"
        return (
            f"{self.accepted + refused:,} dead letters: {self.accepted:,} are accepted now, "
            f"{self.resolved:,} {words}; {refused:,} are refused as before"
        )

    def plain(self) -> dict[str, Any]:
        """Give it as JSON types."""
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
    progress: Progress = lambda done, total: None,
) -> Retry:
    """Replay the windows of the letters that are wanted and accepted now.

    Of a letter that was cut the replay decides, which has the record. Raises as `replay.run` does.
    """
    settings.require_lake()
    mapping = build_mapping(settings)

    def verdict(letter: Letter) -> str | None:
        """Why it is still refused; empty if it is not. None: it is not asked for."""
        if not wanted(letter):
            return None
        if letter.truncated_from is not None:
            return ""
        found = mapping.map(letter.value, letter.timestamp)
        return found.reason if isinstance(found, Reject) else ""

    verdicts = letters.standing(settings, verdict)
    accepted = tuple((*source, source[1] + 1) for source, why in verdicts.items() if why == "")
    refused = Counter(why for why in verdicts.values() if why)
    done = None
    if accepted:
        options = Options(dry_run=dry_run)
        done = replay.run(settings, Selection(ranges=accepted), options, progress=progress)
    return Retry(len(accepted), done, dict(refused.most_common()))
