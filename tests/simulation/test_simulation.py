"""The simulation: a fixed set of seeds, the plans that once failed, and what it rests on."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.kept import KEPT
from tests.simulation.plan import Fault, Plan, draw
from tests.simulation.shrink import shrink
from tests.simulation.world import Outcome, run

ROOT = Path(__file__).parents[2]

#: Seeds in one test; `make simulate` runs as many as you like.
PORTION = 25
PORTIONS = 4

HISTORIES = """\
import hashlib
from tests.simulation.plan import draw
from tests.simulation.world import run
histories = "".join(str(run(draw(seed)).history) for seed in range(5))
print(hashlib.sha256(histories.encode()).hexdigest())
"""


def said(outcome: Outcome) -> str:
    """What to print of a run that failed."""
    return "\n".join([str(outcome.plan), *outcome.violations, str(outcome.history)])


@pytest.mark.parametrize("portion", range(PORTIONS))
def test_no_schedule_breaks_the_promise(portion: int) -> None:
    for seed in range(portion * PORTION, (portion + 1) * PORTION):
        outcome = run(draw(seed))
        assert not outcome.violations, said(outcome)


@pytest.mark.parametrize("name", KEPT)
def test_a_schedule_that_once_broke_it_does_so_no_more(name: str) -> None:
    outcome = run(KEPT[name])
    assert not outcome.violations, said(outcome)


def test_a_seed_has_one_history_in_every_process() -> None:
    histories = {
        subprocess.run(
            [sys.executable, "-c", HISTORIES],
            cwd=ROOT,
            env={"PYTHONHASHSEED": number},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for number in ("1", "2")
    }
    assert len(histories) == 1


def test_what_fails_is_shrunk_to_the_fault_that_matters() -> None:
    def fails(plan: Plan) -> bool:
        return any(fault.kind == "cut" for fault in plan.faults) and plan.batches > 2

    faults = Fault(1.0, "kill"), Fault(2.0, "cut"), Fault(3.0, "move")
    shrunk = shrink(draw(0)._replace(faults=faults), fails)
    assert shrunk.faults == (Fault(2.0, "cut"),)
    assert (shrunk.workers, shrunk.partitions, shrunk.batches) == (1, 1, 3)
