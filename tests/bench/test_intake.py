"""The comparison of what brings alerts from HTTP into Kafka counts what it sent."""

from pathlib import Path

import pytest

from streams.embedded.stack import EmbeddedStack
from tests.bench import intake
from tests.bench.ground import STOCK, Ground


@pytest.fixture
def ground(stack: EmbeddedStack, tmp_path: Path) -> Ground:
    made = Ground()
    made.stack, made.directory = stack, tmp_path
    return made


@pytest.mark.faults
def test_a_run_of_receive_has_a_cost(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "WARM_UP", 20)
    cost = intake.receive(ground, STOCK, 100)
    assert cost.cpu > 0
    assert cost.memory > 10


def test_who_ends_before_it_answers_has_no_figure(ground: Ground, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\necho no such topic\nexit 3\n")
    program.chmod(0o700)
    with pytest.raises(RuntimeError, match="ended by itself: no such topic"):
        intake.peer(ground, str(program), STOCK, 100)
