"""Shows that the simulation sees: `python -m tests.simulation.mutations [SEEDS] [WORD …]`.

Each mutation of `tests.mutation.protocol` and `tests.mutation.losses` is applied to a copy of the
tree, where the simulation then runs; what fails without it does not count. Prints a table: which
share of the schedules finds each, and after how many it is found in half of all series. Exits 1 if
one is never found.
"""

import math
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from shutil import copytree, ignore_patterns
from typing import cast

from tests.mutation.losses import LOSSES
from tests.mutation.protocol import MUTATIONS, ROOT, Mutation, mutate
from tests.simulation.__main__ import results
from tests.simulation.plan import Kind

#: An unlink that comes too early costs re-reading and nothing else (rule 7): no run can see it.
HARMLESS = {"unlink before commit"}

#: Found by a kept plan, and by no schedule of a thousand that is drawn.
BY_A_KEPT_PLAN = {"only the newest leader epoch of staged records is asked for"}

#: What a step takes care of: each schedule that runs without the step has one more of this kind.
CARES: dict[str, Kind] = {
    "windows of another mapping overwritten without a claim": "upgrade at",
    "windows of another mapping put only if absent": "upgrade at",
    "412 is success, whatever is under the key": "foreign",
    "200 is success, whoever answers it": "puts",
    "a group without offsets starts where the log does": "offsets forgotten",
    "committed offsets of a topic that was recreated are believed": "recreate",
    "staged records of a topic that was recreated are kept": "recreate",
    "a log that ends before the commit is read on at takeover": "cut",
    "a cut is neither remembered nor looked for in leader epochs": "cut",
    "only the newest leader epoch of staged records is asked for": "cut",
    "a running worker asks for neither ends nor the topic's id": "cut",
    "static members of one name are told apart by the generation alone": "twin",
    "a flush beyond where the log was cut is waited for": "control",
}


def failing(seeds: int, more: Kind | None) -> list[int]:
    """Return the seeds that fail."""
    return sorted(result.seed for result in results(range(seeds), 2, more) if result.violations)


def failing_with(mutation: Mutation, seeds: int) -> list[int]:
    """Return the seeds that fail with a mutation."""
    with tempfile.TemporaryDirectory(prefix="falcolake-simulation-") as scratch:
        tree = Path(scratch) / "tree"
        copytree(ROOT, tree, ignore=ignore_patterns(".*", "build", "*.egg-info"))
        mutate(mutation, tree)
        command = [sys.executable, "-m", "tests.simulation.mutations", f"{seeds}", "here"]
        command += [CARES[mutation.name]] if mutation.name in CARES else []
        done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{mutation.name}: the simulation did not run\n{done.stderr}")
    return [int(seed) for seed in done.stdout.split()]


def median(share: float) -> int:
    """Return how many schedules it takes to find, with a chance of one half, what a share finds."""
    return 1 if share >= 1 else math.ceil(math.log(0.5) / math.log(1 - share))


def main(arguments: Sequence[str]) -> int:
    """Try the mutations, or those whose names have one of these words; print the table."""
    seeds, words = int(arguments[0]) if arguments else 400, arguments[1:]
    if words[:1] == ["here"]:
        print(*failing(seeds, cast(Kind, words[1]) if words[1:] else None))
        return 0
    all_of_them = [*MUTATIONS, *LOSSES]
    chosen = [m for m in all_of_them if not words or any(word in m.name for word in words)]
    unseen, sound = 0, dict[Kind | None, set[int]]()
    print(f"\n| broken step | share of {seeds} schedules that find it | median until found |")
    print("|---|---|---|", flush=True)
    for mutation in chosen:
        more = CARES.get(mutation.name)
        if more not in sound:
            sound[more] = set(failing(seeds, more))
        found = set(failing_with(mutation, seeds)) - sound[more]
        unseen += not found and mutation.name not in HARMLESS | BY_A_KEPT_PLAN
        share = len(found) / seeds
        until = f"{median(share)}" if found else "never"
        print(f"| {mutation.name} | {share:.1%} | {until} |", flush=True)
    return 1 if unseen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
