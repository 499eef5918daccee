"""A stopped broker's logs, cut as an unclean leader election or a lost disk cuts them."""

import json
import shutil
import struct
from pathlib import Path

from streams.embedded.apache import ApacheKafka
from streams.embedded.stack import EmbeddedStack

#: A batch begins with its first offset and the length of what follows.
_BATCH = struct.Struct(">qi")


def cut_log(stack: EmbeddedStack, partition: int, end: int) -> None:
    """Kill the broker, and start it with a log that ends at `end`, which must begin a batch."""
    stack.kafka.kill()
    directory = _directory(stack, partition)
    if end:
        (segment,) = directory.glob("*.log")
        segment.write_bytes(_before(segment.read_bytes(), end))
        for index in directory.glob("*index"):
            index.unlink()
    else:
        shutil.rmtree(directory)
    stack.kafka.start()


def _directory(stack: EmbeddedStack, partition: int) -> Path:
    if isinstance(stack.kafka, ApacheKafka):
        (found,) = stack.kafka.data.rglob(f"{stack.topic}-{partition}")
        return found
    lines = (stack.kafka.data / "journal.jsonl").read_text().splitlines()
    entries = [entry for line in lines if (entry := json.loads(line)).get("name") == stack.topic]
    return stack.kafka.data / "topics" / str(entries[-1]["id"]) / str(partition)


def _before(data: bytes, end: int) -> bytes:
    """Return the batches before an offset."""
    at = 0
    while at < len(data):
        base, length = _BATCH.unpack_from(data, at)
        if base == end:
            return data[:at]
        at += _BATCH.size + length
    raise AssertionError(f"no batch begins at {end}")
