"""Makes the pictures of the status page in docs/: `make pictures`. Nothing in them is drawn.

A broker, an S3 server, two workers with short windows and a producer run for some minutes; then the
lake is cut off, and comes back. Chromium takes the pictures meanwhile. Debian's pngquant, where it
is installed, makes them a third as large.
"""

import contextlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from kafka import KafkaProducer
from selenium.webdriver import Chrome

from streams.clock import now_ns
from streams.embedded.ports import free_ports
from streams.embedded.stack import EmbeddedStack
from streams.samples import alerts
from tests.chromium import browser, picture, set_scheme, set_size
from tests.flow.proxies import S3Proxy
from tests.flow.worlds import Worker
from tests.waiting import wait_until

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
TOPIC, BUCKET = "falco-events", "security-lake"
WIDE, NARROW = (1280, 900), (420, 900)
#: Seconds of load before the picture of a busy worker.
BUSY = 200


def main() -> None:
    """Run the scene and take its pictures."""
    with tempfile.TemporaryDirectory() as made, EmbeddedStack(Path(made) / "stack") as stack:
        stack.create_topic(TOPIC, 8)
        stack.s3.create_bucket(BUCKET)
        with S3Proxy(stack.s3.port) as proxy, browser(*WIDE) as page:
            workers = [
                Worker(environment(stack, proxy, Path(made), number), Path(made) / f"{number}.log")
                for number in range(2)
            ]
            try:
                for worker in workers:
                    worker.start()
                    wait_until(lambda worker=worker: worker.readiness().get("ready"), 60, "ready")
                play(stack, proxy, workers[0], page)
            finally:
                for worker in workers:
                    worker.end()


def environment(stack: EmbeddedStack, proxy: S3Proxy, made: Path, number: int) -> dict[str, str]:
    return {
        **stack.environment(TOPIC, BUCKET),
        "PATH": "/usr/bin:/bin",
        "FALCOLAKE_LAKE__ENDPOINT_URL": proxy.endpoint_url,
        "FALCOLAKE_STAGING__PATH": str(made / f"staging-{number}"),
        "FALCOLAKE_STAGING__MAX_BYTES": "1GB",
        "FALCOLAKE_STAGING__MIN_FREE_BYTES": "1MB",
        "FALCOLAKE_KAFKA__GROUP_INSTANCE_ID": f"falcolake-{number}",
        "FALCOLAKE_WINDOW__INTERVAL": "20",
        "FALCOLAKE_WEB__PORT": str(free_ports(1)[0]),
        "FALCOLAKE_WEB__URL": f"https://falco.example.com/falcolake-{number}/",
    }


def play(stack: EmbeddedStack, proxy: S3Proxy, worker: Worker, page: Chrome) -> None:
    page.get(f"{worker.address()}/")
    wait_until(lambda: state(page).startswith("Idle"), 30, "idle on the page")
    with producing(stack.kafka_bootstrap):
        time.sleep(BUSY)
        take(page, "busy")
        take(page, "busy-dark", dark=True)
        take(page, "narrow", size=NARROW)
        proxy.away()
        wait_until(lambda: state(page) == "Held", 120, "held on the page")
        time.sleep(45)
        take(page, "held")
        take(page, "held-grey", grey=True)
        take(page, "held-narrow", size=NARROW)
    proxy.back()
    wait_until(lambda: state(page).startswith("Idle"), 180, "caught up")


def see(page: Chrome, deficiency: str) -> None:
    page.execute_cdp_cmd("Emulation.setEmulatedVisionDeficiency", {"type": deficiency})


def state(page: Chrome) -> str:
    return str(page.execute_script("return document.getElementById('state').textContent"))


def take(
    page: Chrome,
    name: str,
    size: tuple[int, int] = WIDE,
    *,
    dark: bool = False,
    grey: bool = False,
) -> None:
    """Take one picture, once the page has drawn itself again; `grey` as one who sees no colours."""
    set_scheme(page, dark=dark)
    set_size(page, *size)
    see(page, "achromatopsia" if grey else "none")
    time.sleep(4)
    path = PICTURES / f"{name}.png"
    picture(page, path)
    if shrinker := shutil.which("pngquant"):
        subprocess.run([shrinker, "--force", "--ext", ".png", "96", path], check=True)
    set_size(page, *WIDE)
    set_scheme(page, dark=False)
    see(page, "none")
    sys.stderr.write(f"wrote {name}.png\n")


@contextlib.contextmanager
def producing(bootstrap: str) -> Iterator[None]:
    """Publish samples in the background, now more, now less, some of them garbage."""
    ended = threading.Event()
    thread = threading.Thread(target=publish, args=(bootstrap, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(30)


def publish(bootstrap: str, ended: threading.Event) -> None:
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=50)
    samples = alerts(7, None, now_ns(), garbage=0.004)
    second = 0
    while not ended.wait(1):
        second += 1
        for _ in range(150 + 12 * (second % 25) + (400 if second % 60 > 50 else 0)):
            producer.send(TOPIC, next(samples))
    producer.flush(30)
    producer.close(10)


if __name__ == "__main__":
    main()
