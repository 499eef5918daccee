"""The worker's web server: the status page, `/status.json`, `/metrics`, `/healthz`, `/readyz`.

It has no state, and keeps running while the worker waits to restart. `health`, `metrics` and
`report` decide what it answers. The page is static files over `/status.json`; its headers forbid
the browser to run or load anything else, to treat text as markup, and to show it in a frame.
Nothing here changes anything or shows a secret.
"""

import logging
from collections.abc import Awaitable, Callable
from importlib.resources import files

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from streams.errors import Misconfigured
from streams.page.health import Health
from streams.page.report import Reporter
from streams.settings import sections
from streams.worker.metrics import Metrics

log = logging.getLogger(__name__)

#: Addresses that only this machine can reach.
LOOPBACK = {"127.0.0.1", "::1", "localhost"}


#: The files of the page by their paths, with their types.
PAGE = {
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/charts.js": ("charts.js", "text/javascript"),
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


@web.middleware
async def _guard(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Add the headers above to every response, including errors."""
    try:
        response = await handler(request)
    except web.HTTPException as error:
        error.headers.update(HEADERS)
        raise
    response.headers.update(HEADERS)
    return response


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

    async def start(self) -> None:
        """Start to listen. Raises Misconfigured if the address is in use or not local."""
        app = web.Application(middlewares=[_guard])
        for path in self._page:
            app.router.add_get(path, self._show_page)
        app.router.add_get("/status.json", self._show_status)
        app.router.add_get("/metrics", self._show_metrics)
        app.router.add_get("/healthz", self._show_health)
        app.router.add_get("/readyz", self._show_readiness)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        host, port = self._settings.host, self._settings.port
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            await self.stop()
            raise Misconfigured(
                f"cannot listen on {host}:{port}: {error.strerror or error}",
                "set FALCOLAKE_WEB__PORT to a free port; 0 picks one",
            ) from error
        if host not in LOOPBACK:
            log.warning(
                "the status page, metrics and health are open to the network on %s: anyone who can "
                "reach it sees the names of rules, topics and the bucket",
                host,
            )
        host, port = self._runner.addresses[0][:2]
        log.info(
            "status page, metrics and health on http://%s:%d",
            f"[{host}]" if ":" in host else host,
            port,
        )

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    async def _show_page(self, request: web.Request) -> web.Response:
        body, kind = self._page[request.path]
        return web.Response(body=body, content_type=kind, charset="utf-8")

    async def _show_status(self, _: web.Request) -> web.Response:
        response = web.json_response(self._reporter.plain())
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
