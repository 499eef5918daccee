"""A report is written, read and drawn completely; failures are listed and affect nothing else."""

import itertools
import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.bench import machine
from tests.bench.content import Content
from tests.bench.cost import Cost
from tests.bench.ground import ALL_VARIED, SOME_VARIED, SYSCALL, Ground, alerts
from tests.bench.killed import Killed
from tests.bench.page import page
from tests.bench.picture import LEFT, picture
from tests.bench.profile import shares
from tests.bench.program import PARTS, Program
from tests.bench.report import FALCOLAKE, FLOOR, Report, figure, read
from tests.bench.sidekick import Lake
from tests.bench.tables import plain

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_and_the_picture_are_those_of_the_figures() -> None:
    kept = read((DOCS / "benchmarks.json").read_text())
    assert (DOCS / "benchmarks.md").read_text() == page(kept, "benchmarks.svg")
    assert (DOCS / "benchmarks.svg").read_text() == picture(kept)


PERF = """
# Samples: 4K of event 'cpu-clock'
#
# Overhead  Shared Object
# ........  .............
#
    40.10%  libpython3.11.so.1.0
    39.90%  _duckdb.cpython-311-x86_64-linux-gnu.so
    11.00%  [kernel.kallsyms]
     5.00%  libarrow.so.2600
     2.50%  libarrow_python.so.2600
     1.50%  [vdso]
"""


@pytest.fixture
def report() -> Report:
    made = Report(1000, 3, machine.describe(), {"quix": ["quixstreams==3"]}, {SYSCALL: 1491.0})
    made.floors = {SYSCALL: figure(FLOOR, 1000, [Cost(0.1, 0.02, 90.0)])}
    costs = [Cost(0.1, 0.05, 100.0), Cost(0.2, 0.04, 300.0), Cost(0.3, 0.09, 200.0)]
    made.ours = [figure(FALCOLAKE, 1000, costs)]
    made.compiled = [figure(FALCOLAKE, 1000, costs)]
    made.programs = [figure("Bento v1, 35 fields", 1000, [Cost(1, 0.1, 2000)])]
    made.contents = [Content("Bento v1, 35 fields", 4, 420_000, 210, 120_000, 3)._asdict()]
    made.killed = [Killed("Bento v1", 1000, 1300, 0, 300)._asdict()]
    made.sidekick = [Lake("falcosidekick 2, 35 fields", 9, 8, 16_000, 29, 120, 90, 680)._asdict()]
    made.others = [figure("other | one", 1000, [Cost(1, 0.2, 1300)], "as <documented>")]
    made.growth = [
        {"count": n, "seconds": 1, "cpu": 1, "us": us, "memory": 1, "staging": 1, "objects": 4}
        for n, us in ((100_000, 40.0), (1_000_000, 44.0))
    ]
    made.workers = [
        {"workers": n, "count": 4000, "us": 50.0, "per_second": 900.0 * n}
        | {"memory": 500.0 * n, "staging": 9_000_000, "objects": 4}
        for n in (1, 2)
    ]
    made.mapping = {"detection_finding 1.1.0": (22.5, 22.25)}
    made.shares, made.faults = shares(PERF), 4.25
    delays = {"p50": 20.0, "p99": 5400.0, "most": 6000.0}
    made.latency = {"rate": 10, "window": 5, "count": 20, "cores": 0.1, "staged": delays}
    made.intake = [figure("falcolake receive, 35 fields", 1000, [Cost(2, 0.2, 66)])]
    made.idle = 0.0112
    made.trickle = [{"rate": 1000, "partitions": 4, "sent": 1000.0, "cpu": 0.15}]
    made.failed = {"a peer": "RuntimeError: cannot be installed here"}
    return made


def test_a_figure_is_the_median_of_its_runs(report: Report) -> None:
    (ours,) = report.ours
    assert (ours.us, ours.least, ours.most) == pytest.approx((50, 40, 90))
    assert (ours.per_second, ours.memory) == (5000, 200)


def test_a_report_is_read_as_it_was_written(report: Report) -> None:
    assert read(report.json()) == report


def test_page_and_terminal_have_every_figure(report: Report) -> None:
    for text in (page(report, "picture.svg"), plain(report)):
        words = re.sub(r"[| ]+", " ", text)
        assert "falcolake, 35 fields 50.0 (40.0 to 90.0) 20,000 5,000 200 MB 2.50" in words
        assert "Bento v1, 35 fields 100.0 10,000 1,000 2,000 MB 5.00" in words
        assert "Bento v1, 35 fields 4 420 210 120,000 3" in words
        assert "1,000,000 1.0 s 1,000,000 1.0 s 44.0 1.10" in words
        assert "Bento v1 1,000 1,300 0 300" in words
        assert "falcosidekick 2, 35 fields 120.0 90.0 680 MB 8 of 9 2,000 29" in words
        assert "2 50.0 1,800 2.00 1,000 MB 9 MB 4" in words
        assert "detection_finding 1.1.0 22.5 22.2" in words
        assert "produced to staged 0.02 s 5.40 s 6.00 s" in words
        assert "falcolake receive, 35 fields 200.0 5,000 500 66 MB" in words
        assert "none 0.0112" in words
        assert "1,000 0.15 ms 0.150" in words
        assert "a peer RuntimeError: cannot be installed here" in words
        assert report.machine["processor"] in text
        assert report.machine["kernel"] in text
        assert report.machine["build"] in text


def test_a_profile_adds_up_what_is_of_one_library(report: Report) -> None:
    assert list(report.shares.values()) == pytest.approx([40.1, 39.9, 11.0, 7.5, 1.5])
    words = re.sub(r"[| ]+", " ", page(report, "picture.svg"))
    assert "CPython: mapping, aiokafka, the worker itself 40 % 20.1" in words
    assert "everything else 2 % 0.8" in words
    assert "4.2 pages of 4 KiB per alert" in words


def test_a_name_cannot_break_a_table_of_the_page(report: Report) -> None:
    rows = [line for line in page(report, "picture.svg").splitlines() if "other \\| one" in line]
    assert [len(re.findall(r"(?<!\\)\|", row)) for row in rows] == [7]


def test_the_picture_is_svg_with_bars_as_long_as_the_figures(report: Report) -> None:
    root = ET.fromstring(picture(report))
    bars = [each for each in root.iter() if each.tag.endswith("rect")]
    lengths = [float(bar.attrib["width"]) for bar in bars]
    assert [lengths[n] / lengths[0] for n in (1, 2, 3)] == pytest.approx([2.5, 5, 10], rel=0.01)
    assert lengths[5] / lengths[4] == pytest.approx(1.1, rel=0.01)
    assert all(float(bar.attrib["x"]) == LEFT for bar in bars)


def test_an_empty_report_is_still_a_page(report: Report) -> None:
    empty = Report(1, 1, report.machine, {})
    assert "# Benchmarks" in page(empty, "picture.svg")
    ET.fromstring(picture(empty))


def test_a_contender_that_fails_is_dropped_and_the_rest_continue() -> None:
    made, ran = Program(Ground(), 1000, 3, 0), []

    def fails() -> Cost:
        ran.append("bad")
        raise RuntimeError("no such thing\nand more")

    def works() -> Cost:
        ran.append("good")
        return Cost(1, 0.05, 1)

    found = made._in_turns({"bad": fails, "good": works}, {}, 1000)
    assert ran == ["bad", "good", "good", "good"]
    assert list(found) == ["good"]
    assert made.report.failed == {"bad": "RuntimeError: no such thing"}


def test_only_the_named_parts_are_measured() -> None:
    made = Program(Ground(), 1000, 1, 0)
    made._attempt = lambda name, part: ran.append(name)  # type: ignore[method-assign]
    ran: list[str] = []
    made.run(["growth", "workers"])
    assert ran == ["growth", "workers"]
    assert "from one run of growth and workers." in page(made.report, "picture.svg")
    made.run()
    assert tuple(ran[2:]) == PARTS


def test_varied_alerts_have_values_of_their_own() -> None:
    plain = list(itertools.islice(alerts(SYSCALL), 500))
    some = list(itertools.islice(alerts(SOME_VARIED), 500))
    assert sum(one != other for one, other in zip(some, plain, strict=True)) == 150
    lines = [
        json.loads(value)["output_fields"]["proc.cmdline"]
        for value in itertools.islice(alerts(ALL_VARIED), 500)
    ]
    assert len(set(lines)) == 500
