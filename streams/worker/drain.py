"""Drain: a worker that leaves ships first what it has staged, within a grace.

Nothing more is read; what is open is sealed, and shipped as always. Whatever the grace is too short
for stays staged and in Kafka, where the next worker finds it: leaving early costs nothing but time.
"""

import asyncio
import logging
import time

from streams.worker.ledger import Ledger
from streams.worker.logs import facts
from streams.worker.shipping import Shipper

log = logging.getLogger(__name__)

#: Seconds of the grace that are for leaving: puts that are under way, the group, the files.
LEAVING = 10.0

#: Seconds between two looks at what is left.
LOOK = 0.1


async def drain(ledger: Ledger, shipper: Shipper, grace: float, leaving: float = LEAVING) -> bool:
    """Ship all that is staged; return whether that was done within the grace (seconds)."""
    began = time.monotonic()
    patience = max(grace - leaving, grace / 2)
    log.info("draining: shipping what is staged, for at most %.0f s", patience)
    try:
        async with asyncio.timeout(patience):
            await ledger.drain()
            shipper.try_now()
            while ledger.undrained():  # noqa: ASYNC110 - disk, S3 and Kafka have a say in it
                await asyncio.sleep(LOOK)
    except TimeoutError:
        say_what_is_left(ledger.undrained(), shipper)
        return False
    seconds = time.monotonic() - began
    log.info(
        "drained in %.1f s: nothing is staged any more",
        seconds,
        extra=facts(seconds=round(seconds, 3)),
    )
    return True


def say_what_is_left(records: int, shipper: Shipper) -> None:
    """Log why the drain came to no end."""
    held = shipper.reasons()
    why = "; ".join(f"partition {n}: {why}" for n, why in sorted(held.items()))
    log.warning(
        "not drained: %d records stay staged, and in Kafka, for the next worker; %s",
        records,
        why or "the grace was too short",
        extra=facts(records=records, held=held),
    )
