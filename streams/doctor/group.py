"""The checks of `doctor` that look at the consumer group: its state, its commits, its metadata.

Nothing of the group is changed. Whether commit metadata is kept is seen on the group's own commits;
where there are none yet, on those of a group of its own, `GROUP.doctor`, which is deleted again.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from streams.doctor.diagnosis import Check, Diagnosis, bad, count, good, warning
from streams.kafka import status
from streams.kafka.client import open_admin
from streams.kafka.errors import is_forbidden
from streams.settings.settings import Settings, variable

if TYPE_CHECKING:
    from kafka import KafkaAdminClient, TopicPartition

PROBE = '{"v":1,"m":"doctor","ends":[]}'
LIVELY = {"none", "empty", "stable", "preparingrebalance", "completingrebalance", "assigning"}


def checks(settings: Settings) -> list[Check]:
    """Give the checks of the group, in the order in which they depend on each other."""
    return [
        Check("group", "topic", lambda: group(settings)),
        Check("commit metadata", "group", lambda: commit_metadata(settings)),
    ]


def group(settings: Settings) -> Iterator[Diagnosis]:
    """The consumer group: its state, its rights, and commits that fit the topic."""
    name = settings.kafka.group_id
    found = status.read(settings)
    with open_admin(settings) as admin:
        allowed = admin.describe_groups([name])[name].get("authorized_operations")
    if allowed is not None and "READ" not in allowed:
        yield bad("group", f"no right to READ group {name}", f"grant the user READ on group {name}")
    if found.group_state not in LIVELY:
        yield bad("group", f"group {name}: {found.group_state}", "look at the group's coordinator")
    beyond = [each for each in found.partitions if (each.committed or 0) > each.end]
    lost = sum(each.lost for each in found.partitions)
    owners = {each.owner for each in found.partitions if each.owner}
    if beyond:
        yield bad(
            "group",
            f"partition {beyond[0].partition}: committed {beyond[0].committed} is beyond the end "
            f"{beyond[0].end}: the topic was made anew",
            f"set {variable('kafka.group_id')} and {variable('lake.prefix')} to new names",
        )
    if lost:
        yield warning(
            "group",
            f"Kafka deleted {lost:,} records before the lake had them",
            "keep records for longer (retention.ms), and see why the workers were away",
        )
    if found.lag and not owners:
        yield warning(
            "group", f"{name}: {found.lag:,} records wait and no worker runs", "start one"
        )
    yield good(
        "group",
        f"{name} ({found.group_state}): {count(len(owners), 'worker')}, "
        f"{found.lag:,} records not in the lake yet",
    )


def commit_metadata(settings: Settings) -> Iterator[Diagnosis]:
    """The broker must keep what is committed beside an offset: windows are sealed there."""
    check, name = "commit metadata", settings.kafka.group_id
    with open_admin(settings) as admin:
        places = _places(admin, settings.kafka.topic)
        own = admin.list_group_offsets({name: places})[name].values()
        if any(commit.metadata for commit in own if commit.offset >= 0):
            yield good(check, f"the commits of {name} have theirs")
            return
        answer = _probe(admin, f"{name}.doctor", places[0])
    if answer == PROBE:
        yield good(check, f"kept (tried with group {name}.doctor, which is gone again)")
    elif answer is None:
        yield warning(
            check,
            f"not tried: no right to commit as group {name}.doctor",
            "seen as soon as a worker has committed",
        )
    else:
        yield bad(
            check,
            f"the broker gave back {answer!r} for what was committed",
            "use a broker that keeps it: without it a worker that is killed may double a window",
        )


def _probe(admin: "KafkaAdminClient", name: str, place: "TopicPartition") -> str | None:
    """Commit as another group, read it back, delete it; None if that is not allowed."""
    from kafka.structs import OffsetAndMetadata

    try:
        done = admin.alter_group_offsets(name, {place: OffsetAndMetadata(0, PROBE, -1)})[place]
        if done.errno:
            return None
        found = admin.list_group_offsets({name: [place]})[name][place].metadata
        admin.delete_groups([name])
    except Exception as error:
        if is_forbidden(error):
            return None
        raise
    return str(found)


def _places(admin: "KafkaAdminClient", name: str) -> "list[TopicPartition]":
    from kafka import TopicPartition

    (described,) = admin.describe_topics([name])
    return [TopicPartition(name, each["partition_index"]) for each in described["partitions"]]
