"""`python -m tests.hostile COUNT [SEED]`: hostile records, from value to Parquet.

Each class and release that the mapping knows gets its share of the records, with a seed of its
own. Exit code 1 if a step raised, lost something or took too long.
"""

import gc
import sys
import tempfile
import time
from pathlib import Path

from tests.hostile.run import FORMS, Report, run


def main(count: int, seed: int) -> int:
    """Run, print the progress and the faults."""
    gc.set_threshold(100_000, 20, 50)  # as the worker does
    faults = []
    for number, options in enumerate(FORMS):
        share = count * (number + 1) // len(FORMS) - count * number // len(FORMS)
        name = f"{options.event_class} {options.ocsf_version}"
        print(f"{name}: {share:,} records, seed {seed + number}", flush=True)
        began = time.monotonic()

        def progress(report: Report, began: float = began) -> None:
            print(f"{time.monotonic() - began:6.0f} s  {report}", flush=True)

        with tempfile.TemporaryDirectory(prefix="falcolake-hostile-") as path:
            faults += run(Path(path), share, seed + number, options, progress).faults
    print(f"{count:,} records, {len(faults)} faults", *faults, sep="\n")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1))
