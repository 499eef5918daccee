"""The checks of `doctor` that look at the consumer group: its state, its commits, its metadata.

The group is not changed. Its own commits show whether the broker keeps their metadata. Where there
are none yet, a trial commit does, as the group `GROUP.doctor`, which is deleted afterwards.
"""

from collections.abc import Callable, Iterator

from streams.doctor.diagnosis import Check, Diagnosis, bad, good, warning
from streams.kafka import status
from streams.kafka.client import open_admin
from streams.kafka.errors import unknown_topic
from streams.kafka.probe import METADATA, committed_metadata
from streams.kafka.topics import partitions_of
from streams.settings.settings import Settings, variable
from streams.sizes import counted

LIVELY = {"none", "empty", "stable", "preparingrebalance", "completingrebalance", "assigning"}


def checks(settings: Settings) -> list[Check]:
    """Return the checks of the group, in the order in which they depend on each other."""
    return [
        Check("group", "topic", lambda: group(settings)),
        Check("commit metadata", "group", lambda: commit_metadata(settings)),
    ]


def group(settings: Settings) -> Iterator[Diagnosis]:
    """Check the consumer group: its state, its rights, and that its commits fit the topic."""
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
            f"{beyond[0].end}: the topic was recreated",
            f"stop the workers and run 'falcolake adopt', or set {variable('kafka.group_id')} and "
            f"{variable('lake.prefix')} to new names",
        )
    if cut := [each for each in found.partitions if each.cut is not None and each not in beyond]:
        yield bad(
            "group",
            f"partition {cut[0].partition}: the log was cut to offset {cut[0].cut}, before the "
            "committed or a sealed offset, and has grown again",
            f"stop the workers and run 'falcolake adopt --partition {cut[0].partition}'",
        )
    if lost:
        yield warning(
            "group",
            f"Kafka deleted {counted(lost, 'record')} before the lake had them",
            "keep records for longer (retention.ms), and find out why the workers were down",
        )
    if found.lag and not owners:
        yield warning(
            "group",
            f"{name}: no worker is running; {counted(found.lag, 'record')} not in the lake yet",
            "start one",
        )
    yield good(
        "group",
        f"{name} ({found.group_state}): {counted(len(owners), 'worker')}, "
        f"{counted(found.lag, 'record')} not in the lake yet",
    )


def commit_metadata(
    settings: Settings, probe: Callable[..., str | None] = committed_metadata
) -> Iterator[Diagnosis]:
    """Check that the broker keeps the metadata of commits: windows are sealed there."""
    check, name = "commit metadata", settings.kafka.group_id
    with open_admin(settings) as admin:
        places = partitions_of(admin, settings.kafka.topic)
        if not places:
            raise unknown_topic(settings)
        own = admin.list_group_offsets({name: places})[name].values()
        if any(commit.metadata for commit in own if commit.offset >= 0):
            yield good(check, f"the commits of {name} have it")
            return
        answer = probe(admin, f"{name}.doctor", places[0])
    if answer == METADATA:
        yield good(check, f"kept (tried with group {name}.doctor, deleted again)")
    elif answer is None:
        yield warning(
            check,
            f"not tried: no right to commit as group {name}.doctor",
            "run doctor again once a worker has committed",
        )
    else:
        yield bad(
            check,
            f"the broker returned {answer!r} for what was committed",
            "use a broker that keeps it: without it, killing a worker may duplicate a window",
        )
