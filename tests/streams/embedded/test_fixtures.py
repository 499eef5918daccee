"""What the shared fixtures promise to every test."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from streams.embedded.stack import EmbeddedStack
from streams.settings.load import load
from tests.conftest import LakeEnvironment
from tests.waiting import wait_until

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def test_names_are_the_tests_own_and_all_different(make_name: Callable[[], str]) -> None:
    first, second = make_name(), make_name()
    assert first != second
    assert first.startswith("names-are-the-tests-own")


@pytest.mark.parametrize("word", ["Ünïcode / slashes", "x" * 300])
def test_a_name_is_good_for_a_bucket_whatever_the_test_is_called(
    make_name: Callable[[], str], stack: EmbeddedStack, word: str
) -> None:
    stack.s3.create_bucket(make_name())


def test_the_environment_is_one_that_the_settings_accept(
    lake_environment: LakeEnvironment, topic: str, bucket: str, tmp_path: Path, kafka_bootstrap: str
) -> None:
    loaded = load(environment=lake_environment(WINDOW__INTERVAL=2))
    assert loaded.kafka.topic == topic
    assert kafka_bootstrap in str(loaded.kafka.bootstrap_servers)
    assert loaded.lake.bucket == bucket
    assert loaded.window.interval == 2
    assert str(loaded.staging.path).startswith(str(tmp_path))


def test_a_new_bucket_is_empty_and_writable(bucket: str, s3_client: "S3Client") -> None:
    assert "Contents" not in s3_client.list_objects_v2(Bucket=bucket)
    s3_client.put_object(Bucket=bucket, Key="k", Body=b"")


def test_wait_until_returns_what_it_waited_for() -> None:
    values = iter([0, None, "here"])
    assert wait_until(lambda: next(values)) == "here"


def test_wait_until_says_what_it_saw_last() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"three shipped; last seen: \[\]"):
        wait_until(list, 0.1, "three shipped")
