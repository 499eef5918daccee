"""Composition: the Faust app of one worker, built from settings.

    topic ─► BatchTransport ─► agent `ingest` ─► Ledger ─► Staging (DuckDB)
    control topic ─► Listener ─► Ledger
    timer `export` ─► Ledger seals what is due ─► Shipper ─► Lake (S3), dead letters, commit

Nothing is global: `build` returns a new app, `run` runs a worker until SIGTERM. After a crash or
kill -9, start it again; it needs no repair.
"""

import asyncio
import contextlib
import logging
import os
import signal
import time
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from typing import Any

import faust
from faust.tables.manager import TableManager
from prometheus_client import disable_created_metrics

from streams import faults
from streams.backoff import Backoff
from streams.control.fleet import Fleet
from streams.errors import Unavailable
from streams.kafka.client import CLIENT_ID, broker_credentials, broker_urls
from streams.kafka.dead_letter_writer import DeadLetterWriter
from streams.kafka.errors import overheard, translating
from streams.lake.reader import LakeReader
from streams.lake.session import connect
from streams.lake.store import Lake
from streams.page.health import Health
from streams.page.report import Reporter
from streams.page.server import Web
from streams.registry import deployment
from streams.settings.load import wanted_fault
from streams.settings.mapping import build_mapping
from streams.settings.settings import Settings
from streams.staging.objects import Objects
from streams.staging.staging import Staging
from streams.windows.batch import Batch
from streams.windows.room import Room
from streams.windows.window import Limits
from streams.worker import logs
from streams.worker.drain import drain, log_what_is_left
from streams.worker.identity import worker_name
from streams.worker.journal import Journal
from streams.worker.ledger import Ledger
from streams.worker.listener import Listener
from streams.worker.lookup import Lookup
from streams.worker.metrics import Metrics
from streams.worker.requests import watch_client
from streams.worker.shipping import Shipper
from streams.worker.transport import BatchTransport
from streams.worker.watch import Watch

log = logging.getLogger(__name__)

#: Seconds between checks for windows that are due.
TICK = 0.5

#: Seconds between requests to Kafka for the first and last offsets of the partitions.
LOOK_AROUND = 15.0

#: Records of a fetch: so many that a commit for them costs little.
FETCH_RECORDS = 2_500

#: Bytes of a fetch and partition, as Kafka has them. A larger batch of records comes alone.
FETCH_BYTES = 4 << 20

#: Seconds to wait before a failed app starts again.
SHORTEST_RESTART = 1.0
LONGEST_RESTART = 30.0


class NoTables(TableManager):
    """Faust's tables, of which there are none: Faust waits a second for some to be declared."""

    logger = logging.getLogger("faust.tables")

    async def on_start(self) -> None:
        """Start at once."""
        await self._update_channels()
        await self.recovery.start()


class Falcolake(faust.App):
    """The Faust app and its parts."""

    logger = logging.getLogger("faust.app")
    ledger: Ledger
    shipper: Shipper
    dead_letters: DeadLetterWriter
    listener: Listener
    lookup: Lookup

    async def on_start(self) -> None:
        """Open staging before the consumer starts."""
        await super().on_start()
        await self.ledger.open()
        self.listener.start()

    def _create_directories(self) -> None:
        """Do nothing: Faust's directories are for tables, and there are none."""

    async def on_stop(self) -> None:
        """Abandon what is being shipped, then leave the group."""
        await self.listener.stop()
        await self.lookup.stop()
        await self.shipper.stop()
        await super().on_stop()

    async def on_shutdown(self) -> None:
        """Close the rest, once no more batches arrive."""
        await super().on_shutdown()
        await self.dead_letters.stop()
        await self.ledger.close()


def build(settings: Settings, metrics: Metrics, watch: Watch, fleet: Fleet) -> Falcolake:
    """Build the worker's app, which reports to `metrics`, `watch` and `fleet`.

    Raises Misconfigured for settings that cannot work.
    """
    settings.require_lake()
    mapping = build_mapping(settings)
    metrics.running(version("falcolake"), mapping.version)
    window, disk = settings.window, settings.staging
    home = (settings.lake.region, settings.lake.account_id)
    staging = Staging(disk.path, settings.kafka.topic, mapping.version, home)
    ledger = Ledger(
        staging,
        mapping,
        Limits(window.interval, window.record_bytes, window.max_rows),
        Room(disk.max_bytes, disk.min_free_bytes),
        metrics,
    )
    conf = _faust_settings(settings)
    watched = partial(watch_client, watch, longest_rebalance=conf["broker_rebalance_timeout"])
    dead_letters = DeadLetterWriter(settings, watch=watched)
    client = connect(settings.lake)
    shipper = Shipper(
        ledger,
        Objects(staging, mapping, settings.kafka.topic),
        Lake(settings.lake, client),
        dead_letters,
        metrics,
        watch=watch,
    )
    app = Falcolake(settings.kafka.group_id, **conf)
    app.transport = BatchTransport(
        app.conf.broker_consumer,
        app,
        topic=settings.kafka.topic,
        intake=ledger,
        watch=watched,
    )
    ledger.kafka = app.consumer
    app.ledger, app.shipper, app.dead_letters = ledger, shipper, dead_letters
    app.lookup = Lookup(ledger, LakeReader(settings.lake, client), settings.kafka.topic, watch)
    ledger.on_assigned = app.lookup.start
    app.listener = Listener(settings, ledger, shipper.reasons, metrics, fleet)
    _declare(app, settings.kafka.topic)
    return app


def _faust_settings(settings: Settings) -> dict[str, Any]:
    connection = settings.kafka
    return {
        "broker": broker_urls(settings),
        "broker_credentials": broker_credentials(settings),
        "broker_client_id": CLIENT_ID,
        "broker_session_timeout": connection.session_timeout,
        "broker_heartbeat_interval": connection.heartbeat_interval,
        "broker_rebalance_timeout": max(10.0, connection.session_timeout),
        "broker_request_timeout": max(60.0, 2 * connection.session_timeout),
        "broker_max_poll_records": FETCH_RECORDS,
        "consumer_max_fetch_size": FETCH_BYTES,
        "consumer_auto_offset_reset": "earliest",
        "consumer_group_instance_id": connection.group_instance_id,
        "consumer_metadata_max_age_ms": 60_000,
        "stream_buffer_maxsize": 2,
        "value_serializer": "raw",
        "datadir": str(settings.staging.path / "faust"),
        "store": "memory://",
        "TableManager": NoTables,
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "web_enabled": False,
        "autodiscover": False,
    }


def _declare(app: Falcolake, name: str) -> None:
    """Declare the agent that takes batches, and the timers."""

    @app.agent(app.topic(name, value_type=bytes, value_serializer="raw", acks=False), name="ingest")
    async def ingest(stream: faust.StreamT[list[Batch]]) -> None:
        async for batches in stream:
            await app.ledger.append(*batches)

    @app.timer(TICK, name="export")
    async def export() -> None:
        app.lookup.start()
        await app.ledger.resume_if_room()
        await app.ledger.note_cuts()
        await app.ledger.seal_due()
        app.shipper.start()
        app.ledger.show()

    @app.timer(LOOK_AROUND, name="bounds")
    async def bounds() -> None:
        await app.ledger.ask_bounds()


@dataclass(slots=True)
class Leaving:
    """How a worker stops. `grace` is the seconds to ship what is staged first, or None."""

    grace: float | None
    #: Set by the first signal, and by the second one, which ends a drain.
    wanted: asyncio.Event = field(default_factory=asyncio.Event)
    at_once: asyncio.Event = field(default_factory=asyncio.Event)
    #: Whether a drain left something unshipped.
    left_something: bool = False

    def ask(self) -> None:
        """Handle a signal."""
        (self.at_once if self.wanted.is_set() else self.wanted).set()


def run(settings: Settings, grace: float | None = None) -> bool:
    """Run a worker until SIGTERM or SIGINT; return False if a drain left something unshipped.

    If Kafka cannot be reached or the app fails, a new one is started, after longer and longer
    waits. With a `grace`, in seconds, the worker ships what is staged before it stops. Raises
    Misconfigured or Corrupt if it cannot continue.
    """
    logs.configure(settings.log)
    os.umask(0o077)  # staging holds alerts, and DuckDB creates files there
    disable_created_metrics()  # type: ignore[no-untyped-call]
    faults.arm(wanted_fault(), settings.lake.endpoint_url)
    for warning in settings.warnings():
        log.warning("%s", warning)
    leaving = Leaving(grace)
    asyncio.run(_serve(settings, leaving))
    return not leaving.left_something


async def _serve(settings: Settings, leaving: Leaving) -> None:
    """Run one app after another, and the web server, which outlives them."""
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, leaving.ask)
    journal = Journal(contents=settings.web.show_contents)
    metrics = Metrics(journal, deployment(settings.kafka))
    watch = Watch(metrics)
    health, fleet = Health(waits=watch.waits), Fleet()
    app: Falcolake | None = build(settings, metrics, watch, fleet)
    reporter = Reporter(settings, health, journal, fleet, worker_name(settings))
    server = Web(settings.web, health, metrics, reporter)
    await server.start()
    health.start()
    watch.start()
    backoff = Backoff(SHORTEST_RESTART, LONGEST_RESTART)
    try:
        while not leaving.wanted.is_set():
            began = time.monotonic()
            try:
                app = app or build(settings, metrics, watch, fleet)
                await _run_once(app, settings, health, leaving)
            except Unavailable as error:
                health.rests(error)
                if time.monotonic() - began > LONGEST_RESTART:
                    backoff.reset()
                delay = backoff.next()
                log.warning("starting again in %.1f s: %s. %s", delay, error, error.hint)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(leaving.wanted.wait(), delay)
                if leaving.wanted.is_set() and leaving.grace is not None:
                    log.warning("not drained: %s", error)
                    leaving.left_something = True
            app = None
    finally:
        watch.stop()
        health.stop()
        await server.stop()


async def _run_once(app: Falcolake, settings: Settings, health: Health, leaving: Leaving) -> None:
    """Run one app until a signal stops it, or raise the error that it failed with.

    The error is Unavailable if trying again helps.
    """
    log.info("starting: topic %s, group %s", settings.kafka.topic, settings.kafka.group_id)
    health.runs(app.ledger, app.shipper)
    with overheard("aiokafka") as reasons, translating(settings, reasons=reasons):
        reason = await _run_to_the_end(app, health, leaving)
        if reason is not None:
            raise reason


async def _run_to_the_end(app: Falcolake, health: Health, leaving: Leaving) -> Exception | None:
    running = asyncio.create_task(_start_and_wait(app))
    leave = asyncio.create_task(_leave(app, health, leaving))
    waiting = {running, leave}
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        log.info("stopping")
    finally:
        await app.stop()
        for task in waiting:
            task.cancel()
        ended = await asyncio.gather(*waiting, return_exceptions=True)
    return next((each for each in [app.crash_reason, *ended] if isinstance(each, Exception)), None)


async def _leave(app: Falcolake, health: Health, leaving: Leaving) -> None:
    """Return when the app may stop: at a signal or, with a grace, after a drain."""
    await leaving.wanted.wait()
    if leaving.grace is None:
        return
    health.draining = leaving.left_something = True
    draining = asyncio.create_task(drain(app.ledger, app.shipper, leaving.grace))
    at_once = asyncio.create_task(leaving.at_once.wait())
    try:
        await asyncio.wait({draining, at_once}, return_when=asyncio.FIRST_COMPLETED)
        if draining.done():
            leaving.left_something = not draining.result()
        else:
            log_what_is_left(app.ledger.undrained(), app.shipper)
    finally:
        draining.cancel()
        at_once.cancel()


async def _start_and_wait(app: Falcolake) -> None:
    await app.start()
    await app.wait()
