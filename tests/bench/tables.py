"""A report as tables: the same for the terminal and for the page."""

from typing import NamedTuple

from tests.bench.ground import KINDS, STOCK, SYSCALL
from tests.bench.intake import CONNECTIONS
from tests.bench.report import FALCOLAKE, ROWS, SENT, SMALLER, Figure, Report


class Table(NamedTuple):
    """A heading, a note, and cells; the first row names the columns."""

    heading: str
    note: str
    rows: list[list[str]]


COSTS = ["", "CPU µs per alert", "alerts/s on a core", "alerts/s", "memory", "to the floor"]


def tables(report: Report) -> list[Table]:
    """Return a table for everything in the report that has figures."""
    made = [
        _side_by_side(report),
        _contents(report),
        _killed(report),
        _frameworks(report),
        _end_to_end(report),
        _compiled(report),
        _sidekick(report),
        _intake(report),
        _steps(report),
        _mapping(report),
        _profile(report),
        _growth(report),
        _workers(report),
        _latency(report),
        _trickle(report),
        _failed(report),
    ]
    return [table for table in made if len(table.rows) > 1]


def machine(report: Report) -> str:
    """Return the machine, in a sentence or two."""
    found = report.machine
    packages = ", ".join(f"{name} {version}" for name, version in found["packages"].items())
    peers = ", ".join(line.replace("==", " ") for pins in report.peers.values() for line in pins)
    build = f" ({found['build']})" if "build" in found else ""  # reports did not always name it
    return (
        f"{found['processor']}, {found['cores']} cores, {found['memory']}; {found['kernel']}; "
        f"{found['python']}{build}; {packages}; in separate environments {peers}. "
        f"Commit {found['commit']}; load average before the first run {found['load']}."
    )


def method(report: Report) -> str:
    """Return how it was measured."""
    sizes = "; ".join(f"{KINDS[kind]}: {size:,.0f} bytes" for kind, size in report.bytes.items())
    sizes = f" ({sizes})" if sizes else ""
    return (
        f"Each run has a backlog of {report.count:,} alerts{sizes}. Figures are the median of "
        f"{report.runs} runs, which alternate. CPU is user and system time of the whole process, "
        "all threads: ours from the first assignment to the last commit, Bento's from when it is "
        "ready to its last object, Pathway's from its start (its engine reads long before it calls "
        "back), the others' from the first record to the last object. "
        "Broker and S3 server run on the same cores, so alerts/s, by the clock, is what they "
        "leave; alerts/s on a core is what one core of CPU time achieves. Memory is the peak over "
        "the process's life. The rows, columns and codec of every run were checked in the lake."
    )


def _cost(figure: Figure, floor: Figure | None, name: str = "") -> list[str]:
    spread = f"{figure.us:.1f} ({figure.least:.1f} to {figure.most:.1f})"
    return [
        name or figure.name,
        spread if figure.runs > 1 else f"{figure.us:.1f}",
        f"{1e6 / figure.us:,.0f}",
        f"{figure.per_second:,.0f}",
        f"{figure.memory:,.0f} MB",
        f"{figure.us / floor.us:.2f}" if floor else "",
    ]


def _side_by_side(report: Report) -> Table:
    rows = []
    for kind, own in ((SYSCALL, FALCOLAKE), (STOCK, SMALLER)):
        floor, words = report.floors.get(kind), SENT[kind]
        rows += [_cost(floor, floor, f"the floor, {words}")] if floor else []
        rows += [
            _cost(each, floor, f"{FALCOLAKE}, {words}") for each in report.ours if each.name == own
        ]
        rows += [_cost(each, floor) for each in report.programs if each.name.endswith(words)]
    return Table(
        "Side by side",
        "Syscall alerts, 4 partitions, from Kafka to Parquet in S3. The floor is the least anyone "
        "could do: it fetches with aiokafka, decodes with msgspec, lets DuckDB write ready-made "
        "rows, and puts them. The others are complete programs that read the same topics, each "
        "with a mapping in its own language; see the method below.",
        [COSTS, *rows],
    )


def _contents(report: Report) -> Table:
    rows = [
        [
            each["name"],
            f"{each['objects']:,}",
            f"{each['bytes'] / report.count:,.0f}",
            f"{each['columns']:,}",
            f"{each['values']:,}",
            f"{each['other']:,}",
        ]
        for each in report.contents
    ]
    header = ["", "objects", "bytes per alert", "columns", "values compared", "other or missing"]
    return Table(
        "What was put",
        "Values of 1,000 rows of an object, compared with what falcolake's mapping says of the "
        "same alerts. Left out are the timestamps `*_dt`, which repeat the milliseconds beside "
        "them: Bento cannot write timestamps, so it has integers there.",
        [header, *rows],
    )


def _killed(report: Report) -> Table:
    rows = [
        [each["name"], *(f"{each[key]:,}" for key in ("alerts", "rows", "lost", "doubled"))]
        for each in report.killed
    ]
    return Table(
        "Upon kill -9",
        "Killed once its first object was in the lake, and started again with what it had left on "
        "disk, until its group had committed all of the topic.",
        [["", "alerts", "rows in the lake", "lost", "doubled"], *rows],
    )


def _frameworks(report: Report) -> Table:
    floor = report.floors.get(SYSCALL)
    rows = [_cost(each, floor, f"{each.name}: {each.note}") for each in report.others]
    return Table(
        "A note on frameworks",
        "Not peers: they are handed falcolake's own mapping function and columns, and where DuckDB "
        "is named also its nesting, on the 35 fields. What differs is how a framework reads, "
        "batches and puts. Their settings are in `tests/bench/peers`.",
        [COSTS, *rows],
    )


def _ours(report: Report, figures: list[Figure]) -> list[list[str]]:
    names = {FALCOLAKE: "syscall alerts of 1.5 KB, 35 fields, 4 partitions, 1 worker"}
    kinds = {name: kind for kind, name in ROWS.items()}
    return [
        _cost(
            each,
            report.floors.get(kinds.get(each.name, SYSCALL)),
            names.get(each.name, each.name),
        )
        for each in figures
    ]


def _compiled(report: Report) -> Table:
    return Table(
        "With the mapping compiled",
        "The same, with the mapping compiled by mypyc, as in the image (`make wheel-native`).",
        [COSTS, *_ours(report, report.compiled)],
    )


def _end_to_end(report: Report) -> Table:
    return Table(
        "falcolake, Kafka to S3",
        "Rows differ from the first one only in what they name. The memory of two workers is "
        "their sum. Other alerts are compared with a floor of the same alerts.",
        [COSTS, *_ours(report, report.ours)],
    )


def _sidekick(report: Report) -> Table:
    rows = [
        [
            each["name"],
            f"{each['received']:.1f}",
            f"{each['put']:.1f}",
            f"{each['memory']:,.0f} MB",
            f"{each['rows']:,} of {each['sent']:,}",
            f"{each['bytes'] / max(each['rows'], 1):,.0f}",
            f"{each['columns']}",
        ]
        for each in report.sidekick
    ]
    header = [
        *("", "HTTP, CPU µs per alert", "conversion and put", "memory"),
        *("rows in the lake", "bytes per alert", "columns"),
    ]
    return Table(
        "falcosidekick to Security Lake",
        "Its output `awssecuritylake`, from HTTP to S3 without Kafka, run once on as many alerts "
        "as its queue holds; see the method below.",
        [header, *rows],
    )


def _intake(report: Report) -> Table:
    return Table(
        "From HTTP into Kafka",
        f"{CONNECTIONS} connections send one alert a request and wait for its answer. Both "
        "ask Kafka for the acknowledgement of all replicas; falcosidekick answers before it sends, "
        "falcolake once Kafka has the alert. The records of each run were counted in Kafka.",
        [COSTS[:-1], *(_cost(each, None)[:-1] for each in report.intake)],
    )


def _steps(report: Report) -> Table:
    rows = [[name, f"{us:.1f}"] for name, us in report.steps.items()]
    if rows:
        rows.append(["all steps", f"{sum(report.steps.values()):.1f}"])
    return Table(
        "The steps",
        "The worker's code without the worker, one step after the other. `map` is mapping without "
        "decoding; COPY sorts, slices, nests and compresses.",
        [["step", "CPU µs per alert"], *rows],
    )


def _mapping(report: Report) -> Table:
    rows = [
        [name, f"{middle:.1f}", f"{least:.1f}"] for name, (middle, least) in report.mapping.items()
    ]
    return Table(
        "The mapping alone",
        "A call of `Mapping.map` on a syscall alert of 35 fields, including decoding and encoding, "
        "once its rules and scenes are known: the median and the least of nine runs. In the steps "
        "above, `map` excludes decoding, but sees each rule and scene for the first time and "
        "builds the rows to stage.",
        [["", "CPU µs per alert", "least"], *rows],
    )


def _profile(report: Report) -> Table:
    ours = next((each.us for each in report.ours if each.name == FALCOLAKE), 0.0)
    rows = [
        [library, f"{share:.0f} %", f"{share / 100 * ours:.1f}"]
        for library, share in report.shares.items()
    ]
    return Table(
        "Where the worker's CPU goes",
        "By library, measured with `perf` on the first row's backlog. The worker touched "
        f"{report.faults:.1f} pages of 4 KiB per alert for the first time: a COPY nests and "
        "buffers a row group, and the kernel clears each page first.",
        [["library", "share", "CPU µs per alert"], *rows],
    )


def _growth(report: Report) -> Table:
    base = next((each["us"] for each in report.growth if each["count"] == 100_000), None)
    rows = [
        [
            f"{each['count']:,}",
            f"{each['seconds']:.1f} s",
            f"{each['count'] / each['seconds']:,.0f}",
            f"{each['cpu']:.1f} s",
            f"{each['us']:.1f}",
            f"{each['us'] / base:.2f}" if base else "",
            f"{each['memory']:,.0f} MB",
            f"{each['staging'] / 1e6:,.0f} MB",
            f"{each['objects']:.0f}",
        ]
        for each in report.growth
    ]
    header = [
        "backlog",
        "time",
        "alerts/s",
        "CPU",
        "µs per alert",
        "to 100,000",
        "memory",
        "staging",
        "objects",
    ]
    return Table(
        "Growth",
        "Syscall alerts, 4 partitions, one run each. `to 100,000` is CPU per alert relative to "
        "that backlog; 1.00 everywhere means linear growth. The alerts are 50 ms apart, so that "
        "more than 1.7 million are of several days, and each day has its own objects. "
        "`make bench` ends at a million, `make bench-growth` at ten.",
        [header, *rows],
    )


def _workers(report: Report) -> Table:
    one = next((each["per_second"] for each in report.workers if each["workers"] == 1), None)
    rows = [
        [
            f"{each['workers']}",
            f"{each['us']:.1f}",
            f"{each['per_second']:,.0f}",
            f"{each['per_second'] / one:.2f}" if one else "",
            f"{each['memory']:,.0f} MB",
            f"{each['staging'] / 1e6:,.0f} MB",
            f"{each['objects']:,}",
        ]
        for each in report.workers
    ]
    header = ["workers", "CPU µs per alert", "alerts/s", "to one", "memory", "staging", "objects"]
    count = report.workers[0]["count"] if report.workers else 0
    return Table(
        "Workers",
        f"{count:,} syscall alerts that come at once, 4 partitions, for workers of one group. "
        "Memory and staging are their sums. The producer, the broker and the S3 server run on the "
        "same cores.",
        [header, *rows],
    )


def _latency(report: Report) -> Table:
    found, rows = report.latency, []
    for name, key in (("produced to staged", "staged"), ("produced to in S3", "stored")):
        if key in found:
            rows.append(
                [name, *(f"{found[key][part] / 1000:.2f} s" for part in ("p50", "p99", "most"))]
            )
    note = ""
    if found:
        note = (
            f"{found['rate']:,} alerts/s of all sources for {found['count'] // found['rate']} s, a "
            f"window of {found['window']} s; the worker took {found['cores']:.2f} of a core."
        )
    return Table("Latency", note, [["", "p50", "p99", "most"], *rows])


def _trickle(report: Report) -> Table:
    rows = [
        [f"{each['rate']:,}", f"{each['cpu']:.2f} ms", f"{each['cpu'] * each['sent'] / 1000:.3f}"]
        for each in report.trickle
    ]
    if report.idle is not None:
        rows.insert(0, ["none", "", f"{report.idle:.4f}"])
    return Table(
        "One at a time",
        "Alerts of all sources, each in a request of its own, at a fixed rate over 4 partitions; "
        "all the CPU of a worker that has started.",
        [["alerts/s", "CPU per alert", "of a core"], *rows],
    )


def _failed(report: Report) -> Table:
    rows = [[name, reason] for name, reason in report.failed.items()]
    return Table("Without a figure", "", [["what", "why"], *rows])


def plain(report: Report) -> str:
    """Return the tables for a terminal."""
    parts = [machine(report), method(report)]
    for table in tables(report):
        widths = [max(map(len, column)) for column in zip(*table.rows, strict=True)]
        lines = [
            "  ".join(
                cell.rjust(width) if number else cell.ljust(width)
                for number, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in table.rows
        ]
        parts.append("\n".join([table.heading, *lines]))
    return "\n\n".join(parts) + "\n"
