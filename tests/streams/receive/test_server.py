"""The server on the real broker: what it answers, and what Kafka then has."""

import asyncio
import base64
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from prometheus_client.parser import text_string_to_metric_families

from streams.embedded.kafka import EmbeddedKafka
from streams.embedded.ports import HOST, free_ports
from streams.errors import Misconfigured
from streams.receive import publisher
from streams.receive.metrics import Metrics
from streams.receive.publisher import Publisher
from streams.receive.server import Receiver, presented
from streams.settings.sections import KafkaSettings, ReceiveSettings
from streams.settings.settings import Settings
from tests.certificates import Authority
from tests.streams.falco_records import alert
from tests.streams.worker_parts import in_loop


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(30):
        while not await condition():  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.02)


class Receiving:
    """A receiver, and how its clients reach it."""

    def __init__(self, receiver: Receiver, publisher: Publisher, http: aiohttp.ClientSession):
        self.receiver = receiver
        self.publisher = publisher
        self.http = http

    async def post(self, body: Any, **options: Any) -> tuple[int, str]:
        async with self.http.post("/", data=body, **options) as answer:
            if answer.status == 503:
                assert answer.headers["Retry-After"] == "5"
            return answer.status, await answer.text()

    async def get(self, path: str) -> tuple[int, str]:
        async with self.http.get(path) as answer:
            return answer.status, await answer.text()

    async def counted(self, name: str) -> dict[str, float]:
        """Return the samples of a metric by their only label."""
        _, text = await self.get("/metrics")
        return {
            next(iter(sample.labels.values()), ""): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == f"falcolake_receive_{name}"
        }

    async def ready(self) -> None:
        await until(self._is_ready)

    async def _is_ready(self) -> bool:
        return self.publisher.trouble is None


@asynccontextmanager
async def receiving(
    bootstrap: str, topic: str, wait: bool = True, **options: Any
) -> AsyncIterator[Receiving]:
    limits = {name: options.pop(name) for name in list(options) if name in LIMITS}
    tls, scheme = options.pop("tls", None), "https" if "tls_certificate" in options else "http"
    (port,) = free_ports(1)
    settings = Settings(
        kafka=KafkaSettings(bootstrap_servers=bootstrap, topic=topic),
        receive=ReceiveSettings(port=port, **options),
    )
    publishes = Publisher(settings)
    receiver = Receiver(settings.receive, publishes, Metrics(), **limits)
    publishes.start()
    await receiver.start()
    connector = aiohttp.TCPConnector(ssl=tls or False, limit=0)
    async with aiohttp.ClientSession(f"{scheme}://{HOST}:{port}", connector=connector) as http:
        found = Receiving(receiver, publishes, http)
        try:
            if wait:
                await found.ready()
            yield found
        finally:
            await receiver.stop()
            await publishes.stop()


LIMITS = ("body_timeout", "most_connections")


def values(bootstrap: str, topic: str) -> list[bytes]:
    """Return the values of all records of a topic."""
    with KafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest") as consumer:
        places = [TopicPartition(topic, n) for n in consumer.partitions_for_topic(topic)]
        consumer.assign(places)
        count = sum(consumer.end_offsets(places).values())
        found: list[bytes] = []
        while len(found) < count:
            found += [each.value for batch in consumer.poll(500).values() for each in batch]
    return found


def limit_messages(bootstrap: str, topic: str, size: int) -> None:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    admin.alter_configs(
        [ConfigResource(ConfigResourceType.TOPIC, topic, {"max.message.bytes": str(size)})]
    )
    admin.close()


@in_loop
async def test_what_is_answered_200_is_in_kafka_byte_for_byte(
    kafka_bootstrap: str, topic: str
) -> None:
    sent = [alert(number) for number in range(8)]
    odd = b'{"rule": "\xff", "priority": "Debug"}'
    async with receiving(kafka_bootstrap, topic) as server:
        assert await server.post(sent[0]) == (200, "1 in Kafka\n")
        assert await server.post(odd) == (200, "1 in Kafka\n")
        assert await server.post(b"\n".join(sent[1:4]) + b"\n") == (200, "3 in Kafka\n")
        assert await server.post(b"[" + b",".join(sent[4:]) + b", 7]") == (200, "5 in Kafka\n")
        found = await asyncio.to_thread(values, kafka_bootstrap, topic)
        assert sorted(found) == sorted([*sent, odd, b"7"])
        assert (await server.counted("records_total"))["acknowledged"] == 10
        assert await server.counted("bytes_total") == {"": sum(map(len, found))}
        assert (await server.counted("requests_total"))["accepted"] == 4
        assert await server.counted("in_flight_bytes") == {"": 0}


@in_loop
async def test_what_is_no_alert_at_all_is_refused_with_a_reason(
    kafka_bootstrap: str, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with receiving(kafka_bootstrap, topic, max_request_bytes=1000) as server:
        assert await server.post(b"") == (400, "The body is empty.\n")
        assert await server.post(b"03:04:05.1: Notice A shell") == (
            400,
            "The body is Falco's text output: set json_output: true in falco.yaml.\n",
        )
        status, why = await server.post(b"{}" * 501)
        assert (status, why[:36]) == (413, "The body has more than 1,000 bytes: ")
        assert "FALCOLAKE_RECEIVE__MAX_REQUEST_BYTES" in why

        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(3):
                yield b"x" * 400

        assert (await server.post(chunks()))[0] == 413
        assert (await server.post(b"{}", headers={"Content-Encoding": "gzip"}))[0] == 415
        assert (await server.post(b"{}", headers={"Origin": "http://evil.example"}))[0] == 403
        assert (await server.get("/"))[0] == 405
        assert (await server.get("/nothing"))[0] == 404
        assert await server.get("/ping") == (200, "pong\n")
        assert await server.get("/healthz") == (200, '{"healthy": true}')
        assert await server.get("/readyz") == (200, '{"ready": true}')
        counted = await server.counted("requests_total")
        assert {name: value for name, value in counted.items() if value} == {
            "no_alerts": 2,
            "too_large": 2,
            "refused": 2,
        }
        assert await asyncio.to_thread(values, kafka_bootstrap, topic) == []
    assert caplog.text.count("answered 400") == 1


@in_loop
async def test_a_token_is_asked_for_alerts_and_for_nothing_else(
    kafka_bootstrap: str, topic: str
) -> None:
    async with receiving(kafka_bootstrap, topic, token="s3cret") as server:
        for given in (
            "",
            "Bearer",
            "Bearer s3cre",
            "Bearer s3crets",
            "s3cret",
            "Basic !",
            "Token s3cret",
        ):
            headers = {"Authorization": given} if given else {}
            status, why = await server.post(b"{}", headers=headers)
            assert (status, "Authorization: Bearer" in why) == (401, True), given
        assert (await server.post(b"{}", headers={"Authorization": "bearer s3cret"}))[0] == 200
        # As curl, and so Falco, sends what is before the host in a URL.
        assert (await server.post(b"{}", headers=in_the_url("falco", "s3cret")))[0] == 200
        assert (await server.post(b"{}", headers=in_the_url("s3cret", "falco")))[0] == 401
        for path in ("/ping", "/healthz", "/readyz", "/metrics"):
            status, text = await server.get(path)
            assert (status, "s3cret" in text, topic in text) == (200, False, False)
        assert len(await asyncio.to_thread(values, kafka_bootstrap, topic)) == 2


def in_the_url(user: str, password: str) -> dict[str, str]:
    return {"Authorization": aiohttp.encode_basic_auth(user, password)}


def test_only_one_authorization_header_counts() -> None:
    assert presented(["Bearer a"]) == b"a"
    assert presented(["Basic " + base64.b64encode(b"falco:a:b").decode()]) == b"a:b"
    assert presented(["Bearer a", "Bearer a"]) == presented([]) == presented(["Basic x"]) == b""


@in_loop
async def test_what_is_too_large_for_the_topic_is_named_and_disturbs_no_other(
    kafka_bootstrap: str, make_topic: Callable[..., str]
) -> None:
    topic = make_topic(partitions=1)
    limit_messages(kafka_bootstrap, topic, 5000)
    noise = base64.b64encode(os.urandom(6000))
    large = b'{"a": "' + noise + b'"}'
    async with receiving(kafka_bootstrap, topic) as server:
        small = [b'{"small": %d, "noise": "%b"}' % (n, noise[n : n + 900]) for n in range(40)]
        posts = [server.post(body) for body in small[:20]]
        posts += [server.post(large) for _ in range(3)]
        posts += [server.post(body) for body in small[20:30]]
        posts.append(server.post(b"\n".join([*small[30:], large])))
        answers = await asyncio.gather(*posts)
        named = f"Alert 11 of 11, of {len(large):,} bytes, is larger than the topic takes "
        assert [status for status, _ in answers] == [200] * 20 + [413] * 3 + [200] * 10 + [413]
        assert answers[-1][1] == f"{named}(max.message.bytes). The others are in Kafka.\n"
        assert (await server.counted("records_total"))["too_large"] == 4
    assert sorted(await asyncio.to_thread(values, kafka_bootstrap, topic)) == sorted(small)


@in_loop
async def test_while_kafka_is_away_requests_wait_then_503_and_kafka_gets_them_late(
    tmp_path: Path,
) -> None:
    kafka = EmbeddedKafka(tmp_path / "kafka")
    with kafka:
        kafka.ensure_topics({"falco-events": 1})
        limits: dict[str, Any] = {
            "max_bytes_in_flight": 20_000,
            "max_request_bytes": 9000,
            "timeout": 0.8,
        }
        async with receiving(kafka.bootstrap, "falco-events", **limits) as server:
            assert (await server.post(b'{"n": 0}'))[0] == 200
            await asyncio.to_thread(kafka.kill)
            large = b'{"large": "%b"}' % (b"x" * 8900)
            answers = await asyncio.gather(*(server.post(large) for _ in range(4)))
            assert sorted(text.split()[0] for _, text in answers) == ["Kafka"] * 2 + ["Too"] * 2
            assert {status for status, _ in answers} == {503}
            assert (await server.counted("requests_total"))["full"] == 2
            assert (await server.counted("in_flight_bytes"))[""] > 2 * len(large)

            async def is_not_ready() -> bool:
                return (await server.get("/readyz"))[0] == 503

            await until(is_not_ready)
            assert "does not answer" in (await server.get("/readyz"))[1]
            assert (await server.get("/healthz"))[0] == 200
            await asyncio.to_thread(kafka.start)

            async def has_both() -> bool:
                return (await server.counted("records_total"))["late"] == 2

            await until(has_both)
            assert await server.counted("in_flight_bytes") == {"": 0}
            await server.ready()
            assert (await server.post(b'{"n": 1}'))[0] == 200
        found = await asyncio.to_thread(values, kafka.bootstrap, "falco-events")
        assert sorted(found) == sorted([b'{"n": 0}', large, large, b'{"n": 1}'])


@in_loop
async def test_what_waits_outlives_an_outage_longer_than_the_clients_own_patience(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "REQUEST_MS", 700)
    kafka = EmbeddedKafka(tmp_path / "kafka")
    with kafka:
        kafka.ensure_topics({"falco-events": 2})
        async with receiving(kafka.bootstrap, "falco-events", timeout=0.2) as server:
            await asyncio.to_thread(kafka.kill)  # before it has sent anything
            sent = [b'{"n": %d, "pad": "%b"}' % (n, b"x" * 1400) for n in range(60)]
            answers = await asyncio.gather(*map(server.post, sent))
            assert {status for status, _ in answers} == {503}
            await asyncio.sleep(2)  # a few times its patience
            assert (await server.counted("records_total"))["failed"] == 0
            await asyncio.to_thread(kafka.start)

            async def has_all() -> bool:
                return (await server.counted("records_total"))["late"] == len(sent)

            await until(has_all)
        assert sorted(await asyncio.to_thread(values, kafka.bootstrap, "falco-events")) == sorted(
            sent
        )


@in_loop
async def test_without_the_topic_it_is_not_ready_and_says_so_at_once(
    kafka_bootstrap: str, make_name: Callable[[], str]
) -> None:
    topic = make_name()
    async with receiving(kafka_bootstrap, topic, wait=False) as server:

        async def has_looked() -> bool:
            return isinstance(server.publisher.trouble, Misconfigured)

        await until(has_looked)
        status, text = await server.get("/readyz")
        assert (status, f"there is no topic {topic} in Kafka" in text) == (503, True)
        async with asyncio.timeout(10):  # receive.timeout is a minute
            assert (await server.post(b"{}"))[0] == 503
        assert (await server.counted("records_total"))["failed"] == 1


@in_loop
async def test_a_body_that_comes_slowly_or_not_at_all_is_not_waited_for(
    kafka_bootstrap: str, topic: str
) -> None:
    async with receiving(kafka_bootstrap, topic, body_timeout=0.3) as server:
        port = server.http._base_url.port
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(b'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"a"')
        async with asyncio.timeout(10):
            answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"The body did not come within 0.3 s." in answer
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(b'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"a"')
        writer.close()

        async def has_counted() -> bool:
            return (await server.counted("requests_total"))["slow"] == 2

        await until(has_counted)
        assert await server.counted("in_flight_bytes") == {"": 0}
    assert await asyncio.to_thread(values, kafka_bootstrap, topic) == []


@in_loop
async def test_tls_asks_senders_for_a_certificate_and_probes_for_none(
    kafka_bootstrap: str, topic: str, tmp_path: Path
) -> None:
    ours, theirs = Authority(tmp_path), Authority(tmp_path, "theirs")
    identity = ours.issue("server", HOST)
    files: dict[str, Any] = {
        "tls_certificate": identity.certificate,
        "tls_key": identity.key,
        "tls_client_ca": theirs.certificate,
    }

    def trusting(client: str | None, authority: Authority = theirs) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=ours.certificate)
        if client is not None:
            found = authority.issue(client)
            context.load_cert_chain(found.certificate, found.key)
        return context

    async with receiving(kafka_bootstrap, topic, tls=trusting("falco"), **files) as server:
        assert await server.post(b"{}") == (200, "1 in Kafka\n")
    async with receiving(kafka_bootstrap, topic, tls=trusting(None), **files) as server:
        assert await server.post(b"{}") == (401, "Present a client certificate.\n")
        assert (await server.get("/readyz"))[0] == 200
        silent = [await asyncio.open_connection(HOST, server.http._base_url.port) for _ in "ab"]
        assert (await server.get("/ping"))[0] == 200, "a handshake that does not come blocks"
        for _, writer in silent:
            writer.close()
    with pytest.raises(aiohttp.ClientError):
        async with receiving(kafka_bootstrap, topic, tls=trusting("x", ours), **files) as server:
            await server.post(b"{}")
    assert await asyncio.to_thread(values, kafka_bootstrap, topic) == [b"{}"]


@in_loop
async def test_certificates_and_addresses_that_cannot_work_are_wrong_settings(
    tmp_path: Path,
) -> None:
    (tmp_path / "x.pem").write_text("not PEM")
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"tls_certificate": tmp_path / "x.pem"}, "FALCOLAKE_RECEIVE__TLS_CERTIFICATE="),
        ({"host": "192.0.2.1"}, "cannot listen on 192.0.2.1:"),
    ]
    for options, named in wrong:
        with pytest.raises(Misconfigured) as caught:
            async with receiving("127.0.0.1:1", "topic", wait=False, **options):
                pass
        assert named in caught.value.message
        assert caught.value.hint


@in_loop
async def test_a_network_address_without_token_or_tls_is_warned_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    open_to_all: list[tuple[dict[str, Any], str]] = [
        ({}, "anyone who can reach 0.0.0.0 can send alerts"),
        ({"token": "s3cret"}, "alerts and the token cross the network unencrypted"),
    ]
    for options, warned in open_to_all:
        caplog.clear()
        async with receiving("127.0.0.1:1", "topic", wait=False, host="0.0.0.0", **options):
            assert warned in caplog.text
