"""All benchmarks: `python -m tests.bench`, see `--help`.

Measures on the embedded stack, prints tables, and writes the figures as JSON and, from these, a
page and a picture; with `--render` it only draws these again.
"""

import argparse
import sys
from pathlib import Path

from tests.bench import capacity
from tests.bench.ground import ROOT, Ground
from tests.bench.page import page
from tests.bench.picture import picture
from tests.bench.program import PARTS, Program
from tests.bench.report import Report, read
from tests.bench.tables import plain


def options() -> argparse.Namespace:
    """Return the parsed options."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--count", type=int, default=100_000, help="alerts in a run")
    parser.add_argument("--runs", type=int, default=3, help="runs per median")
    parser.add_argument("--largest", type=int, default=1_000_000, help="the largest backlog")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=[], help="measure only these")
    parser.add_argument("--into", type=Path, default=ROOT / "docs", help="directory of the files")
    parser.add_argument("--render", action="store_true", help="only redraw pages and picture")
    return parser.parse_args()


def render(report: Report, directory: Path) -> None:
    """Write the page and the picture of a report, and the capacity model where sizing.md is."""
    (directory / "benchmarks.svg").write_text(picture(report))
    (directory / "benchmarks.md").write_text(page(report, "benchmarks.svg"))
    sizing = directory / "sizing.md"
    if sizing.exists() and report.capacity:
        sizing.write_text(capacity.inserted(sizing.read_text(), capacity.section(report)))


def main() -> int:
    """Run everything; return 1 if a figure is missing."""
    wanted = options()
    file = wanted.into / "benchmarks.json"
    if wanted.render:
        render(read(file.read_text()), wanted.into)
        return 0
    with Ground() as ground:
        report = Program(ground, wanted.count, wanted.runs, wanted.largest).run(wanted.only)
    wanted.into.mkdir(parents=True, exist_ok=True)
    file.write_text(report.json())
    render(report, wanted.into)
    print(plain(report))
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
