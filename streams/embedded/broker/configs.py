"""Topic settings: their names, defaults and valid values.

All of Kafka's names are accepted and reported. Only `cleanup.policy` (just `delete`),
`max.message.bytes`, `retention.bytes`, `retention.ms` and `segment.bytes` have an effect. Defaults
are Kafka's except `retention.ms`: age deletes nothing unless a topic asks for it, so that samples
with old timestamps stay.
"""

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import NamedTuple

from streams.embedded.broker.errors import ErrorCode, Refusal


class ConfigType(IntEnum):
    """Setting types, numbered as in the DescribeConfigs answer."""

    BOOLEAN = 1
    STRING = 2
    INT = 3
    LONG = 5
    DOUBLE = 6
    LIST = 7


class Setting(NamedTuple):
    """One topic setting."""

    default: str
    type: ConfigType
    valid: Callable[[str], bool]


def _at_least(minimum: int) -> Callable[[str], bool]:
    return lambda value: int(value) >= minimum


def _one_of(*choices: str) -> Callable[[str], bool]:
    return lambda value: value in choices


def _some_of(*choices: str) -> Callable[[str], bool]:
    return lambda value: all(part.strip() in choices for part in value.split(","))


def _between(low: float, high: float) -> Callable[[str], bool]:
    return lambda value: low <= float(value) <= high


def _anything(_: str) -> bool:
    return True


_LONG_MAX = str(2**63 - 1)
_BOOLEAN = _one_of("true", "false")

SETTINGS: Mapping[str, Setting] = {
    "cleanup.policy": Setting("delete", ConfigType.LIST, _some_of("delete", "compact")),
    "compression.type": Setting("producer", ConfigType.STRING, _one_of("producer")),
    "delete.retention.ms": Setting("86400000", ConfigType.LONG, _at_least(0)),
    "file.delete.delay.ms": Setting("60000", ConfigType.LONG, _at_least(0)),
    "flush.messages": Setting(_LONG_MAX, ConfigType.LONG, _at_least(1)),
    "flush.ms": Setting(_LONG_MAX, ConfigType.LONG, _at_least(0)),
    "follower.replication.throttled.replicas": Setting("", ConfigType.LIST, _anything),
    "index.interval.bytes": Setting("4096", ConfigType.INT, _at_least(0)),
    "leader.replication.throttled.replicas": Setting("", ConfigType.LIST, _anything),
    "max.compaction.lag.ms": Setting(_LONG_MAX, ConfigType.LONG, _at_least(1)),
    "max.message.bytes": Setting("1048588", ConfigType.INT, _at_least(0)),
    "message.timestamp.after.max.ms": Setting(_LONG_MAX, ConfigType.LONG, _at_least(0)),
    "message.timestamp.before.max.ms": Setting(_LONG_MAX, ConfigType.LONG, _at_least(0)),
    "message.timestamp.type": Setting("CreateTime", ConfigType.STRING, _one_of("CreateTime")),
    "min.cleanable.dirty.ratio": Setting("0.5", ConfigType.DOUBLE, _between(0, 1)),
    "min.compaction.lag.ms": Setting("0", ConfigType.LONG, _at_least(0)),
    "min.insync.replicas": Setting("1", ConfigType.INT, _at_least(1)),
    "preallocate": Setting("false", ConfigType.BOOLEAN, _BOOLEAN),
    "retention.bytes": Setting("-1", ConfigType.LONG, _at_least(-1)),
    "retention.ms": Setting("-1", ConfigType.LONG, _at_least(-1)),
    "segment.bytes": Setting("1073741824", ConfigType.INT, _at_least(14)),
    "segment.index.bytes": Setting("10485760", ConfigType.INT, _at_least(4)),
    "segment.jitter.ms": Setting("0", ConfigType.LONG, _at_least(0)),
    "segment.ms": Setting("604800000", ConfigType.LONG, _at_least(1)),
    "unclean.leader.election.enable": Setting("false", ConfigType.BOOLEAN, _BOOLEAN),
}


def check(overrides: Mapping[str, str | None]) -> dict[str, str]:
    """Return the settings if each is known and valid; otherwise raise INVALID_CONFIG."""
    checked = {}
    for name, value in overrides.items():
        setting = SETTINGS.get(name)
        if setting is None:
            raise Refusal(ErrorCode.INVALID_CONFIG, f"unknown topic config name: {name}")
        try:
            valid = value is not None and setting.valid(value)
        except ValueError:
            valid = False
        if value is None or not valid:
            raise Refusal(
                ErrorCode.INVALID_CONFIG, f"invalid value {value!r} for configuration {name}"
            )
        checked[name] = value
    return checked


class TopicConfig:
    """A topic's settings: its own overrides over the defaults. All its partitions share it."""

    def __init__(self, overrides: Mapping[str, str]) -> None:
        self.overrides = dict(overrides)

    def __getitem__(self, name: str) -> str:
        return self.overrides.get(name, SETTINGS[name].default)

    @property
    def max_message_bytes(self) -> int:
        """Return the size in bytes of the largest batch a producer may send."""
        return int(self["max.message.bytes"])

    @property
    def segment_bytes(self) -> int:
        """Return the size at which a segment is full."""
        return int(self["segment.bytes"])

    @property
    def retention_ms(self) -> int | None:
        """Return the age after which records may be deleted, or None for no limit."""
        return self._retention("retention.ms")

    @property
    def retention_bytes(self) -> int | None:
        """Return the size beyond which records may be deleted, or None for no limit."""
        return self._retention("retention.bytes")

    def _retention(self, name: str) -> int | None:
        deletes = "delete" in self["cleanup.policy"]
        return int(self[name]) if deletes and int(self[name]) >= 0 else None
