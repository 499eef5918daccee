"""`docs/benchmarks.md`, from a report."""

from datetime import UTC, datetime

from tests.bench.report import Report
from tests.bench.tables import Table, machine, method, tables

LIMITS = """## What stands in the way

No single step dominates any more. What a worker does beyond the floor is spread out:

- **Mapping** is Python with a flat profile: decoding, looking up the rule and the scene, the
  UUID, and the few objects that belong to one alert. The next step would be generated code for
  each list of fields that a rule prints, instead of builders that ask for each field.
- **Staging** writes each alert once more, packed, to survive a kill without reading Kafka again.
  The peers do not: what they hold in memory is lost or read again.
- **COPY** parses each finding's own part and makes over 200 Parquet columns of it, most of them
  null in any one alert. DuckDB gives each of them room in every row of a row group, and copies
  the row group once. Half of the cost is DuckDB's Parquet writer: a COPY of a table that is
  already nested takes about 14 µs. The next step would be fewer columns, but OCSF defines them.
- **Each object** costs about 45 ms whatever its size: planning a query of over 200 columns and
  opening as many column writers. Small windows of many partitions pay this often. A worker's
  first object costs 0.1 s more, because it touches memory for the first time.

With the same mapping and the same nesting in DuckDB, a peer does the same work without staging.
No factor of two is left to gain over that, only work that the peer does not do.

Ideas that were measured, and the results:

- Caching what repeats (rules, scenes, seconds) and parsing what findings share once per object:
  used, the largest gains of all. So is nesting in SQL: the peers' `from_pylist` takes three times
  as long.
- Text of few values as DuckDB's ENUMs, of the parts that findings share: used. COPY, three runs
  each in turns: 29.3 to 24.1 µs for 35 fields, 28.0 to 22.0 for 17, 51.7 to 47.5 for all sources.
  The table of the steps above is from before a batch told by itself whether a finding has a second
  evidence: reading the bodies for that took 2 µs.
- One process per core: two workers use as much CPU per alert as one. A service manager or
  Kubernetes starts them; falcolake has no supervisor.
- zstd level -3 instead of 1: 1 µs less, files 45 % larger. No Bloom filters: 1 µs less, but a
  search for one value reads more. lz4 in staging: no faster, and twice the bytes. Not used.
- Fetches of 1 MB or 4 MB: no difference. `unmapped` as an Arrow map instead of JSON: DuckDB takes
  as long, and building it takes longer. Not used.
- uvloop 0.23 in both event loops: no difference that is larger than the noise, neither for a
  backlog (73.9 µs without, 74.9 with, medians of four runs each in turns) nor for 1,000 alerts/s
  that come one at a time (0.16 ms both, the least of three). Not used.
- The mapping compiled with mypyc, with the same results: 21.4 to 14.3 µs for 35 fields, 13.4 to
  10.7 for 17, 19.9 to 15.3 if each has values of its own, 30.9 to 20.3 for all sources, decoding
  included; the least of 42 runs each, in turns. Used in the image. The figures on this page are of
  plain Python, unless the machine's line says that the mapping is compiled.
- A CPython with profile-guided optimization, Debian's, in turns with this one: decoding takes a
  fifth less, plain mapping the same within the noise, the compiled mapping 6 to 22 % less. The
  image's Python is the official one, built with `--enable-optimizations` and `--with-lto`.
- The garbage collector: of 100,000 alerts it runs at the start only, so `gc.freeze` and
  `gc.disable` save nothing. Its threshold is set before the imports: 0.06 s less CPU at the start
  (1.58 to 1.52 s, the least of twelve in turns)."""


PEERS = """## The programs of others

`BENTO=/path/to/bento FALCOSIDEKICK=/path/to/falcosidekick make bench` measures them; without them
their rows are missing. Nothing in this project fetches or builds them. Both are built from source
with Go, in a clone of their repository:

- Bento, `github.com/warpstreamlabs/bento`, at the commit that its version names: `go build -ldflags
  "-X main.Version=$(git describe --tags)" -o bento ./cmd/bento`. A build of only the components
  `aws`, `io`, `kafka`, `prometheus`, `pure` and `pure/extended` runs the same code.
- falcosidekick, `github.com/falcosecurity/falcosidekick`: `go build -ldflags "-X
  main.GitVersion=$(git describe --tags)"`.

**Bento** (MIT, the fork of Redpanda Connect's free parts) is set up as its documentation has it:
`kafka_franz` → `mapping` → `parquet_encode` in the batching of `aws_s3`. The configuration is
`tests/bench/peers/bento.yaml`, the mapping `bento.blobl`; `python -m tests.bench.bento DIRECTORY`
writes both complete, with the columns.

- *The same*: the records, the columns, uids (UUIDv5), ATT&CK, observables, `unmapped`, `raw_data`,
  zstd, one object per day of the alerts, all processors; CPU and memory of the whole process.
- *In its favour*: its mapping knows only the fields of these alerts, checks no type or length,
  rejects nothing, and has what a rule's tags mean in a table by the rule's name. Nothing is sorted.
  Its objects are named by a random UUID.
- *Tried* with v1.20.0-10-g7825c952a, 50,000 alerts on a busy machine, CPU µs per alert: as
  committed 336 and 365; no batching in the input 364 and 406; without the split by day 367 and
  392; objects of 10,000 rows 359 and 376; dictionaries 389 and 396, with 324 bytes per alert
  instead of 418. Runs differ by 10 %. Its garbage collector trades memory for CPU: `GOGC=400` 279
  µs and 3.7 GB, `GOGC=50` 528 µs and 1.4 GB, against 2 GB.
- *Upon kill -9*: it has no state on disk and commits offsets every 5 seconds. What it put since
  then is read again and is in the lake twice, under other names; nothing is lost. See the table.

**falcosidekick** is measured twice: as what brings alerts into Kafka, and with its own output to
Security Lake. That one has no setting for an endpoint (`outputs/awssecuritylake.go`,
`types/types.go`), but the AWS SDK in it reads `AWS_ENDPOINT_URL_S3`, so it can put to the same
server; `tests/bench/sidekick.py` has all its settings.

- *The same*: the alerts, the S3 server; CPU and memory of the whole process.
- *Differs*: HTTP in place of Kafka; class 2001 of OCSF with 29 columns, all output fields as
  observables; snappy, rows as they came, one `eventDay`: today's.
- *In its favour*: a batch of 20,000 in place of its default of 1,000, which would be 3.3 alerts a
  second, and no more than its queue holds: older ones are overwritten. It looks at its queue only
  every five minutes, so alerts a second say nothing.
- *Upon kill -9*: the queue is memory. What was answered 200 and not yet put is gone. It reads its
  queue from the second alert on: the first one after a start is never put.

Corrections to their configuration are welcome."""


def page(report: Report, picture: str) -> str:
    """Return the page as Markdown; `picture` is the picture's file next to it."""
    measured = " and ".join(report.only) or "everything"
    day = datetime.fromtimestamp(report.machine["made_ms"] // 1000, UTC).strftime("%-d %B %Y")
    return (
        "\n\n".join(
            [
                "# Benchmarks",
                f"`make bench` wrote this page on {day}, from one run of {measured}.",
                f"![CPU per alert, side by side, and by backlog]({picture})",
                *map(_section, tables(report)),
                LIMITS,
                PEERS,
                "## Machine and method",
                machine(report),
                method(report),
            ]
        )
        + "\n"
    )


def _section(table: Table) -> str:
    header, *rows = ([cell.replace("|", "\\|") for cell in row] for row in table.rows)
    rule = ["---", *["--:"] * (len(header) - 1)]
    lines = ["| " + " | ".join(cells) + " |" for cells in (header, rule, *rows)]
    return "\n\n".join(filter(None, [f"## {table.heading}", table.note, "\n".join(lines)]))
