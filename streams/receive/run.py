"""Runs a receiver until SIGTERM or SIGINT: its server, and the publisher behind it."""

import asyncio
import logging
import resource
import signal

from prometheus_client import disable_created_metrics

from streams.kafka.client import tls
from streams.receive.metrics import Metrics
from streams.receive.publisher import Publisher
from streams.receive.server import Receiver
from streams.registry import deployment
from streams.settings.settings import Settings
from streams.worker import logs

log = logging.getLogger(__name__)


def run(settings: Settings) -> None:
    """Receive alerts until a signal; then answer the requests under way, and return.

    Raises Misconfigured for settings that cannot work. Kafka may be away, and come later.
    """
    logs.configure(settings.log)
    disable_created_metrics()  # type: ignore[no-untyped-call]
    tls(settings)  # a certificate that cannot be read is not worth waiting for
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard or hard == resource.RLIM_INFINITY:
        enough = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, enough), hard))
    asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    leaving = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, leaving.set)
    publisher = Publisher(settings)
    receiver = Receiver(settings.receive, publisher, Metrics(deployment(settings.kafka)))
    publisher.start()
    try:
        await receiver.start()
        await leaving.wait()
        log.info("stopping: answering the requests under way")
    finally:
        await receiver.stop()
        await publisher.stop()
        if receiver.undelivered:
            log.warning(
                "%d requests, all answered 503, were waiting for Kafka: it may not have them",
                receiver.undelivered,
            )
