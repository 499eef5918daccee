"""falcosidekick's own output to Security Lake: HTTP to Parquet in S3, without Kafka.

Its settings have no endpoint for this output, but AWS's SDK in it reads `AWS_ENDPOINT_URL_S3`. It
keeps alerts in memory, and looks at them when it starts and then every five minutes, which is the
least that it can be set to; its queue forgets what is over 20,000 alerts. So as many as it can hold
are sent at once, as one batch, and all instances wait for the same five minutes.
"""

import asyncio
import itertools
import os
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

from streams.embedded.ports import free_ports
from streams.embedded.s3 import ACCOUNT_ID
from tests.bench import programs
from tests.bench.cost import cpu_seconds, peak_memory, until
from tests.bench.ground import Ground, alerts
from tests.bench.intake import post

#: Its queue has two segments of 10,000.
SENT = 19_900
BATCH = 20_000
SECONDS = 5 * 60 + 120


class Lake(NamedTuple):
    """What an instance put, and what it took: CPU in µs for an alert that was sent, memory in MB.

    `received` is until the last alert was queued, `put` the conversion, Parquet and the request.
    """

    name: str
    sent: int
    rows: int
    bytes: int
    columns: int
    received: float
    put: float
    memory: float


class _Instance(NamedTuple):
    process: "subprocess.Popen[bytes]"
    port: int
    run: str
    log: Path

    def says(self, words: str) -> int:
        return self.log.read_text().count(words)


def measure(ground: Ground, program: str, kinds: Mapping[str, str]) -> list[Lake]:
    """Measure alerts of each kind in an instance of its own; `kinds` has the results' names."""
    with ExitStack() as parts:
        running = {kind: _start(ground, program, parts) for kind in kinds}
        cpu: dict[str, list[float]] = {}
        for kind, one in running.items():
            cpu[kind] = [cpu_seconds(one.process.pid)]
            asyncio.run(post(one.port, itertools.islice(alerts(kind), SENT)))
            until(lambda one=one: one.says("Event queued") >= SENT, 60, "all alerts are queued")
            cpu[kind].append(cpu_seconds(one.process.pid))
        for kind, one in running.items():
            until(lambda one=one: one.says("Upload parquet file"), SECONDS, "it has put", pause=1)
            cpu[kind].append(cpu_seconds(one.process.pid))
        return [_lake(ground, kinds[kind], running[kind], cpu[kind]) for kind in kinds]


def _start(ground: Ground, program: str, parts: ExitStack) -> _Instance:
    (port,), run, s3 = free_ports(1), ground.run_name("falcosidekick"), ground.stack.s3
    log = ground.directory / f"{run}.log"
    environment = os.environ | {
        "LISTENADDRESS": "127.0.0.1",
        "LISTENPORT": str(port),
        "AWS_ACCESS_KEY_ID": s3.access_key_id,
        "AWS_SECRET_ACCESS_KEY": s3.secret_access_key,
        "AWS_REGION": s3.region,
        "AWS_ENDPOINT_URL_S3": s3.endpoint_url,
        "AWS_CHECKIDENTITY": "false",
        "AWS_SECURITYLAKE_BUCKET": ground.stack.bucket,
        "AWS_SECURITYLAKE_REGION": s3.region,
        "AWS_SECURITYLAKE_PREFIX": run,
        "AWS_SECURITYLAKE_ACCOUNTID": ACCOUNT_ID,
        "AWS_SECURITYLAKE_BATCHSIZE": str(BATCH),
    }
    page = f"http://127.0.0.1:{port}/ping"
    process = parts.enter_context(programs.serving([program], environment, page, log))
    return _Instance(process, port, run, log)


def _lake(ground: Ground, name: str, one: _Instance, cpu: list[float]) -> Lake:
    files, objects = ground.files(), ground.objects(one.run)
    footers = [pq.read_metadata(path, filesystem=files) for path in objects]
    received, put = ((later - sooner) / SENT * 1e6 for sooner, later in itertools.pairwise(cpu))
    return Lake(
        name,
        SENT,
        sum(footer.num_rows for footer in footers),
        sum(each.size for each in files.get_file_info(objects)),
        footers[0].num_columns if footers else 0,
        received,
        put,
        peak_memory(one.process.pid),
    )
