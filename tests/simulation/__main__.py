"""Runs simulated schedules: `make simulate SEEDS=1000 FIRST=0`, or `FIRST=fresh` for new ones.

Prints progress, then how often each fault happened. A seed that fails is shrunk and printed with
its history. Exits 1 if one does.
"""

import argparse
import gc
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from multiprocessing import Pool
from typing import NamedTuple

from tests.simulation import plan as plans
from tests.simulation.shrink import shrink
from tests.simulation.world import run

#: Seconds between two lines about the progress.
EVERY = 10.0

#: Failing seeds after which it stops.
ENOUGH = 3


class Result(NamedTuple):
    """What came of one seed."""

    seed: int
    violations: list[str]
    known: list[str]
    happened: Counter[str]


def try_seed(seed: int, more: plans.Kind | None = None) -> Result:
    """Run the schedule of a seed, with one more fault of a kind."""
    outcome = run(plans.draw(seed, more))
    if not seed % 50:
        gc.collect()
    return Result(seed, outcome.violations, outcome.known, outcome.happened)


def explain(seed: int, more: plans.Kind | None = None, *, shrunk: bool) -> None:
    """Print what is wrong with a seed, its plan and its history."""
    plan = plans.draw(seed, more)
    if shrunk:
        plan = shrink(plan, lambda smaller: bool(run(smaller).violations))
    outcome = run(plan)
    print(f"\n{outcome.plan}\n\n{outcome.history}\n")
    for violation in outcome.violations:
        print(f"seed {seed}: {violation}")


def results(seeds: range, jobs: int, more: plans.Kind | None = None) -> Iterator[Result]:
    """Yield the results of seeds, as they come."""
    with Pool(jobs, gc.disable) as pool:
        yield from pool.imap_unordered(partial(try_seed, more=more), seeds, chunksize=20)


def first_seed(text: str) -> int:
    """Read a seed; `fresh` is one of the clock's, which hardly anyone has tried."""
    return time.time_ns() // 1_000_000 if text == "fresh" else int(text)


def main() -> int:
    """Run seeds, and report."""
    parser = argparse.ArgumentParser(prog="tests.simulation", description=__doc__)
    parser.add_argument("seeds", type=int, nargs="?", default=1000, help="how many")
    parser.add_argument("first", type=first_seed, nargs="?", default=0, help="the first one")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--show", action="store_true", help="print the history of the first seed")
    parser.add_argument("--whole", action="store_true", help="do not shrink what fails")
    parser.add_argument("--more", choices=plans.KINDS, help="one more fault of this kind in each")
    options = parser.parse_args()
    if options.show:
        explain(options.first, options.more, shrunk=False)
        return 0
    seeds = range(options.first, options.first + options.seeds)
    print(f"seeds {seeds[0]} to {seeds[-1]}", flush=True)
    began = said = time.monotonic()
    happened: Counter[str] = Counter()
    known: Counter[str] = Counter()
    failed: list[int] = []
    done = 0
    for done, result in enumerate(results(seeds, options.jobs, options.more), 1):
        happened += result.happened
        known.update(result.known)
        if result.violations:
            failed.append(result.seed)
            print(f"seed {result.seed} fails: {result.violations[0]}", flush=True)
        now = time.monotonic()
        if now - said >= EVERY or len(failed) >= ENOUGH or done == len(seeds):
            said = now
            rate = done / (now - began) * 60
            print(f"{done:,} of {len(seeds):,} schedules, {rate:,.0f} a minute", flush=True)
        if len(failed) >= ENOUGH:
            break
    print("\nwhat happened:")
    for what, count in sorted(happened.items()):
        print(f"{count:9,}  {what}")
    for what, count in sorted(known.items()):
        print(f"{count:9,}  known: {what}")
    for seed in sorted(failed)[:1]:
        explain(seed, options.more, shrunk=not options.whole)
    print(f"\nseeds {seeds[0]} to {seeds[0] + done - 1}: {len(failed) or 'none'} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
