"""A steady producer that retries every record and knows what it has sent."""

import random
import threading
import time

from kafka import KafkaProducer
from kafka.errors import KafkaError

from tests.flow.worlds import GARBAGE, alert

#: One record in this many is not an alert.
GARBAGE_EVERY = 100
PULSE = 0.5


class Producer:
    """Publishes numbered alerts in a thread, `rate` a second, until it is stopped.

    An unacknowledged record is sent again, so the topic may have it twice: the lake must have
    what the topic has, and all of `sent`.
    """

    def __init__(self, bootstrap: str, topic: str, rate: float, dice: random.Random) -> None:
        self.sent = 0
        self.garbage = 0
        self.again = 0
        self._bootstrap, self._topic, self._rate = bootstrap, topic, rate
        self._dice = dice
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="producer")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop, once everything is acknowledged."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        producer = KafkaProducer(
            bootstrap_servers=self._bootstrap, acks="all", linger_ms=20, request_timeout_ms=10_000
        )
        began, owed = time.monotonic(), 0
        while not self._stopping.wait(PULSE):
            due = int((time.monotonic() - began) * self._rate) - owed
            owed += due
            values = []
            for _ in range(due):
                if self._dice.randrange(GARBAGE_EVERY):
                    values.append(alert(self.sent))
                    self.sent += 1
                else:
                    values.append(GARBAGE)
                    self.garbage += 1
            self._deliver(producer, values)
        producer.close(30)

    def _deliver(self, producer: KafkaProducer, values: list[bytes]) -> None:
        while values:
            futures = []
            for value in values:
                try:
                    futures.append((producer.send(self._topic, value), value))
                except KafkaError:
                    futures.append((None, value))
            left = []
            for future, value in futures:
                try:
                    if future is None:
                        raise KafkaError
                    future.get(60)
                except KafkaError:
                    left.append(value)
            self.again += len(left)
            values = left
