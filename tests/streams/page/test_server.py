"""Metrics, health and readiness, asked over HTTP."""

import asyncio
import re
import socket
from importlib.resources import files
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from streams.control.fleet import Fleet
from streams.embedded.ports import HOST, free_ports
from streams.embedded.s3 import ACCOUNT_ID
from streams.errors import Misconfigured, Unavailable
from streams.page.health import Health
from streams.page.report import Reporter
from streams.page.server import PAGE, Web
from streams.settings.sections import LakeSettings, WebSettings
from streams.settings.settings import Settings
from streams.worker.metrics import Metrics
from tests.streams.falco_records import alert, mixed
from tests.streams.worker_parts import Worker, in_loop

LAKE = LakeSettings(bucket="lake", region="us-east-1", account_id=ACCOUNT_ID)


def web_of(
    settings: WebSettings, health: Health, metrics: Metrics, fleet: Fleet | None = None
) -> Web:
    """A server of these parts."""
    settings_of_all = Settings(lake=LAKE, web=settings)
    reporter = Reporter(settings_of_all, health, metrics.journal, fleet or Fleet(), "me")
    return Web(settings, health, metrics, reporter)


class Served:
    """A worker's parts with its web server."""

    def __init__(self, path: Path) -> None:
        self.worker = Worker(path, LAKE)
        settings = WebSettings(port=free_ports(1)[0])
        self.url = f"http://{settings.host}:{settings.port}"
        self.health = Health()
        self.health.runs(self.worker.ledger, self.worker.shipper)
        self.fleet = Fleet()
        self.web = web_of(settings, self.health, self.worker.metrics, self.fleet)

    async def __aenter__(self) -> "Served":
        await self.worker.ledger.open()
        await self.web.start()
        self.http = aiohttp.ClientSession(self.url)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.close()
        await self.web.stop()
        await self.worker.__aexit__()

    async def get(self, path: str) -> tuple[int, dict[str, Any]]:
        async with self.http.get(path) as answer:
            return answer.status, await answer.json()


@pytest.fixture
def served(tmp_path: Path) -> Served:
    return Served(tmp_path / "staging")


@in_loop
async def test_a_worker_is_healthy_at_once_and_ready_with_its_partitions(served: Served) -> None:
    async with served:
        assert await served.get("/healthz") == (200, {"healthy": True})
        status, found = await served.get("/readyz")
        assert (status, found["ready"], found["partitions"]) == (503, False, [])
        await served.worker.assign(0, 3)
        status, found = await served.get("/readyz")
        assert (status, found["ready"], found["partitions"]) == (200, True, [0, 3])


@in_loop
async def test_a_paused_worker_says_why_and_is_still_healthy(served: Served) -> None:
    async with served:
        await served.worker.assign(0)
        await served.worker.take(0, 7, 9, offsets=[5, 8])
        status, found = await served.get("/readyz")
        assert status == 503
        assert "offset 5 where 0 was expected" in found["paused"]
        assert (await served.get("/healthz"))[0] == 200


@in_loop
async def test_a_worker_that_kafka_does_not_answer_is_not_ready_and_still_healthy(
    served: Served,
) -> None:
    async with served:
        await served.worker.assign(0)
        assert (await served.get("/readyz"))[1]["kafka"] is None
        served.worker.kafka.answers = False
        status, found = await served.get("/readyz")
        assert status == 503
        assert found["kafka"]["reason"] == "Kafka does not answer"
        assert found["kafka"]["try"]
        assert (await served.get("/healthz"))[0] == 200


@in_loop
async def test_a_held_partition_says_why_and_what_to_try(served: Served) -> None:
    async with served:
        await served.worker.assign(2)
        served.worker.shipper._hold(2, Unavailable("the lake is away", "wait"))
        status, found = await served.get("/readyz")
        assert status == 503
        held = found["held"]["2"]
        assert (held["reason"], held["try"]) == ("the lake is away", "wait")
        assert 0 <= held["seconds"] < 60
        served.worker.shipper._release(2)
        assert (await served.get("/readyz"))[0] == 200


@in_loop
async def test_metrics_are_prometheus_text_and_count_what_was_staged(served: Served) -> None:
    async with served:
        await served.worker.assign(0)
        await served.worker.take(0, 0, 14, mixed)
        served.worker.ledger.show()
        async with served.http.get("/metrics") as answer:
            assert answer.content_type == "text/plain"
            lines = (await answer.text()).splitlines()
        assert 'falcolake_staged_records_total{outcome="finding"} 12.0' in lines
        assert 'falcolake_staged_records_total{outcome="reject"} 2.0' in lines
        assert 'falcolake_staged_offset{partition="0"} 14.0' in lines
        assert any(line.startswith("falcolake_staging_bytes ") for line in lines)


@in_loop
async def test_gauges_of_a_partition_that_went_away_go_too(served: Served) -> None:
    async with served:
        await served.worker.assign(0, 1)
        await served.worker.assign(1)
        assert served.worker.metric("staged_offset", partition="0") == 0
        found = served.worker.metrics.registry.get_sample_value(
            "falcolake_staged_offset", {"partition": "0"}
        )
        assert found is None


@in_loop
async def test_no_alert_is_shown_but_the_names_of_rules(served: Served) -> None:
    async with served:
        await served.worker.assign(0)
        await served.worker.take(0, 0, 3, lambda n: alert(n, rule=f"Rule {n}"))
        await served.worker.take(0, 3, 5, lambda n: b"garbage with a secret")
        await served.worker.take(0, 5, 6, lambda n: None)
        for path in (*PAGE, "/status.json", "/fleet.json", "/metrics", "/readyz", "/healthz"):
            async with served.http.get(path) as answer:
                text = await answer.text()
            assert "shell" not in text, path
            assert "node-1" not in text, path
            assert "garbage" not in text, path
            assert ("Rule 1" in text) == (path == "/status.json")


@in_loop
async def test_every_answer_forbids_all_that_the_page_does_not_need(served: Served) -> None:
    async with served:
        for path in (
            *PAGE,
            "/status.json",
            "/fleet.json",
            "/metrics",
            "/readyz",
            "/nowhere",
            "/../cli.py",
        ):
            async with served.http.get(path) as answer:
                policy = answer.headers["Content-Security-Policy"]
                assert policy.startswith("default-src 'none'; script-src 'self';"), path
                assert "unsafe" not in policy
                assert "frame-ancestors 'none'" in policy
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert answer.headers["Cache-Control"] == "no-store"
        async with served.http.post("/status.json") as answer:
            assert answer.status == 405


def test_the_page_loads_nothing_from_elsewhere_and_has_no_markup_made_of_text() -> None:
    for name, _ in PAGE.values():
        text = files("streams.page").joinpath(name).read_text()
        links = set(re.findall(r"https?://[^\s\"']+", text))
        assert links <= {"http://www.w3.org/2000/svg"}, name
        for word in (
            "innerHTML",
            "outerHTML",
            "insertAdjacent",
            "document.write",
            "eval(",
            "style=",
        ):
            assert word not in text, (name, word)
        assert not re.search(r"\son[a-z]+=", text), name


@in_loop
async def test_the_report_is_what_ledger_and_journal_know(served: Served) -> None:
    async with served:
        worker = served.worker
        worker.kafka.ends = {0: 40, 1: 0}
        await worker.assign(0, 1)
        await worker.take(0, 0, 14, mixed)
        await worker.seal()
        await worker.take(0, 14, 20)
        worker.shipper._hold(0, Unavailable("the lake is away", "wait"))
        status, found = await served.get("/status.json")
        assert status == 200
        first, second = found["partitions"]
        assert (first["committed"], first["staged"], first["end"], first["lag"]) == (0, 20, 40, 40)
        assert first["held"]
        assert [(each["first"], each["end"]) for each in first["waiting"]] == [(0, 14)]
        assert (first["open"]["first"], first["open"]["records"]) == (14, 6)
        assert (second["lag"], second["held"], second["open"]) == (0, False, None)
        assert [each["reason"] for each in found["problems"]] == ["the lake is away"]
        assert found["hour"]["severities"]["Low"] == found["hour"]["findings"] == 18
        assert found["hour"]["rejects"] == 2
        assert [(each["partition"], each["offset"]) for each in found["rejects"]] == [
            (0, 10),
            (0, 3),
        ]
        assert found["lake"] == "s3://lake/ext/falco"
        assert [each["kind"] for each in found["events"]] == ["held", "assigned"]


@in_loop
async def test_with_many_partitions_few_waiting_windows_of_each_are_listed(served: Served) -> None:
    async with served:
        worker = served.worker
        await worker.assign(*range(1000))
        for first in (0, 5, 10):
            await worker.take(0, first, first + 5)
            await worker.seal()
        _, found = await served.get("/status.json")
        assert len(found["partitions"]) == 1000
        assert found["partitions"][0]["waiting_windows"] == 3
        assert [each["end"] for each in found["partitions"][0]["waiting"]] == [5, 10]


@in_loop
async def test_a_taken_port_is_named_with_the_setting(tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as other:
        worker = Worker(tmp_path / "staging", LAKE)
        settings = WebSettings(port=other.getsockname()[1])
        web = web_of(settings, Health(), worker.metrics)
        with pytest.raises(
            Misconfigured, match=f"cannot listen on {HOST}:{settings.port}"
        ) as error:
            await web.start()
        assert "FALCOLAKE_WEB__PORT" in error.value.hint
        await web.stop()
        await worker.shipper.stop()


@in_loop
async def test_after_stop_the_port_is_free_again(served: Served) -> None:
    async with served:
        assert (await served.get("/healthz"))[0] == 200
        await served.web.stop()
        await asyncio.to_thread(
            lambda: socket.create_server((HOST, int(served.url.rpartition(":")[2]))).close()
        )


@in_loop
async def test_an_address_of_the_network_is_warned_about(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    worker = Worker(tmp_path / "staging", LAKE)
    settings = WebSettings(host="0.0.0.0", port=free_ports(1)[0])
    web = web_of(settings, Health(), worker.metrics)
    await web.start()
    await web.stop()
    await worker.shipper.stop()
    assert "open to the network on 0.0.0.0" in caplog.text


async def status_for(url: str, **headers: str) -> int:
    """Return the status that a request for the report with these headers gets."""
    async with aiohttp.ClientSession() as http, http.get(url, headers=headers) as answer:
        await answer.read()
        return answer.status


@in_loop
async def test_on_a_loopback_address_only_its_own_names_are_answered(served: Served) -> None:
    async with served:
        for path in ("/", "/status.json", "/metrics", "/healthz", "/nowhere"):
            for host in (
                "attacker.example",
                "attacker.example:6066",
                "localhost.attacker.example",
                "127.0.0.1.attacker.example",
                "127.0.0.1@attacker.example",
                "127.0.0.1:6066:1",
                "[::1",
                "::1",
                "",
                "10.0.0.1",
            ):
                assert await status_for(served.url + path, Host=host) == 421, (path, host)
        for host in (
            "localhost",
            "LocalHost:1",
            "127.0.0.1",
            "127.0.0.1:65535",
            "[::1]",
            "[::1]:6066",
        ):
            assert await status_for(f"{served.url}/status.json", Host=host) == 200, host
        async with served.http.get("/", headers={"Host": "attacker.example"}) as answer:
            assert "localhost, 127.0.0.1 and [::1]" in await answer.text()
            assert answer.headers["Content-Security-Policy"]


@in_loop
async def test_on_an_address_of_the_network_every_name_is_answered(tmp_path: Path) -> None:
    worker = Worker(tmp_path / "staging", LAKE)
    settings = WebSettings(host="0.0.0.0", port=free_ports(1)[0])
    web = web_of(settings, Health(), worker.metrics)
    await web.start()
    url = f"http://{HOST}:{settings.port}/healthz"
    for host in ("10.1.2.3:6066", "falcolake-0.falcolake.security.svc.cluster.local:6066"):
        assert await status_for(url, Host=host) == 200
    await web.stop()
    await worker.shipper.stop()


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1"])
@in_loop
async def test_an_address_that_is_not_this_machine_s_is_told_by_its_setting(
    tmp_path: Path, host: str
) -> None:
    worker = Worker(tmp_path / "staging", LAKE)
    web = web_of(WebSettings(host=host, port=0), Health(), worker.metrics)
    with pytest.raises(Misconfigured, match=rf"^cannot listen on {host}:0: [A-Z][a-z ]+$") as error:
        await web.start()
    assert "FALCOLAKE_WEB__HOST" in error.value.hint
    await worker.shipper.stop()
