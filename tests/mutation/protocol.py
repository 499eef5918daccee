"""Breaks the protocol, a step at a time, and shows which tests notice: `make mutate-protocol`.

Each mutation is applied to a temporary copy of the tree, and the tests below run there. Prints a
table of what failed. Exits 1 if a mutation survives, or if the tests fail without any.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]

UNIT = [
    f"tests/streams/{name}.py"
    for name in (
        "worker/test_shipping",
        "worker/test_ledger",
        "windows/test_window",
        "lake/test_store",
    )
]
MATRIX = "tests/flow/test_matrix.py::test_"
KILLED = f"{MATRIX}killed_at_any_effect_the_lake_is_that_of_an_undisturbed_run"
OTHER_LIMITS = f"{MATRIX}a_worker_of_other_limits_keeps_to_the_windows_that_were_sealed"
TWO_MAPPINGS = f"{MATRIX}windows_that_two_mappings_put_are_of_the_last_one_alone"
ZOMBIE = (
    "tests/flow/test_zombies.py::"
    "test_a_zombie_between_seal_and_commit_comes_back_when_all_is_shipped"
)
#: Whole workers, killed between any two steps; of the matrix one test for each kind of mistake.
FLOW = [
    f"{KILLED}[put-before]",
    f"{KILLED}[letter-before]",
    f"{OTHER_LIMITS}[put-after]",
    f"{TWO_MAPPINGS}[the-first-is-back-put]",
    f"{TWO_MAPPINGS}[goes-on-put]",
    f"{ZOMBIE}[put:before:1]",
]


class Edit(NamedTuple):
    """Text of a file that is there just once, and what takes its place."""

    file: str
    old: str
    new: str


class Mutation(NamedTuple):
    """A protocol that is wrong in one step."""

    name: str
    edits: Sequence[Edit]


LEDGER, SHIPPING, TAKEOVER, KEYS = (
    "streams/worker/ledger.py",
    "streams/worker/shipping.py",
    "streams/worker/takeover.py",
    "streams/lake/keys.py",
)
SEAL = """\
            with faults.around("seal"):
                await self.kafka.commit_offsets(self._assignment, seals)
"""
CLAIM = "                    await self.kafka.commit_offsets(assignment, claimed)\n"
HONOUR = "    seal = read_seal(found.metadata, committed)\n"
PUTS = "        for group, _ in await self._run(self._objects.groups, window):\n"
LETTERS = "        first = window.first\n        while rejects"
COMMIT = '            with faults.around("commit"):\n'
NAME = '            f"{self.topic}-{self.partition:05d}-'
#: The commit alone, without forgetting the rows, so that the steps after it still find them.
EARLY = """\
        mine = self._ledger.partitions[window.partition]
        offsets = {window.partition: (window.end, mine.seal_after(window.end).encode())}
        await self._ledger.kafka.commit_offsets(shipment.assignment, offsets)
"""
LATE = """\
            seal = partition.claim()._replace(version=partition.version).encode()
            unchanged = {window.partition: (partition.committed, seal)}
            await self.kafka.commit_offsets(assignment, unchanged)
"""
RUNS = (
    "[r for p in self.partitions.values() for r in p.runs if r.end > window.end or p != partition]"
)

MUTATIONS = [
    Mutation("commit before put", [Edit(SHIPPING, PUTS, EARLY + PUTS)]),
    Mutation(
        "put before seal",
        [
            Edit(LEDGER, SEAL, "            pass\n"),
            Edit(LEDGER, COMMIT, LATE + COMMIT),
        ],
    ),
    Mutation(
        "the seal found in the metadata is not honoured",
        [Edit(TAKEOVER, HONOUR, '    seal = read_seal("", committed)\n')],
    ),
    Mutation(
        "wall clock in the key",
        [
            Edit(KEYS, "import re\n", "import re\nimport time\n"),
            Edit(KEYS, NAME, NAME.replace("{self.topic}", "{self.topic}-{time.time_ns()}")),
        ],
    ),
    Mutation("commit before the dead letters", [Edit(SHIPPING, LETTERS, EARLY + LETTERS)]),
    Mutation(
        "unlink before commit",
        [
            Edit(
                LEDGER,
                COMMIT,
                f"            await self._run(self._staging.keep_only, {RUNS})\n{COMMIT}",
            )
        ],
    ),
    Mutation(
        "windows of another mapping overwritten without a claim",
        [Edit(LEDGER, CLAIM, "                    pass\n")],
    ),
    Mutation(
        "windows of another mapping put only if absent",
        [Edit(SHIPPING, "overwrite=window.overwrite", "overwrite=False")],
    ),
]


class Seen(NamedTuple):
    """What the tests said: how many passed, and the names of those that failed."""

    passed: int
    failed: list[str]


def mutate(mutation: Mutation, tree: Path) -> None:
    """Apply a mutation; the code it means must be there as it expects."""
    for edit in mutation.edits:
        file = tree / edit.file
        text = file.read_text()
        if text.count(edit.old) != 1:
            sys.exit(f"{mutation.name}: {edit.file} does not have {edit.old!r} just once")
        file.write_text(text.replace(edit.old, edit.new))


def run(mutation: Mutation) -> Seen:
    """Run the tests on a mutated copy of the tree."""
    with tempfile.TemporaryDirectory(prefix="falcolake-mutation-") as scratch:
        tree = Path(scratch) / "tree"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".*", "build", "*.egg-info"))
        mutate(mutation, tree)
        where = [
            sys.executable,
            "-c",
            "import streams.worker.ledger; print(streams.worker.ledger.__file__)",
        ]
        found = subprocess.run(where, cwd=tree, capture_output=True, text=True, check=True).stdout
        if not Path(found.strip()).is_relative_to(tree):
            sys.exit(f"the copy would test {found.strip()}")
        command = [
            *(sys.executable, "-m", "pytest", "-n", "2", "-q", "--tb=no", "-rf", "--color=no"),
            *("-p", "no:cacheprovider", f"--basetemp={scratch}/tmp", *UNIT, *FLOW),
        ]
        done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    failed = re.findall(r"^(?:FAILED|ERROR) \S+::(\S+)", done.stdout, re.MULTILINE)
    if done.returncode not in (0, 1) or bool(failed) != bool(done.returncode):
        sys.exit(f"{mutation.name}: the tests did not run\n{done.stdout}{done.stderr}")
    dots = re.findall(r"^[.FEs]+ +\[ *\d+%\]$", done.stdout, re.MULTILINE)
    return Seen("".join(dots).count("."), sorted(failed))


def main(names: Sequence[str]) -> int:
    """Try the mutations, or those whose names have one of these words; print the table."""
    chosen = [m for m in MUTATIONS if not names or any(word in m.name for word in names)]
    sound = run(Mutation("none", []))
    print(f"without a mutation {sound.passed} tests pass, {len(sound.failed)} fail", flush=True)
    if sound.failed:
        print("\n".join(sound.failed))
        return 1
    whole = {name.partition("::")[2] for name in FLOW}
    print("\n| broken step | failed: unit | failed: whole workers | which |\n|---|---|---|---|")
    survived = 0
    for mutation in chosen:
        failed = run(mutation).failed
        flow = [name for name in failed if name in whole]
        unit = [name for name in failed if name not in whole]
        named = "<br>".join(f"`{name.removeprefix('test_')}`" for name in [*flow, *unit])
        counts = f"{len(unit)} | {len(flow)} of {len(FLOW)}"
        print(f"| {mutation.name} | {counts} | {named or '**none**'} |", flush=True)
        survived += not failed
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
