"""The HTTP server of `falcolake receive`: `POST /`, `/ping`, `/healthz`, `/readyz`, `/metrics`.

A request is answered 200 only once Kafka has every record of it; 503 promises nothing, and Kafka
may still get the records. Falco's http_output ignores answers and sends one alert after the other,
so a request waits for Kafka, and then for room, instead of being refused at once.

Only POST asks for the token or the client certificate: probes and metrics say nothing of alerts.
Bounded are connections (`page.connections`), bytes in flight (`room`), and the time of each step.
Browsers are refused: a page of any site could otherwise send alerts to a receiver on loopback.
"""

import asyncio
import base64
import binascii
import hmac
import ipaddress
import logging
import ssl
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from streams.errors import FalcolakeError, Misconfigured, in_url, in_words
from streams.page.connections import Connections, cannot_listen
from streams.receive import bodies
from streams.receive.metrics import Metrics
from streams.receive.publisher import Publisher
from streams.receive.room import Room
from streams.settings.sections import ReceiveSettings
from streams.settings.settings import variable

log = logging.getLogger(__name__)

#: Connections that are open at once: each Falco has one.
MOST_CONNECTIONS = 1024

#: Seconds in which the body must come.
BODY_TIMEOUT = 30.0

#: Seconds after which a sender should try again.
RETRY_AFTER = 5

#: Bytes that a record costs besides its own.
OVERHEAD = 512

#: Seconds of grace for requests under way when the server stops, beyond receive.timeout.
STOP_TIMEOUT = 2.0

#: Seconds between two log lines about the same thing.
SELDOM = 30.0

HEADERS = {"Server": "falcolake", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


class Answer(Exception):  # noqa: N818 - not every answer is an error
    """How a request with alerts is answered: the metric's result, the status, a sentence."""

    def __init__(self, result: str, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.result = result
        self.status = status
        self.text = text


class Receiver:
    """The server of one receiver."""

    def __init__(
        self,
        settings: ReceiveSettings,
        publisher: Publisher,
        metrics: Metrics,
        body_timeout: float = BODY_TIMEOUT,
        most_connections: int = MOST_CONNECTIONS,
    ) -> None:
        self._settings = settings
        self._publisher = publisher
        self._metrics = metrics
        self._body_timeout = body_timeout
        self._most_connections = most_connections
        self._token = settings.token.get_secret_value().encode() if settings.token else None
        self._room = Room(settings.max_bytes_in_flight)
        self._delivering: set[asyncio.Task[list[int]]] = set()
        #: Those of them whose request was answered 503.
        self._late: set[asyncio.Task[list[int]]] = set()
        self._quiet_until: dict[str, float] = {}
        self._runner: web.AppRunner | None = None
        self._connections: Connections | None = None

    # ---- start and stop

    async def start(self) -> None:
        """Start to listen. Raises Misconfigured for an address or certificate that cannot work."""
        app = web.Application(middlewares=[self._guard])
        app.router.add_post("/", self._take)
        app.router.add_get("/ping", self._ping)
        app.router.add_get("/healthz", self._show_health)
        app.router.add_get("/readyz", self._show_readiness)
        app.router.add_get("/metrics", self._show_metrics)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            auto_decompress=False,
            shutdown_timeout=self._settings.timeout + STOP_TIMEOUT,
            lingering_time=1.0,
        )
        await self._runner.setup()
        assert self._runner.server is not None
        self._connections = Connections(
            self._runner.server, most=self._most_connections, tls=tls(self._settings)
        )
        host, port = self._settings.host, self._settings.port
        try:
            addresses = await self._connections.listen(host, port)
        except OSError as error:
            await self.stop()
            raise cannot_listen("receive", host, port, error) from error
        self._warn([ipaddress.ip_address(address) for address, _ in addresses])
        log.info(
            "receiving alerts, metrics and health on %s://%s",
            "https" if self._settings.tls_certificate else "http",
            in_url(*addresses[0]),
        )

    def _warn(self, addresses: list[ipaddress.IPv4Address | ipaddress.IPv6Address]) -> None:
        settings = self._settings
        if all(address.is_loopback for address in addresses):
            return
        if not (settings.token or settings.tls_client_ca):
            log.warning(
                "anyone who can reach %s can send alerts: set %s or %s",
                settings.host,
                variable("receive.token"),
                variable("receive.tls_client_ca"),
            )
        elif not settings.tls_certificate:
            log.warning(
                "alerts and the token cross the network unencrypted: set %s",
                variable("receive.tls_certificate"),
            )

    async def stop(self) -> None:
        """Accept no more connections, and answer the requests under way."""
        if self._connections is not None:
            await self._connections.stop()
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    @property
    def undelivered(self) -> int:
        """How many requests wait for Kafka that were answered 503."""
        return len(self._delivering)

    # ---- requests

    @web.middleware
    async def _guard(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        """Let a connection take its time while its request is handled; add the headers."""
        assert self._connections is not None
        transport = request.transport
        self._connections.busy(transport)
        try:
            response = await handler(request)
        except web.HTTPException as error:
            error.headers.update(HEADERS)
            raise
        finally:
            self._connections.touch(transport)
        response.headers.update(HEADERS)
        return response

    async def _take(self, request: web.Request) -> web.Response:
        began = asyncio.get_running_loop().time()
        try:
            answer = await self._answer(request, began + self._settings.timeout)
        except Answer as refusal:
            answer = refusal
        self._metrics.answered(answer.result, asyncio.get_running_loop().time() - began)
        self._metrics.in_flight(self._room.taken)
        if answer.status is not HTTPStatus.OK:
            self._complain(request, answer)
        response = web.Response(status=answer.status, text=answer.text + "\n")
        if answer.status is HTTPStatus.SERVICE_UNAVAILABLE:
            response.headers["Retry-After"] = str(RETRY_AFTER)
        elif answer.status is HTTPStatus.UNAUTHORIZED:
            response.headers["WWW-Authenticate"] = "Bearer"
        if not request.content.is_eof():
            response.force_close()  # what is left of the body is not worth reading
        return response

    async def _answer(self, request: web.Request, until: float) -> Answer:
        """Return how to answer. Raises the same, where it goes no further."""
        self._admit(request)
        size = self._announced(request) + OVERHEAD
        try:
            async with asyncio.timeout_at(until):
                await self._room.take(size)
        except TimeoutError:
            raise _later(
                "full", "Too many alerts wait for Kafka already. Send this again."
            ) from None
        delivering: asyncio.Task[list[int]] | None = None
        try:
            body = await self._read(request)
            spare = size - OVERHEAD - len(body)
            self._room.give_back(spare)
            size -= spare
            values = _cut(body)
            del body  # its records may wait for long
            rest = OVERHEAD * len(values) - OVERHEAD
            if size + rest > self._room.most:
                raise Answer(
                    "too_large",
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                    f"{len(values):,} alerts are too many for one request: send fewer.",
                )
            if not self._room.try_take(rest):
                raise _later("full", "Too many alerts wait for Kafka already. Send this again.")
            size += rest
            delivering = self._deliver(values, size)
        finally:
            if delivering is None:
                self._room.give_back(size)
        return await self._outcome(delivering, values, until)

    def _admit(self, request: web.Request) -> None:
        """Raise Answer for who may not send, and for what no body can make right."""
        if request.headers.getall("Origin", []):
            raise Answer("refused", HTTPStatus.FORBIDDEN, "Browsers may not send alerts.")
        transport = request.transport
        if self._settings.tls_client_ca and not (
            transport is not None and transport.get_extra_info("peercert")
        ):
            raise Answer("unauthorized", HTTPStatus.UNAUTHORIZED, "Present a client certificate.")
        if self._token is not None:
            given = presented(request.headers.getall("Authorization", []))
            if not hmac.compare_digest(given, self._token):
                raise Answer(
                    "unauthorized",
                    HTTPStatus.UNAUTHORIZED,
                    "Send the token: Authorization: Bearer TOKEN, or http://falco:TOKEN@host/.",
                )
        coding = ", ".join(request.headers.getall("Content-Encoding", []))
        if coding.strip().lower() not in ("", "identity"):
            raise Answer(
                "refused",
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                "Send the body uncompressed, without Content-Encoding.",
            )

    def _announced(self, request: web.Request) -> int:
        """Return how large the body may be. Raises Answer if that is too large."""
        most = int(self._settings.max_request_bytes)
        announced = request.content_length
        if announced is None:  # it comes in chunks
            return most
        if announced > most:
            raise self._too_large()
        return announced

    def _too_large(self) -> Answer:
        return Answer(
            "too_large",
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"The body has more than {int(self._settings.max_request_bytes):,} bytes: send fewer "
            f"alerts in one request, or raise {variable('receive.max_request_bytes')}.",
        )

    async def _read(self, request: web.Request) -> bytes:
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._body_timeout):
                async for part in request.content.iter_any():
                    size += len(part)
                    if size > self._settings.max_request_bytes:
                        raise self._too_large()
                    parts.append(part)
        except TimeoutError:
            raise Answer(
                "slow",
                HTTPStatus.REQUEST_TIMEOUT,
                f"The body did not come within {self._body_timeout:g} s.",
            ) from None
        except (web.RequestPayloadError, ConnectionError) as error:
            raise Answer(
                "slow", HTTPStatus.BAD_REQUEST, f"The body is cut off: {in_words(error)}."
            ) from None
        return b"".join(parts)

    # ---- records

    def _deliver(self, values: list[bytes], size: int) -> asyncio.Task[list[int]]:
        """Begin to publish; the room is given back once Kafka has said what became of all."""
        task = asyncio.create_task(self._publisher.publish(values), name="deliver")
        self._delivering.add(task)
        total = sum(map(len, values))

        def done(task: asyncio.Task[list[int]]) -> None:
            late = task in self._late
            self._late.discard(task)
            self._delivering.discard(task)
            self._room.give_back(size)
            self._metrics.in_flight(self._room.taken)
            if task.cancelled() or task.exception() is not None:
                self._metrics.lost("failed", len(values))
                return
            large = task.result()
            self._metrics.lost("too_large", len(large))
            kept = total - sum(len(values[number]) for number in large)
            self._metrics.acknowledged(len(values) - len(large), kept, late=late)

        task.add_done_callback(done)
        return task

    async def _outcome(
        self, delivering: asyncio.Task[list[int]], values: list[bytes], until: float
    ) -> Answer:
        loop = asyncio.get_running_loop()
        self._metrics.in_flight(self._room.taken)
        await asyncio.wait({delivering}, timeout=max(0.0, until - loop.time()))
        if not delivering.done():
            self._late.add(delivering)
            return _later("timeout", "Kafka did not confirm this in time. It may still get it.")
        if delivering.cancelled() or (error := delivering.exception()) is not None:
            if not (delivering.cancelled() or isinstance(error, FalcolakeError)):
                log.error("publishing failed", exc_info=error)
            return _later("unavailable", "Kafka does not take this now: /readyz says why.")
        if large := delivering.result():
            return Answer("too_large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _named(large, values))
        return Answer("accepted", HTTPStatus.OK, f"{len(values):,} in Kafka")

    # ---- probes

    async def _ping(self, _: web.Request) -> web.Response:
        return web.Response(text="pong\n")

    async def _show_health(self, _: web.Request) -> web.Response:
        return web.json_response({"healthy": True})

    async def _show_readiness(self, _: web.Request) -> web.Response:
        trouble = self._publisher.trouble
        if trouble is None:
            return web.json_response({"ready": True})
        found = {"ready": False, "reason": trouble.message, "try": trouble.hint}
        return web.json_response(found, status=HTTPStatus.SERVICE_UNAVAILABLE)

    async def _show_metrics(self, _: web.Request) -> web.Response:
        self._metrics.ready(self._publisher.trouble is None)
        return web.Response(
            body=generate_latest(self._metrics.registry),
            headers={"Content-Type": CONTENT_TYPE_LATEST},
        )

    # ---- log

    def _complain(self, request: web.Request, answer: Answer) -> None:
        """Log now and then that requests are not accepted, without what they say."""
        now = asyncio.get_running_loop().time()
        if now >= self._quiet_until.get(answer.result, 0.0):
            self._quiet_until[answer.result] = now + SELDOM
            log.warning("answered %s to %s: %s", int(answer.status), request.remote, answer.text)


def tls(settings: ReceiveSettings) -> ssl.SSLContext | None:
    """Build the TLS context to listen with; None without a certificate. Raises Misconfigured."""
    if settings.tls_certificate is None:
        return None
    setting = "tls_certificate"
    try:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        # An empty password makes OpenSSL fail where None would make it ask on the terminal.
        context.load_cert_chain(settings.tls_certificate, settings.tls_key, "")
        if settings.tls_client_ca is not None:
            setting = "tls_client_ca"
            context.load_verify_locations(settings.tls_client_ca)
            # Optional, as probes have none: what sends alerts is asked for it in `_admit`.
            context.verify_mode = ssl.CERT_OPTIONAL
    except OSError as error:  # ssl.SSLError is one
        named = f"{variable(f'receive.{setting}')}={getattr(settings, setting)}"
        raise Misconfigured(
            f"cannot use {named}: {in_words(error)}",
            "use a readable PEM file, with the key that belongs to it, without a password",
        ) from None
    return context


def presented(headers: list[str]) -> bytes:
    """Return the token in Authorization headers: a bearer's, or the password of any user."""
    if len(headers) != 1:
        return b""
    scheme, _, given = headers[0].strip().partition(" ")
    token = given.strip().encode(errors="surrogateescape")
    if scheme.lower() == "bearer":
        return token
    if scheme.lower() != "basic":
        return b""
    try:
        _, _, password = base64.b64decode(token, validate=True).partition(b":")
    except binascii.Error:
        return b""
    return password


def _cut(body: bytes) -> list[bytes]:
    try:
        return bodies.records(body)
    except bodies.NoAlertsError as error:
        raise Answer("no_alerts", HTTPStatus.BAD_REQUEST, f"{error}") from None
    except bodies.TooManyError as error:
        raise Answer("too_large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"{error}") from None


def _later(result: str, text: str) -> Answer:
    return Answer(result, HTTPStatus.SERVICE_UNAVAILABLE, text)


def _named(large: list[int], values: list[bytes]) -> str:
    """Return which alerts Kafka finds too large."""
    first = large[0]
    text = (
        f"Alert {first + 1:,} of {len(values):,}, of {len(values[first]):,} bytes, is larger than "
        "the topic takes (max.message.bytes)"
    )
    if len(large) > 1:
        text += f", and {len(large) - 1:,} more are"
    return f"{text}. The others are in Kafka." if len(large) < len(values) else f"{text}."
