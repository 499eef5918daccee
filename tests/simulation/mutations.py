"""Shows that the simulation sees: `python -m tests.simulation.mutations [SEEDS] [WORD …]`.

Each mutation of `tests.mutation.protocol` is applied to a copy of the tree, where the simulation
then runs. Prints a table: after how many schedules each is first found, and which share finds it.
Exits 1 if one is never found.
"""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from shutil import copytree, ignore_patterns

from tests.mutation.protocol import MUTATIONS, ROOT, Mutation, mutate
from tests.simulation.__main__ import results

#: An unlink that comes too early costs re-reading and nothing else (rule 7): no run can see it.
HARMLESS = {"unlink before commit"}


def failing(seeds: int) -> list[int]:
    """Return the seeds that fail."""
    return sorted(result.seed for result in results(range(seeds), 2) if result.violations)


def failing_with(mutation: Mutation, seeds: int) -> list[int]:
    """Return the seeds that fail with a mutation."""
    with tempfile.TemporaryDirectory(prefix="falcolake-simulation-") as scratch:
        tree = Path(scratch) / "tree"
        copytree(ROOT, tree, ignore=ignore_patterns(".*", "build", "*.egg-info"))
        mutate(mutation, tree)
        command = [sys.executable, "-m", "tests.simulation.mutations", f"{seeds}", "here"]
        done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{mutation.name}: the simulation did not run\n{done.stderr}")
    return [int(seed) for seed in done.stdout.split()]


def main(arguments: Sequence[str]) -> int:
    """Try the mutations, or those whose names have one of these words; print the table."""
    seeds, words = int(arguments[0]) if arguments else 400, arguments[1:]
    if words == ["here"]:
        print(*failing(seeds))
        return 0
    chosen = [m for m in MUTATIONS if not words or any(word in m.name for word in words)]
    unseen = 0
    print(f"\n| broken step | first found by schedule | share of {seeds} that find it |")
    print("|---|---|---|", flush=True)
    for mutation in chosen:
        found = failing_with(mutation, seeds)
        unseen += not found and mutation.name not in HARMLESS
        first = f"{found[0] + 1}" if found else "never"
        print(f"| {mutation.name} | {first} | {len(found) / seeds:.1%} |", flush=True)
    return 1 if unseen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
