"""Following a topic: where it begins, and what happens to the topic and its broker meanwhile."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition

from streams.embedded.apache import ApacheKafka
from streams.embedded.kafka import EmbeddedKafka
from streams.embedded.stack import BrokerName
from streams.kafka import follow as following
from streams.kafka.errors import Reasons
from streams.kafka.follow import Heard, follow
from streams.kafka.scan import open_consumer
from streams.settings.load import load
from streams.settings.settings import Settings

TOPIC = "alerts"


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "LOOK_EVERY", 0.2)
    monkeypatch.setattr(following, "LOOK_MS", 500)
    monkeypatch.setattr(following, "RECONNECT_MS", 200)
    monkeypatch.setattr(following, "POLL_MS", 100)


class Topic:
    """A topic of a broker, and what is heard of it."""

    def __init__(self, bootstrap: str, name: str) -> None:
        self.name, self.bootstrap = name, bootstrap
        environment = {"BOOTSTRAP_SERVERS": bootstrap, "TOPIC": name}
        self.settings: Settings = load(
            environment={f"FALCOLAKE_KAFKA__{key}": value for key, value in environment.items()}
        )

    def publish(self, *texts: str, partition: int = 0, at: int | None = None) -> None:
        with KafkaProducer(bootstrap_servers=self.bootstrap, acks="all") as producer:
            for text in texts:
                producer.send(self.name, text.encode(), partition=partition, timestamp_ms=at)
            producer.flush()

    def admin(self) -> KafkaAdminClient:
        return KafkaAdminClient(bootstrap_servers=self.bootstrap)


def hear(heard: Iterator[Heard], text: str = "", note: str = "") -> tuple[list[str], list[str]]:
    """Return the values and notes up to a value and a note."""
    texts: list[str] = []
    notes: list[str] = []
    until = time.monotonic() + 60
    while not (text in ("", *texts) and any(note in each for each in notes or [""])):
        assert time.monotonic() < until, (texts, notes)
        found = next(heard)
        texts += [record.value.decode() for record in found.records]
        notes += found.notes
    return texts, notes


def test_it_begins_now_or_with_the_first_record_that_is_not_older(
    kafka_bootstrap: str, make_topic: Callable[..., str]
) -> None:
    topic = Topic(kafka_bootstrap, make_topic(partitions=2))
    topic.publish("old", at=1000)
    topic.publish("b", "d", at=3000)
    topic.publish("c", partition=1, at=2500)
    new, since = follow(topic.settings), follow(topic.settings, 2000)
    assert next(new).records == []
    topic.publish("new", at=1500)
    assert hear(new, "new")[0] == ["new"]
    texts, _ = hear(since, "new")
    assert sorted(texts) == ["b", "c", "d", "new"]
    assert [text for text in texts if text in "bd"] == ["b", "d"]
    new.close()
    since.close()


def test_reading_goes_on_whatever_happens_to_the_broker_and_the_topic(
    tmp_path: Path, broker: BrokerName
) -> None:
    start = ApacheKafka if broker == "apache" else EmbeddedKafka
    with start(tmp_path) as server:
        port = int(server.bootstrap.rpartition(":")[2])
        server.ensure_topics({TOPIC: 1})
        topic = Topic(server.bootstrap, TOPIC)
        heard = follow(topic.settings)
        next(heard)
        topic.publish("one", "two", "three")
        hear(heard, "three")
    _, (note,) = hear(heard, note="does not answer")
    assert note == (
        f"Kafka at {server.bootstrap} does not answer: Connection refused; "
        "reading goes on when it does"
    )
    with start(tmp_path, port) as server:
        topic.publish("four")
        texts, _ = hear(heard, "four", "answers again")
        assert texts == ["four"], "each once"

        server.ensure_topics({TOPIC: 2})
        topic.publish("of the new partition", partition=1)
        _, notes = hear(heard, "of the new partition")
        assert notes == [f"new partitions of {TOPIC}: 1"]

        with topic.admin() as admin:
            admin.delete_topics([TOPIC])
            hear(heard, note="the topic alerts is gone")
            until = time.monotonic() + 1
            while time.monotonic() < until:
                next(heard)
            assert TOPIC not in admin.list_topics(), "a reader creates no topic"
        server.ensure_topics({TOPIC: 1})
        topic.publish("its first", "its second")
        texts, notes = hear(heard, "its second")
        assert texts == ["its first", "its second"]
        assert notes == ["the topic alerts was recreated; reading it from the start"]

        with topic.admin() as admin:
            admin.delete_topics([TOPIC])
        server.ensure_topics({TOPIC: 1})
        topic.publish("its only one")
        texts, _ = hear(heard, "its only one", "was recreated")
        assert texts == ["its only one"]
        heard.close()


@pytest.mark.parametrize(
    ("position", "note", "texts"),
    [
        (0, "Kafka deleted records of partition 0 unread", ["c", "d", "e"]),
        (99, "Kafka lost the end of partition 0", ["e"]),
    ],
)
def test_a_position_that_the_log_does_not_have_is_left_with_a_note(
    kafka_bootstrap: str,
    make_topic: Callable[..., str],
    position: int,
    note: str,
    texts: Sequence[str],
) -> None:
    topic = Topic(kafka_bootstrap, make_topic(partitions=1))
    topic.publish("a", "b", "c", "d")
    with topic.admin() as admin:
        admin.delete_records({TopicPartition(topic.name, 0): 2})
    with open_consumer(topic.settings, auto_offset_reset="none") as client:
        reader = following._Reader(client, topic.settings, Reasons())
        reader.begin(None)
        reader._seek((), {0: position})
        heard = iter(reader.hear, None)
        _, notes = hear(heard, note=note)
        assert notes == [note]
        topic.publish("e")
        assert hear(heard, "e")[0] == texts
