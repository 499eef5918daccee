"""A steady load: alerts, numbered from zero, at a fixed rate until it is stopped."""

import threading
from typing import Self

from kafka import KafkaProducer

from tests.flow.worlds import World, alert


class Load:
    """Publishes in its own thread inside a `with`; `sent` is the number of alerts."""

    def __init__(self, world: World, rate: int) -> None:
        self.sent = 0
        self._world = world
        self._rate = rate
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._failed: list[BaseException] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(60)
        assert not self._thread.is_alive()
        assert not self._failed

    def _run(self) -> None:
        producer = KafkaProducer(bootstrap_servers=self._world.bootstrap, acks="all", linger_ms=20)
        try:
            while not self._ended.wait(0.1):
                for _ in range(self._rate // 10):
                    producer.send(self._world.topic, alert(self.sent))
                    self.sent += 1
            producer.flush(60)
        except BaseException as error:
            self._failed.append(error)
        finally:
            producer.close(10)
