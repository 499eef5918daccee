"""The audit of a large lake: seconds, CPU, memory, requests.

`python -m tests.bench.audit [OBJECTS]` fills a bucket of the embedded S3 server with windows of
eight partitions, an object of ten findings each, written as a worker writes it and copied with
other bounds; then runs `falcolake audit --no-kafka` on it, in its own process. Then it removes one
object and checks that the audit finds just that.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from streams.embedded.s3 import ACCOUNT_ID, EmbeddedS3
from streams.settings.load import load
from tests.streams.lake_writer import LakeWriter

PARTITIONS = 8
ROWS = 10
#: Bounds have the same number of digits in every window, so that they can be replaced in place.
BASE = 10**9


def fill(writer: LakeWriter, objects: int) -> int:
    """Put this many objects; return the size of one."""
    (template,) = writer.window(0, BASE, BASE + ROWS)
    body = writer.lake.read(template)
    writer.delete(template)
    says = b"partition\x18\x010"
    assert body.count(says) == 1, "the footer says the partition in another way"

    def put(number: int) -> None:
        partition, window = number % PARTITIONS, number // PARTITIONS
        first, end = (BASE + ROWS * each for each in (window, window + 1))
        key = template.replace("-00000-", f"-{partition:05d}-")
        key = key.replace(f"{BASE + ROWS}", f"{end}").replace(f"{BASE}", f"{first}")
        own = body.replace(says, says[:-1] + f"{partition}".encode())
        own = own.replace(f"{BASE + ROWS}".encode(), f"{end}".encode())
        writer.put(key, own.replace(f"{BASE}".encode(), f"{first}".encode()))

    with ThreadPoolExecutor(8) as threads:
        for _ in threads.map(put, range(objects)):
            pass
    return len(body)


def audit(environment: dict[str, str]) -> tuple[dict[str, Any], float, Any]:
    """Run the command; return its findings, its duration and its resource use."""
    with tempfile.TemporaryFile() as output:
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "cli", "audit", "--no-kafka", "--json"],
            env=environment,
            stdout=output,
        )
        _, _, used = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        output.seek(0)
        return json.load(output), seconds, used


def main(objects: int = 100_000) -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as name, EmbeddedS3(Path(name) / "s3") as s3:
        s3.create_bucket("lake")
        environment = {
            **os.environ,
            "AWS_ACCESS_KEY_ID": s3.access_key_id,
            "AWS_SECRET_ACCESS_KEY": s3.secret_access_key,
            "FALCOLAKE_LAKE__BUCKET": "lake",
            "FALCOLAKE_LAKE__REGION": s3.region,
            "FALCOLAKE_LAKE__ACCOUNT_ID": ACCOUNT_ID,
            "FALCOLAKE_LAKE__ENDPOINT_URL": s3.endpoint_url,
        }
        os.environ.update(environment)
        writer = LakeWriter(load(environment=environment), Path(name) / "writer")
        began = time.monotonic()
        size = fill(writer, objects)
        print(f"{objects:,} objects of {size:,} bytes, put in {time.monotonic() - began:,.0f} s")
        found, seconds, used = audit(environment)
        assert found["problems"] == [], found["problems"][:3]
        assert (found["objects"], found["findings"]) == (objects, ROWS * objects)
        print(
            f"  audit  {seconds:8,.1f} s, {objects / seconds:,.0f} objects/s\n"
            f"         {used.ru_utime + used.ru_stime:8,.1f} s of CPU\n"
            f"         {used.ru_maxrss / 1000:8,.0f} MB of memory, its largest process\n"
            f"         requests: {found['requests']}",
            flush=True,
        )
        gone = f"{BASE + ROWS * (objects // PARTITIONS // 2):020d}-"
        listed = [each.key for each in writer.lake.objects() if gone in each.key]
        writer.delete(listed[0])
        found, _, _ = audit(environment)
        (problem,) = found["problems"]
        print(f"  one object taken away: {problem['kind']} [{problem['first']}, {problem['end']})")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
