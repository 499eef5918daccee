"""What a person watches of an alert: a few attributes of its finding, and which are wanted."""

from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec

from schemas.mapping import Filtered, Finding, Mapping, Reject

UNKNOWN: Final = 0
"""The severity_id of an alert whose priority is not one of Falco's."""


class Seen(NamedTuple):
    """One finding. `pod` is any workload, resource or bucket that it is about; "" if none is."""

    time: int
    severity_id: int
    severity: str
    rule: str
    source: str
    host: str
    namespace: str
    pod: str
    message: str
    namespaces: frozenset[str] = frozenset()

    @property
    def place(self) -> str:
        """Return the pod with its namespace, else the host; "" if the alert names neither.

        Where Falco reads a cloud's or a service's log, the host is only Falco's own.
        """
        if self.pod and self.namespace:
            return f"{self.namespace}/{self.pod}"
        return self.pod or self.host or self.namespace


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which findings to show. A condition that is empty asks for nothing.

    `severity_id` is the least; alerts of an unknown severity pass, as they could be anything.
    `rules` are parts of names, in any case; `namespaces` and `sources` are whole names.
    """

    severity_id: int = UNKNOWN
    rules: tuple[str, ...] = ()
    namespaces: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()

    def __contains__(self, seen: Seen) -> bool:
        if UNKNOWN != seen.severity_id < self.severity_id:
            return False
        if self.rules and not _has_part(seen.rule, self.rules):
            return False
        if self.namespaces and seen.namespaces.isdisjoint(self.namespaces):
            return False
        return not self.sources or seen.source in self.sources


def _has_part(rule: str, parts: tuple[str, ...]) -> bool:
    name = rule.casefold()
    return any(part.casefold() in name for part in parts)


def read(mapping: Mapping, value: bytes | None, timestamp: int) -> Seen | Reject | Filtered:
    """Return what a worker would make of a record, as far as a person watches it."""
    found = mapping.map(value, timestamp)
    return see(found) if isinstance(found, Finding) else found


# Only what is read here; msgspec skips the rest of the parts.
class _Device(msgspec.Struct, frozen=True):
    hostname: str = ""
    name: str = ""


class _Logger(msgspec.Struct, frozen=True):
    device: _Device = _Device()


class _Metadata(msgspec.Struct, frozen=True):
    event_code: str = ""
    log_name: str = ""
    loggers: list[_Logger] = []


class _Resource(msgspec.Struct, frozen=True):
    type: str = ""
    name: str = ""
    namespace: str = ""


class _Rule(msgspec.Struct, frozen=True):
    metadata: _Metadata
    severity_id: int
    severity: str


class _Scene(msgspec.Struct, frozen=True):
    device: _Device = _Device()
    metadata: _Metadata = _Metadata()
    resources: list[_Resource] = []


class _Body(msgspec.Struct, frozen=True):
    resources: list[_Resource] = []


_rule = msgspec.json.Decoder(_Rule).decode
_scene = msgspec.json.Decoder(_Scene).decode
_body = msgspec.json.Decoder(_Body).decode


def see(finding: Finding) -> Seen:
    """Return what a person watches of a finding, of either class."""
    rule, scene, body = _rule(finding.rule), _scene(finding.scene), _body(finding.body)
    devices = [scene.device, *(each.device for each in scene.metadata.loggers)]
    host = next((name for each in devices if (name := each.hostname or each.name)), "")
    resources = [each for each in scene.resources + body.resources if each.type != "Host"]
    first = next((each for each in resources if each.namespace), None)
    pod = first or next((each for each in resources if each.name), _Resource())
    return Seen(
        finding.time,
        rule.severity_id,
        rule.severity,
        rule.metadata.event_code,
        rule.metadata.log_name,
        host,
        pod.namespace,
        pod.name,
        finding.own.message or "",
        frozenset(each.namespace for each in resources if each.namespace),
    )
