"""The worker's web server: the status page with its reports, `/metrics`, `/healthz`, `/readyz`.

It has no state, and keeps running while the worker waits to restart. `health`, `metrics` and
`report` decide what it answers. The page is static files over `/status.json`; its headers forbid
the browser to run or load anything else, to treat text as markup, and to show it in a frame.
Nothing here changes anything or shows a secret. `connections` limits what strangers can take. On a
loopback address only that address's own names are answered: otherwise a page of another site could
read `/status.json` through a name that it points to this machine (DNS rebinding).
"""

import ipaddress
import logging
import re
from collections.abc import Awaitable, Callable
from importlib.resources import files

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from streams.errors import in_url
from streams.page.connections import Connections, cannot_listen
from streams.page.health import Health
from streams.page.report import Reporter
from streams.settings import sections
from streams.worker.metrics import Metrics

log = logging.getLogger(__name__)

#: The names of this machine that no other site can claim.
LOCAL = ("localhost", "127.0.0.1", "::1")

#: Seconds that open requests have when the server stops.
STOP_TIMEOUT = 1.0

#: The files of the page by their paths, with their types.
PAGE = {
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    **{
        f"/{name}.js": (f"{name}.js", "text/javascript")
        for name in ("page", "charts", "copying", "dom", "fleet", "tables", "words")
    },
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


REFUSAL = (
    "This server listens on this machine only, and answers to localhost, 127.0.0.1 and [::1].\n"
    "Use one of these in the address. A proxy in front of it must send one as the Host header.\n"
)


class Web:
    """The server of one worker."""

    def __init__(
        self, settings: sections.WebSettings, health: Health, metrics: Metrics, reporter: Reporter
    ) -> None:
        self._settings = settings
        self._health = health
        self._metrics = metrics
        self._reporter = reporter
        self._page = {
            path: (files("streams.page").joinpath(name).read_bytes(), kind)
            for path, (name, kind) in PAGE.items()
        }
        self._runner: web.AppRunner | None = None
        self._connections: Connections | None = None
        self._own_names: frozenset[str] | None = None

    async def start(self) -> None:
        """Start to listen. Raises Misconfigured if the address is in use or not local."""
        app = web.Application(middlewares=[self._guard])
        for path in self._page:
            app.router.add_get(path, self._show_page)
        app.router.add_get("/status.json", self._show_status)
        app.router.add_get("/fleet.json", self._show_fleet)
        app.router.add_get("/metrics", self._show_metrics)
        app.router.add_get("/healthz", self._show_health)
        app.router.add_get("/readyz", self._show_readiness)
        self._runner = web.AppRunner(
            app, access_log=None, auto_decompress=False, shutdown_timeout=STOP_TIMEOUT
        )
        await self._runner.setup()
        assert self._runner.server is not None
        self._connections = Connections(self._runner.server)
        host, port = self._settings.host, self._settings.port
        try:
            addresses = await self._connections.listen(host, port)
        except OSError as error:
            await self.stop()
            raise cannot_listen("web", host, port, error) from error
        if all(ipaddress.ip_address(address).is_loopback for address, _ in addresses):
            self._own_names = frozenset({*LOCAL, host.lower(), *(name for name, _ in addresses)})
        else:
            log.warning(
                "the status page, metrics and health are open to the network on %s: anyone who can "
                "reach it sees the names of rules, topics and the bucket",
                host,
            )
        log.info("status page, metrics and health on http://%s", in_url(*addresses[0]))

    async def stop(self) -> None:
        """Stop listening."""
        if self._connections is not None:
            connections, self._connections = self._connections, None
            await connections.stop()
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    @web.middleware
    async def _guard(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        """Refuse other names, and add the headers above to every response, including errors."""
        if self._connections is not None:
            self._connections.touch(request.transport)
        try:
            if not _is_own(request.headers.getall("Host", []), self._own_names):
                raise web.HTTPMisdirectedRequest(text=REFUSAL)
            response = await handler(request)
        except web.HTTPException as error:
            error.headers.update(HEADERS)
            raise
        response.headers.update(HEADERS)
        return response

    async def _show_page(self, request: web.Request) -> web.Response:
        body, kind = self._page[request.path]
        return web.Response(body=body, content_type=kind, charset="utf-8")

    async def _show_status(self, _: web.Request) -> web.Response:
        response = web.json_response(self._reporter.plain())
        response.enable_compression()
        return response

    async def _show_fleet(self, _: web.Request) -> web.Response:
        response = web.json_response(self._reporter.fleet())
        response.enable_compression()
        return response

    async def _show_metrics(self, _: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(self._metrics.registry),
            headers={"Content-Type": CONTENT_TYPE_LATEST},
        )

    async def _show_health(self, _: web.Request) -> web.Response:
        found = self._health.liveness()
        return web.json_response(found, status=200 if found["healthy"] else 503)

    async def _show_readiness(self, _: web.Request) -> web.Response:
        found = self._health.readiness()
        return web.json_response(found, status=200 if found["ready"] else 503)


def _is_own(hosts: list[str], names: frozenset[str] | None) -> bool:
    """Whether a request's Host headers name this server; None accepts every name."""
    if names is None:
        return True
    if len(hosts) != 1:
        return False
    named = re.fullmatch(r"(?:\[([0-9a-f:.]+)\]|([^:\[\]]+))(?::[0-9]{1,5})?", hosts[0].lower())
    return named is not None and (named[1] or named[2]) in names
