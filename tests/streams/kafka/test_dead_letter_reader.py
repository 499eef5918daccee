"""Dead letters as they are read back: which stand, which are cancelled, which are not ours."""

import asyncio

import pytest
from kafka import KafkaProducer

from streams.errors import Misconfigured
from streams.kafka.client import client_options
from streams.kafka.dead_letter_reader import Letter, read, standing
from streams.kafka.dead_letter_writer import DeadLetterWriter
from streams.settings.load import load
from streams.settings.settings import Settings
from streams.windows.batch import Rejected

NOW = 1_760_000_000_000


@pytest.fixture
def settings(kafka_bootstrap: str, topic: str) -> Settings:
    return load(
        environment={
            "FALCOLAKE_KAFKA__BOOTSTRAP_SERVERS": kafka_bootstrap,
            "FALCOLAKE_KAFKA__TOPIC": topic,
        }
    )


def reject(offset: int, value: bytes | None = b"x", key: bytes | None = None) -> Rejected:
    return Rejected(offset, NOW, key, value, f"Reason {offset}.")


def write(settings: Settings, partition: int, *rejects: Rejected, resolved: int = -1) -> None:
    """Write dead letters, then cancel those of one offset."""

    async def run() -> None:
        topic = DeadLetterWriter(settings)
        try:
            await topic.send(partition, rejects)
            if resolved >= 0:
                await topic.resolve(partition, [resolved])
        finally:
            await topic.stop()

    asyncio.run(run())


def test_a_letter_is_the_record_with_its_place_and_its_reason(settings: Settings) -> None:
    write(settings, 2, reject(7, b"\xff", b"key"), reject(8, None))
    assert standing(settings, lambda letter: letter) == {
        (2, 7): Letter(2, 7, "Reason 7.", NOW, b"key", b"\xff", None),
        (2, 8): Letter(2, 8, "Reason 8.", NOW, None, None, None),
    }


def test_letters_are_counted_once_and_without_the_cancelled(settings: Settings) -> None:
    write(settings, 1, reject(5), reject(3), reject(9), resolved=9)
    write(settings, 1, reject(5))  # after a crash
    found = read(settings)
    assert (found.offsets, found.repeated, found.trimmed) == ({1: [3, 5]}, 1, False)
    assert [*standing(settings, lambda letter: letter.offset)] == [(1, 3), (1, 5)]


def test_a_record_that_is_rejected_again_after_its_letter_was_cancelled_stands(
    settings: Settings,
) -> None:
    write(settings, 0, reject(4), resolved=4)
    write(settings, 0, reject(4))
    assert read(settings).offsets == {0: [4]}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"topic": b"another"},
        {"partition": b"first"},
        {"offset": b""},
    ],
)
def test_what_is_not_a_letter_of_this_topic_is_left_out(
    settings: Settings, headers: dict[str, bytes]
) -> None:
    origin = {"topic": settings.kafka.topic.encode(), "partition": b"0", "offset": b"1"}
    named = [(f"falcolake.{name}", value) for name, value in ((origin | headers).items())]
    with KafkaProducer(**client_options(settings)) as producer:
        producer.send(settings.kafka.dead_letter_topic, b"x", headers=named if headers else [])
        producer.flush()
    assert read(settings).offsets == {}


def test_without_the_topic_a_person_is_told_and_nothing_stands(settings: Settings) -> None:
    wrong = settings.model_copy(
        update={"kafka": settings.kafka.model_copy(update={"dead_letter_topic": "none.such"})}
    )
    with pytest.raises(Misconfigured, match=r"there is no topic none\.such") as caught:
        standing(wrong, lambda letter: letter)
    assert "DEAD_LETTER_TOPIC" in caught.value.hint
