"""The checks of `doctor` that ask Kafka: brokers, topics, retention, rights. Nothing is changed."""

from collections.abc import Iterable, Iterator
from typing import Any

from streams.doctor import group as group_checks
from streams.doctor.diagnosis import Check, Diagnosis, bad, good, warning
from streams.errors import in_words
from streams.kafka.client import open_admin
from streams.kafka.topics import UNKNOWN_TOPIC, config_of
from streams.settings.settings import Settings
from streams.sizes import counted

DAY = 86_400.0
#: Retention must outlast a window by this factor, or a worker's short absence loses records.
LEAST_WINDOWS = 2
ROOMY_WINDOWS = 12


def checks(settings: Settings) -> list[Check]:
    """Return the checks of Kafka, in the order in which they depend on each other."""
    name = settings.kafka
    return [
        Check("kafka", None, lambda: brokers(settings)),
        Check("topic", "kafka", lambda: topic(settings)),
        Check("retention", "topic", lambda: retention(settings)),
        Check("dead-letter topic", "kafka", lambda: dead_letters(settings, name.dead_letter_topic)),
        Check("control topic", "kafka", lambda: control(settings, name.control_topic)),
        *group_checks.checks(settings),
    ]


def brokers(settings: Settings) -> Iterator[Diagnosis]:
    """Check that every broker answers at the address it advertises."""
    with open_admin(settings) as admin:
        found = admin.describe_cluster()["brokers"]
        for broker in found:
            try:
                version = admin.get_broker_version_data(broker["broker_id"]).broker_version
            except Exception as error:
                yield bad(
                    "kafka",
                    f"broker {broker['broker_id']} advertises {broker['host']}:{broker['port']} "
                    f"and does not answer there: {in_words(error)}",
                    "correct its advertised.listeners, or the network",
                )
                return
    protocol = ".".join(map(str, version))
    yield good(
        "kafka",
        f"{settings.kafka.bootstrap_servers} answers ({_security(settings)}): "
        f"{counted(len(found), 'broker')} with the protocol of Kafka {protocol}",
    )


def _security(settings: Settings) -> str:
    connection = settings.kafka
    if not connection.security_protocol.startswith("SASL"):
        return connection.security_protocol
    user = f" as {connection.sasl_username}" if connection.sasl_username else ""
    return f"{connection.security_protocol}, {connection.sasl_mechanism}{user}"


def topic(settings: Settings) -> Iterator[Diagnosis]:
    """Check that the alerts' topic exists and is readable, and each partition has a leader."""
    name = settings.kafka.topic
    with open_admin(settings) as admin:
        (described,) = admin.describe_topics([name])
        nodes = len(admin.describe_cluster()["brokers"])
    if described["error_code"] == UNKNOWN_TOPIC:
        yield _missing("topic", name)
        return
    partitions = described["partitions"]
    headless = [each["partition_index"] for each in partitions if each["leader_id"] < 0]
    if headless:
        yield bad(
            "topic",
            f"{name}: no leader for partition {', '.join(map(str, headless))}",
            "start the brokers that hold it",
        )
    yield from _rights("topic", name, described, "READ", "DESCRIBE")
    behind = [
        f"{each['partition_index']}"
        for each in partitions
        if len(each["isr_nodes"]) < len(each["replica_nodes"])
    ]
    copies = min((len(each["replica_nodes"]) for each in partitions), default=0)
    if behind:
        yield warning(
            "topic",
            f"{name}: replicas of partition {', '.join(behind)} are not in sync",
            "look at the brokers that are behind",
        )
    if copies == 1 and nodes > 1:
        yield warning(
            "topic",
            f"{name} has one copy of each record, with {nodes} brokers",
            "give it a replication factor of 3; with one copy, a broken disk loses alerts",
        )
    yield good(
        "topic", f"{name}: {counted(len(partitions), 'partition')}, copies of each record: {copies}"
    )


def retention(settings: Settings) -> Iterator[Diagnosis]:
    """Check that Kafka keeps a record for much longer than a window takes."""
    name, interval = settings.kafka.topic, settings.window.interval
    config = _config(settings, name)
    if config is None:
        yield warning(
            "retention",
            f"the configuration of {name} cannot be read",
            "allow DESCRIBE_CONFIGS on it, or check yourself that it keeps records for days",
        )
        return
    if "compact" in config["cleanup.policy"]:
        yield bad(
            "retention",
            f"{name} has cleanup.policy={config['cleanup.policy']}: compaction deletes alerts",
            f"set cleanup.policy=delete on {name}",
        )
    if int(config["retention.bytes"]) >= 0:
        yield warning(
            "retention",
            f"{name} keeps at most {int(config['retention.bytes']):,} bytes a partition, "
            "whatever the age of the records",
            f"make sure that this holds days of alerts, or set retention.bytes=-1 on {name}",
        )
    yield _long_enough(name, int(config["retention.ms"]) / 1000, interval)


def _long_enough(name: str, kept: float, interval: float) -> Diagnosis:
    remedy = f"set retention.ms of {name} to days: workers may be down for that long"
    if kept < 0:
        return good("retention", f"{name} keeps records forever")
    says = f"{name} keeps records for {_span(kept)}, a window takes up to {_span(interval)}"
    if kept < LEAST_WINDOWS * interval:
        return bad("retention", says, remedy)
    if kept < max(DAY, ROOMY_WINDOWS * interval):
        return warning("retention", says, remedy)
    return good("retention", says)


def _span(seconds: float) -> str:
    for unit, size in (("days", DAY), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{round(seconds / size, 1):g} {unit}"
    return f"{seconds:g} s"


def dead_letters(settings: Settings, name: str) -> Iterator[Diagnosis]:
    """Check the dead-letter topic: without it, a window that has a reject is held."""
    check = "dead-letter topic"
    with open_admin(settings) as admin:
        (described,) = admin.describe_topics([name])
    if described["error_code"] == UNKNOWN_TOPIC:
        yield _missing(check, name)
        return
    yield from _rights(check, name, described, "WRITE", "DESCRIBE")
    config = _config(settings, name)
    if config is not None and "compact" in config["cleanup.policy"]:
        yield bad(
            check,
            f"{name} has cleanup.policy={config['cleanup.policy']}: compaction deletes rejects",
            f"set cleanup.policy=delete on {name}",
        )
    yield good(check, f"{name}: {counted(len(described['partitions']), 'partition')}")


def control(settings: Settings, name: str) -> Iterator[Diagnosis]:
    """Check the control topic: without it, nobody can ask the workers for a flush."""
    check = "control topic"
    with open_admin(settings) as admin:
        (described,) = admin.describe_topics([name])
    if described["error_code"] == UNKNOWN_TOPIC:
        yield warning(
            check,
            f"there is no topic {name}: 'falcolake flush' cannot reach the workers",
            _create(name),
        )
        return
    yield from _rights(check, name, described, "READ", "DESCRIBE")
    yield good(check, f"{name}: {counted(len(described['partitions']), 'partition')}")


def _config(settings: Settings, name: str) -> dict[str, str] | None:
    """Return the configuration of a topic; None without the right to read it."""
    with open_admin(settings) as admin:
        return config_of(admin, name)


def _rights(check: str, name: str, described: dict[str, Any], *needed: str) -> Iterable[Diagnosis]:
    """Yield the rights that are missing; none if the broker does not report them."""
    allowed = described.get("authorized_operations")
    missing = [each for each in needed if allowed is not None and each not in allowed]
    if missing:
        what = " and ".join(missing)
        yield bad(check, f"no right to {what} {name}", f"grant the user {what} on topic {name}")


def _missing(check: str, name: str) -> Diagnosis:
    return bad(check, f"there is no topic {name}", _create(name))


def _create(name: str) -> str:
    return f"kafka-topics.sh --create --topic {name}, with the partitions and copies you want"
