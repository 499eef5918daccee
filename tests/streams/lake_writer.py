"""A lake written as a worker writes it, window by window, and its side of Kafka."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition

from schemas.mapping import Mapping
from streams.kafka import client
from streams.lake.session import connect
from streams.lake.store import Lake
from streams.settings.settings import Settings
from streams.staging.objects import Objects
from streams.staging.parquet import Group
from streams.staging.staging import Staging
from streams.windows.batch import tabulate
from streams.windows.seal import MIXED, Seal
from streams.windows.window import Window
from tests.streams.falco_records import (
    ACCOUNT,
    DAY,
    MAPPING,
    REGION,
    Message,
    alert,
    messages,
    mixed,
)


class LakeWriter:
    """Puts windows of made-up records into the lake of some settings."""

    def __init__(self, settings: Settings, directory: Path, mapping: Mapping = MAPPING) -> None:
        self.settings = settings
        self.directory = directory
        self.mapping = mapping
        self.lake = Lake(settings.lake, connect(settings.lake))

    # ---- the lake

    def window(
        self,
        partition: int,
        first: int,
        end: int,
        value: Callable[[int], bytes | None] = alert,
        *,
        records: int | None = None,
        made_of: Sequence[Message] | None = None,
    ) -> list[str]:
        """Ship the records of offsets `[first, end)`, or just the first few; return the keys."""
        if made_of is None:
            made_of = messages(range(first, first + (records or end - first)), value)
        mapped = tabulate(self.mapping, partition, first, end, made_of)
        topic, keys = self.settings.kafka.topic, []
        with Staging(self.directory, topic, self.mapping.version, (REGION, ACCOUNT)) as staging:
            staging.open()
            run = staging.append(mapped)
            window = Window(partition, first, end, (run,))
            objects = Objects(staging, self.mapping, topic)
            file = self.directory / "object.parquet"
            nothing = Group(REGION, ACCOUNT, DAY), 0
            for group, _ in objects.groups(window) or [nothing]:
                objects.export(window, group, file)
                keys.append(self.lake.key(objects.key(window, group)))
                self.lake.put(keys[-1], file)
                file.unlink()
            staging.forget(run.segment)
        return keys

    def rewrite(self, key: str, rows: int | None = None, to: str = "", **footer: object) -> None:
        """Put an object again with fewer rows, another footer, or under another key."""
        file = self.directory / "rewritten.parquet"
        self.directory.mkdir(parents=True, exist_ok=True)
        file.write_bytes(self.lake.read(key))
        table = pq.read_table(file).slice(0, rows)
        said = dict(table.schema.metadata)
        said |= {f"falcolake.{name}".encode(): str(item).encode() for name, item in footer.items()}
        pq.write_table(table.replace_schema_metadata(said), file)
        self.lake.put(to or key, file, overwrite=True)

    def delete(self, key: str) -> None:
        self.lake.client.delete_object(Bucket=self.settings.lake.bucket, Key=key)

    def put(self, key: str, body: bytes) -> None:
        self.lake.client.put_object(Bucket=self.settings.lake.bucket, Key=key, Body=body)

    # ---- Kafka

    def publish(self, partition: int, values: Sequence[bytes | None], **sent: Any) -> None:
        """Publish records, with timestamps from `timestamp` on, or of now."""
        first = sent.get("timestamp")
        with KafkaProducer(**client.client_options(self.settings)) as producer:
            for number, each in enumerate(values):
                producer.send(
                    sent.get("topic", self.settings.kafka.topic),
                    each,
                    b"key" if each is None else None,
                    partition=partition,
                    headers=sent.get("headers", []),
                    timestamp_ms=None if first is None else first + number,
                )
            producer.flush()

    def refuse(
        self,
        partition: int,
        offsets: Iterable[int],
        topic: str = "",
        value: Callable[[int], bytes | None] = lambda _: b"refused",
        **headers: bytes,
    ) -> None:
        """Send the dead letters of these offsets, with more headers."""
        for offset in offsets:
            said = {
                "topic": topic or self.settings.kafka.topic,
                "partition": partition,
                "offset": offset,
            }
            sent = [(f"falcolake.{name}", f"{item}".encode()) for name, item in said.items()]
            sent += [(f"falcolake.{name}", item) for name, item in headers.items()]
            target = self.settings.kafka.dead_letter_topic
            self.publish(partition, [value(offset)], topic=target, headers=sent)

    def commit(self, offsets: dict[int, int], **sealed: tuple[int, ...]) -> None:
        """Commit offsets for the group; `sealed={partition: ends}` as the seals beside them."""
        with KafkaConsumer(
            **client.client_options(self.settings),
            group_id=self.settings.kafka.group_id,
            enable_auto_commit=False,
        ) as consumer:
            topic = self.settings.kafka.topic
            consumer.assign([TopicPartition(topic, number) for number in offsets])
            consumer.commit(
                {
                    TopicPartition(topic, number): OffsetAndMetadata(
                        offset, Seal(MIXED, sealed.get(f"p{number}", ())).encode(), -1
                    )
                    for number, offset in offsets.items()
                }
            )

    def expire(self, partition: int, before: int, topic: str = "") -> None:
        """Delete the records before an offset, as retention does."""
        place = TopicPartition(topic or self.settings.kafka.topic, partition)
        with KafkaAdminClient(**client.client_options(self.settings)) as admin:
            admin.delete_records({place: before})


def mixed_lake(settings: Settings, directory: Path) -> LakeWriter:
    """Write 20 offsets of partition 1, three of them rejects, as two windows, all committed."""
    writer = LakeWriter(settings, directory)
    writer.publish(1, [mixed(offset) for offset in range(20)])
    writer.refuse(1, range(3, 20, 7))
    writer.window(1, 0, 12, mixed)
    writer.window(1, 12, 20, mixed)
    writer.commit({1: 20})
    return writer
