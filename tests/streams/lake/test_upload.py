"""An upload counts what the network took, through checksums, signatures and slow lines."""

import threading
from collections.abc import Callable
from pathlib import Path

from streams.embedded.stack import EmbeddedStack
from streams.lake.session import connect
from streams.lake.store import Lake
from streams.lake.upload import Upload
from tests.flow.proxies import Exchange, S3Proxy
from tests.streams.worker_parts import lake_of
from tests.waiting import wait_until

SIZE = 30_000_000


def test_a_pass_begins_with_a_seek(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(bytes(1000))
    with Upload(file) as upload:
        assert len(upload.read(300)) == 300
        assert upload.taken == 300
        upload.seek(0)
        assert upload.taken == 0
        assert len(upload.read()) == upload.taken == 1000


def test_what_is_taken_beyond_the_buffers_has_reached_the_other_side(
    stack: EmbeddedStack, bucket: str, tmp_path: Path
) -> None:
    file, at, go_on = tmp_path / "file", [0], threading.Event()
    file.write_bytes(bytes(SIZE))
    counters: list[Callable[[], int]] = []

    def stop_half_way(exchange: Exchange) -> None:
        body = bytearray()
        while len(body) < exchange.length:
            if len(body) > SIZE // 2:
                go_on.wait(30)
            body += exchange.rfile.read1(65_536)
            at[0] = len(body)
        exchange.reply(*exchange.ask(bytes(body)))

    with S3Proxy(stack.s3.port) as proxy:
        proxy.fault = stop_half_way
        settings = lake_of(stack, bucket).model_copy(update={"endpoint_url": proxy.endpoint_url})
        lake = Lake(settings, connect(settings))
        put = threading.Thread(
            target=lake.put, args=("ext/falco/big.parquet", file), kwargs={"begun": counters.append}
        )
        put.start()
        wait_until(lambda: at[0] > SIZE // 2, 30, "half of it is there")
        (taken,) = counters
        seen = taken()
        assert SIZE // 2 < seen < SIZE, "the far side takes no more, so neither does the network"
        go_on.set()
        put.join(30)
        assert taken() == SIZE
