"""What the checks look at: the stack, an admin of its Kafka, and an S3 that knows KMS."""

from collections.abc import Callable, Iterator

import pytest
from kafka import KafkaAdminClient

from streams.embedded.s3 import MotoS3
from tests.conftest import LakeEnvironment


@pytest.fixture
def environment(lake_environment: LakeEnvironment, make_name: Callable[[], str]) -> dict[str, str]:
    return lake_environment(KAFKA__GROUP_ID=make_name())


@pytest.fixture
def admin(kafka_bootstrap: str) -> Iterator[KafkaAdminClient]:
    client = KafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    yield client
    client.close()


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MotoS3]:
    """A server that knows KMS, and lets every role be assumed."""
    with MotoS3(tmp_path_factory.mktemp("moto")) as server:
        server.create_bucket("lake")
        yield server
