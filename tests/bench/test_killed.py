"""The comparison of what a kill leaves counts what is in the lake."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from streams.embedded.stack import EmbeddedStack
from tests.bench import killed, worker
from tests.bench.ground import STOCK, Ground


@pytest.mark.faults
def test_a_worker_that_is_killed_has_each_alert_once(stack: EmbeddedStack, tmp_path: Path) -> None:
    ground = Ground()
    ground.stack, ground.directory = stack, tmp_path
    topic, run = ground.topic(STOCK, 2, 500), ground.run_name("killed")

    @contextmanager
    def start() -> Iterator["subprocess.Popen[bytes]"]:
        with worker.started(ground, topic, run, 1, worker.SHORT_WINDOW) as (one,):
            yield one.process

    found = killed.measure(ground, topic, run, "falcolake", start)
    assert found == killed.Killed("falcolake", 500, 500, 0, 0)
