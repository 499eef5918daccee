"""Alerts and Kafka records for the tests of the streams."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from schemas.mapping import Mapping, Options
from streams.windows.batch import Rows, tabulate
from tests.alerts import alert as alert

REGION, ACCOUNT = "eu-central-1", "123456789012"
#: 2026-01-02T03:04:05Z, in milliseconds.
NOW = 1_767_323_045_000
DAY = "20260102"
MAPPING = Mapping(Options(region=REGION, account_id=ACCOUNT))
OTHER_MAPPING = Mapping(Options(region=REGION, account_id=ACCOUNT, minimum_priority="warning"))


@dataclass(slots=True)
class Message:
    """A Kafka record, as the clients return it."""

    offset: int
    value: bytes | None
    timestamp: int = NOW
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()


def mixed(number: int) -> bytes | None:
    """Mostly alerts of two days; every seventh record is a reject."""
    if number % 7 == 3:
        return [None, b"", b"not json", b"\xff"][number // 7 % 4]
    return alert(number, day="2026-01-02" if number % 3 else "2026-01-03")


def messages(offsets: Iterable[int], value: Callable[[int], bytes | None] = alert) -> list[Message]:
    """Records at these offsets."""
    return [Message(offset, value(offset), NOW + offset) for offset in offsets]


def rows(
    partition: int,
    first: int,
    end: int,
    value: Callable[[int], bytes | None] = alert,
    mapping: Mapping = MAPPING,
) -> Rows:
    """The mapped records of offsets `[first, end)`."""
    return tabulate(mapping, partition, first, end, messages(range(first, end), value))
