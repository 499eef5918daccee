"""Runs a soak and prints its report; exit code 1 on any difference.

`python -m tests.soak MINUTES [SEED]`: its own workers, broker and S3 server, a steady producer, and
one fault after the other from a printed seed. Then all faults end, and the lake is audited and
compared with the topic record by record. If something is wrong, its data stays where it says.
"""

import contextlib
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from streams.embedded.ports import HOST, free_ports
from streams.embedded.s3 import S3Server
from streams.embedded.stack import EmbeddedStack
from streams.settings.load import load
from tests.flow.proxies import KafkaProxy, S3Proxy
from tests.flow.worlds import World
from tests.soak.faults import Fleet, Nemesis
from tests.soak.producer import Producer
from tests.soak.verdict import Verdict, judge

PARTITIONS = 6
RATE = 150
WORKERS = 4
SETTINGS: dict[str, object] = {
    "WINDOW__INTERVAL": 3,
    "WINDOW__MAX_ROWS": 2000,
    "STAGING__MAX_BYTES": 100_000_000,
    "KAFKA__SESSION_TIMEOUT": 6,
    "KAFKA__HEARTBEAT_INTERVAL": 0.5,
    "WEB__PORT": 0,
}
#: Seconds of the one long outage of the broker and of the lake, if the soak is long enough.
LONG = 150
#: Seconds the workers have to catch up once all faults have ended.
CATCH_UP = 300


def say(words: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {words}", flush=True)


def main(minutes: float, seed: int) -> int:
    """Soak, judge, report."""
    say(f"a soak of {minutes:g} minutes, seed {seed}")
    directory = Path(tempfile.mkdtemp(prefix="falcolake-soak-"))
    dice = random.Random(seed)
    with _world(directory) as (world, stack, s3, kafka):
        # Observers bypass the proxies.
        direct = load(environment={**os.environ, **stack.environment()})
        fleet = Fleet(world, WORKERS, SETTINGS)
        nemesis = Nemesis(dice, fleet, stack, s3, kafka, say)
        producer = Producer(stack.kafka_bootstrap, world.topic, RATE, random.Random(seed))
        began = time.monotonic()
        _soak(minutes * 60, fleet, nemesis, producer)
        caught_up = _catch_up(world, fleet)
        verdict = judge(world, direct, producer.sent, producer.garbage)
        clean = caught_up and verdict.clean and not fleet.fallen
        _report(time.monotonic() - began, fleet, nemesis, producer, verdict, clean=clean)
    if clean:
        shutil.rmtree(directory)
    else:
        say(f"its data is in {directory}; to repeat the same faults: SEED={seed}")
    return 0 if clean else 1


@contextlib.contextmanager
def _world(directory: Path) -> Iterator[tuple[World, EmbeddedStack, S3Proxy, KafkaProxy]]:
    """Yield a world whose workers reach a stack's servers through proxies."""
    os.environ["AWS_ACCESS_KEY_ID"] = S3Server.access_key_id
    os.environ["AWS_SECRET_ACCESS_KEY"] = S3Server.secret_access_key
    os.environ["AWS_DEFAULT_REGION"] = S3Server.region
    (port,) = free_ports(1)
    with (
        KafkaProxy(port) as kafka,
        EmbeddedStack(
            directory / "stack",
            kafka_port=port,
            partitions=PARTITIONS,
            advertised_port=kafka.port,
        ) as stack,
        S3Proxy(stack.s3.port) as s3,
    ):
        environment = {
            **os.environ,
            **stack.environment(),
            "FALCOLAKE_KAFKA__BOOTSTRAP_SERVERS": f"{HOST}:{kafka.port}",
            "FALCOLAKE_LAKE__ENDPOINT_URL": s3.endpoint_url,
        }
        client = stack.s3.client()
        world = World(
            stack.kafka_bootstrap, stack.topic, client, stack.bucket, environment, directory
        )
        try:
            yield world, stack, s3, kafka
        finally:
            world.close()


def _soak(seconds: float, fleet: Fleet, nemesis: Nemesis, producer: Producer) -> None:
    """Produce, and inject one fault after the other for this long."""
    for worker in fleet.workers[:2]:
        fleet.start(worker)
    producer.start()
    began = time.monotonic()
    long = [(0.4, "broker killed"), (0.7, "lake away")] if seconds > 5 * LONG else []
    try:
        while (gone := time.monotonic() - began) < seconds:
            if long and gone > long[0][0] * seconds:
                wanted = long[0][1]
                before = nemesis.begun[wanted]
                nemesis.begin(wanted, LONG)
                if nemesis.begun[wanted] > before:
                    long.pop(0)
            nemesis.tick()
            fleet.look()
            time.sleep(0.2)
    finally:
        nemesis.end_all()
        producer.stop()
    say("no more faults, and nothing more is produced")


def _catch_up(world: World, fleet: Fleet) -> bool:
    """Wait until the committed offsets say that everything is in the lake."""
    if not fleet.running:
        fleet.start(fleet.workers[0])
    deadline = time.monotonic() + CATCH_UP
    while time.monotonic() < deadline:
        fleet.look()
        if world.shipped():
            return True
        time.sleep(0.5)
    say(f"not everything was shipped within {CATCH_UP} s: {world.committed()} of {world.ends()}")
    for worker in fleet.running:
        print(worker.log.name, worker.readiness(), worker.tail())
    return False


def _report(
    seconds: float,
    fleet: Fleet,
    nemesis: Nemesis,
    producer: Producer,
    verdict: Verdict,
    *,
    clean: bool,
) -> None:
    found = verdict.audit
    print(f"\nfaults    {nemesis.begun.total()}")
    for name, count in sorted(nemesis.begun.items()):
        print(f"          {count:3} {name}")
    print(
        f"produced  {producer.sent:,} alerts and {producer.garbage:,} that are not alerts, "
        f"{producer.again:,} sent again; the topic has {verdict.records:,} records, "
        f"{verdict.doubled_by_producer:,} of them doubled by the producer\n"
        f"lake      {found.counts.findings:,} findings in {found.objects:,} objects of "
        f"{found.windows:,} windows; {found.counts.rejects:,} rejects\n"
        f"workers   at most {fleet.peak_memory:,.0f} MB of memory and {fleet.peak_staging:,.1f} MB "
        f"of staging each; ended unexpectedly: {len(fleet.fallen)}\n"
        f"seconds   {seconds:,.0f}\n"
        f"audit     {found}"
    )
    for problem in found.problems:
        print(f"          {problem.plain()}")
    for each in (*verdict.differences, *fleet.fallen):
        print(f"DIFFERENT {each}")
    print(
        f"verdict   {'clean: every record once, none missing' if clean else 'NOT clean'}",
        flush=True,
    )


if __name__ == "__main__":
    _given = sys.argv[1:]
    sys.exit(
        main(
            float(_given[0]) if _given else 30,
            int(_given[1]) if len(_given) > 1 else random.SystemRandom().randrange(10**6),
        )
    )
