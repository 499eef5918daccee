"""Health: whether the worker's process is alive, and whether it does its work; if not, why.

Outlives the app: while a failed app waits to restart, this says what it waits for. *Alive* means
that both event loops run. The main loop answers the probe itself: if it is stuck, the probe fails.
The consumer's loop, in its own thread, is tested every few seconds. Nothing outside the process
makes it unhealthy, because a restart would not fix that. *Ready* means that partitions are
assigned, Kafka answers, and nothing is held, blocked or paused.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from streams import clock
from streams.errors import FalcolakeError
from streams.worker.ledger import Ledger
from streams.worker.shipping import Shipper
from streams.worker.waits import Waits

#: Seconds between two tests of the consumer's loop, and of silence before it counts as stuck.
BEAT = 5.0
LONGEST_SILENCE = 60.0

SILENT = "Kafka does not answer"
HINT = (
    "check that the brokers run and that the worker reaches them; nothing is lost, and work "
    "continues when Kafka answers"
)


class Blocker(NamedTuple):
    """Something that blocks the worker, for how many seconds, and what to try."""

    kind: str
    reason: str
    hint: str
    seconds: float
    partition: int | None = None

    def brief(self) -> dict[str, Any]:
        """Return why, since when and what to try, as JSON types; `since` is in UTC."""
        return {
            "reason": self.reason,
            "try": self.hint,
            "seconds": round(self.seconds, 1),
            "since": at(self.seconds),
        }

    def plain(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return {"kind": self.kind, **self.brief(), "partition": self.partition}


class Health:
    """The health of one worker process."""

    def __init__(
        self,
        beat: float = BEAT,
        longest_silence: float = LONGEST_SILENCE,
        waits: Waits | None = None,
    ) -> None:
        self._beat, self._longest_silence = beat, longest_silence
        self._waits = waits or Waits()
        self._ledger: Ledger | None = None
        self._shipper: Shipper | None = None
        self._since = time.monotonic()
        self._felt = self._answered = time.monotonic()
        self._trouble: FalcolakeError | None = None
        self._task: asyncio.Task[None] | None = None
        #: Whether the worker ships what it has and then exits.
        self.draining = False

    @property
    def ledger(self) -> Ledger | None:
        """The ledger of the running app."""
        return self._ledger

    def runs(self, ledger: Ledger, shipper: Shipper) -> None:
        """Note that an app runs or is starting."""
        self._ledger, self._shipper = ledger, shipper
        self._since = self._felt = self._answered = time.monotonic()

    def rests(self, trouble: FalcolakeError) -> None:
        """Note that the app has failed and waits to restart."""
        self._ledger, self._shipper, self._trouble = None, None, trouble
        self._since = time.monotonic()

    def start(self) -> None:
        """Begin to test the consumer's loop."""
        self._task = asyncio.create_task(self._feel(), name="pulse")

    def stop(self) -> None:
        """Stop testing it."""
        if self._task is not None:
            self._task.cancel()

    async def _feel(self) -> None:
        while True:
            ledger = self._ledger
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._beat):
                    if ledger is not None:
                        await ledger.kafka.beat()
                self._felt = time.monotonic()
                if ledger is None or ledger.kafka.answers:
                    self._answered = time.monotonic()
            await asyncio.sleep(self._beat)

    # ---- alive

    def liveness(self) -> dict[str, Any]:
        """Return whether the loops run; the main loop does, or it could not answer."""
        silent = time.monotonic() - self._felt
        if silent <= self._longest_silence:
            return {"healthy": True}
        return {
            "healthy": False,
            "reason": f"the Kafka consumer's event loop has been stuck for {silent:.0f} s",
            "try": "restart the worker (nothing is lost), then report this with its log",
        }

    # ---- ready

    def blockers(self) -> list[Blocker]:
        """Return what blocks the worker; empty if it is ready."""
        now = time.monotonic()
        ledger, shipper = self._ledger, self._shipper
        if ledger is None or shipper is None:
            trouble = self._trouble or FalcolakeError("the worker is starting", "wait")
            return [Blocker("starting", trouble.message, trouble.hint, now - self._since)]
        found = self._silent(ledger, now)
        if not found and not ledger.partitions:
            found.append(
                Blocker(
                    "unassigned",
                    "no partition is assigned to this worker",
                    "wait for the group to rebalance; or there are more workers than partitions",
                    now - self._since,
                )
            )
        if ledger.pause is not None:
            found.append(
                Blocker("paused", ledger.pause.reason, ledger.pause.hint, now - ledger.pause.since)
            )
        since = ledger.alarms.blocked
        found += [
            Blocker("blocked", why.reason, why.hint, now - since.get(number, now), number)
            for number, why in sorted(ledger.blocked().items())
        ]
        found += [
            Blocker("lake", wait.complaint, wait.peer.hint, now - wait.since, number)
            for number, wait in sorted(shipper.hangs().items())
        ]
        return found + [
            Blocker("held", hold.reason, hold.hint, now - hold.since, number)
            for number, hold in sorted(shipper.held.items())
        ]

    def delays(self) -> list[Blocker]:
        """Return the open transactions that records wait for: another program's, so no blockers."""
        now = clock.now_ms()
        return [
            Blocker(
                "transaction", each.reason, each.hint, (now - each.since) / 1000, each.partition
            )
            for each in (self._ledger.delays() if self._ledger else ())
        ]

    def _silent(self, ledger: Ledger, now: float) -> list[Blocker]:
        """Return what Kafka owes an answer to."""
        away = [each for each in self._waits.away(now) if each.peer.kind == "kafka"]
        if not away and ledger.kafka.answers:
            return []
        if not away:
            return [Blocker("kafka", SILENT, HINT, now - self._answered)]
        return [
            Blocker(
                "kafka",
                f"{SILENT}: {each.what} from {each.peer.name}",
                each.peer.hint,
                now - each.since,
            )
            for each in away
        ]

    def waiting(self) -> list[dict[str, Any]]:
        """Return what has been waited for longer than usual, as JSON types."""
        now = time.monotonic()
        return [
            {
                "peer": wait.peer.name,
                "what": wait.what,
                "partition": wait.partition,
                "bytes": wait.size,
                "sent": None if wait.size is None else min(wait.size, wait.moved()),
                "seconds": round(now - wait.began, 1),
                "since": at(now - wait.began),
                "overdue": wait.is_overdue(now),
            }
            for wait in self._waits.long(now)
        ]

    def readiness(self) -> dict[str, Any]:
        """Return whether the worker does its work, and if not, why."""
        blockers = self.blockers()
        ledger = self._ledger
        away = next((p for p in blockers if p.kind in ("kafka", "starting")), None)
        paused = next((p for p in blockers if p.kind == "paused"), None)
        return {
            "ready": not blockers and not self.draining,
            "draining": self.draining,
            "reasons": [blocker.reason for blocker in blockers],
            "partitions": sorted(ledger.partitions) if ledger else [],
            "kafka": None if away is None else away.brief(),
            "paused": None if paused is None else f"{paused.reason}. {paused.hint}",
            "held": _by_partition(blockers, "held"),
            "blocked": _by_partition(blockers, "blocked"),
            "transactions": [each.plain() for each in self.delays()],
            "waiting": self.waiting(),
        }


def _by_partition(blockers: Iterable[Blocker], kind: str) -> dict[str, dict[str, Any]]:
    return {str(blocker.partition): blocker.brief() for blocker in blockers if blocker.kind == kind}


def at(seconds: float) -> str:
    """Return the UTC time that was so many seconds ago."""
    moment = datetime.fromtimestamp(clock.now_ms() / 1000 - seconds, UTC)
    return moment.isoformat(timespec="seconds")
