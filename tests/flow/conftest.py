"""A world per test: its own topic, bucket and worker processes on the session's stack."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streams.embedded.stack import BrokerName, EmbeddedStack
from tests.conftest import LakeEnvironment
from tests.flow.proxies import S3Proxy
from tests.flow.worlds import World

FAST = {
    "WINDOW__INTERVAL": 1,
    "KAFKA__SESSION_TIMEOUT": 6,
    "KAFKA__HEARTBEAT_INTERVAL": 0.5,
    "WEB__PORT": 0,
}


@pytest.fixture
def make_world(
    stack: EmbeddedStack,
    make_topic: Callable[..., str],
    make_name: Callable[[], str],
    bucket: str,
    lake_environment: LakeEnvironment,
    tmp_path: Path,
) -> Iterator[Callable[..., World]]:
    """`make_world(partitions=3)`: a topic, and the test's bucket; workers end with the test."""
    made: list[World] = []

    def make(partitions: int = 3) -> World:
        topic = make_topic(partitions=partitions)
        environment = lake_environment(topic, bucket, KAFKA__GROUP_ID=make_name(), **FAST)
        address, s3 = stack.kafka_bootstrap, stack.s3.client()
        made.append(World(address, topic, s3, bucket, environment, tmp_path))
        return made[-1]

    yield make
    for world in made:
        world.close()


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """A topic of three partitions and a bucket; workers are ended with the test."""
    return make_world()


@pytest.fixture
def s3(world: World, stack: EmbeddedStack) -> Iterator[S3Proxy]:
    """A proxy that the world's workers use as their S3 server."""
    with S3Proxy(stack.s3.port) as proxy:
        world.environment["FALCOLAKE_LAKE__ENDPOINT_URL"] = proxy.endpoint_url
        yield proxy


@pytest.fixture
def own_stack(tmp_path: Path, broker: BrokerName) -> Iterator[EmbeddedStack]:
    """A stack just for this test, to stop and kill."""
    with EmbeddedStack(tmp_path / "stack", partitions=3, broker=broker) as running:
        yield running


@pytest.fixture
def own_world(own_stack: EmbeddedStack, tmp_path: Path) -> Iterator[World]:
    """A world on the test's own stack."""
    environment = {
        **os.environ,
        **own_stack.environment(),
        **{f"FALCOLAKE_{name}": str(value) for name, value in FAST.items()},
    }
    world = World(
        own_stack.kafka_bootstrap,
        own_stack.topic,
        own_stack.s3.client(),
        own_stack.bucket,
        environment,
        tmp_path,
    )
    yield world
    world.close()
