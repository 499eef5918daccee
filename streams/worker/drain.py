"""Drain: before it stops, a worker ships what it has staged, within a grace.

It reads no more, seals what is open and ships it as always. What it cannot ship within the grace
stays staged and in Kafka, where the next worker finds it: only time is lost.
"""

import asyncio
import logging
import time

from streams.worker.ledger import Ledger
from streams.worker.logs import facts
from streams.worker.shipping import Shipper

log = logging.getLogger(__name__)

#: Seconds of the grace that are kept for stopping: puts under way, leaving the group, the files.
LEAVING = 10.0

#: Seconds between checks of what is left.
LOOK = 0.1


async def drain(ledger: Ledger, shipper: Shipper, grace: float, leaving: float = LEAVING) -> bool:
    """Ship all that is staged; return whether the grace, in seconds, was long enough."""
    began = time.monotonic()
    patience = max(grace - leaving, grace / 2)
    log.info("draining: shipping what is staged, for at most %.0f s", patience)
    try:
        async with asyncio.timeout(patience):
            await ledger.drain()
            shipper.try_now()
            while ledger.undrained():  # noqa: ASYNC110 - it depends on disk, S3 and Kafka
                await asyncio.sleep(LOOK)
    except TimeoutError:
        log_what_is_left(ledger.undrained(), shipper)
        return False
    seconds = time.monotonic() - began
    log.info(
        "drained in %.1f s: everything staged is in the lake",
        seconds,
        extra=facts(seconds=round(seconds, 3)),
    )
    return True


def log_what_is_left(records: int, shipper: Shipper) -> None:
    """Log why the drain did not finish."""
    held = shipper.reasons()
    why = "; ".join(f"partition {n}: {why}" for n, why in sorted(held.items()))
    log.warning(
        "not drained: %d records stay staged, and in Kafka, for the next worker; %s",
        records,
        why or "the grace was too short",
        extra=facts(records=records, held=held),
    )
