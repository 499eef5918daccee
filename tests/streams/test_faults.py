"""Fault points: inert unless armed, refused with a real lake, exact when armed."""

import ast
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

import streams
from streams import faults
from streams.errors import Misconfigured
from streams.settings.load import load, wanted_fault
from tests.timing import cpu_seconds

LOOPBACK = "http://127.0.0.1:8333"
PASSES = """
import logging, sys
from streams import faults
logging.basicConfig(level=logging.INFO, stream=sys.stderr)
faults.arm(sys.argv[1], "http://127.0.0.1:8333")
for number in range(1, 4):
    with faults.around("put"):
        print("put", number, flush=True)
"""


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    faults.arm("", None)


def passing(wanted: str) -> subprocess.Popen[str]:
    """A process that passes three puts."""
    return subprocess.Popen(
        [sys.executable, "-c", PASSES, wanted],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("wanted", "done"),
    [("put:before:1", 0), ("put:after:1", 1), ("put:before:3", 2), ("put:after:3:kill", 3)],
)
def test_an_armed_process_dies_just_there(wanted: str, done: int) -> None:
    process = passing(wanted)
    out, log = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert out == "".join(f"put {number}\n" for number in range(1, done + 1))
    said = f"FALCOLAKE_FAULT is set: this worker will kill itself at {wanted}"
    assert f"ERROR:streams.faults:{said}" in log
    assert f"SIGKILL at {wanted.removesuffix(':kill')}" in log


def test_a_fault_that_stops_leaves_a_process_that_can_continue() -> None:
    process = passing("put:after:2:stop")
    try:
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        process.send_signal(signal.SIGCONT)
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0
    assert out == "put 1\nput 2\nput 3\n"


def test_a_fault_that_never_comes_numbers_the_passes() -> None:
    process = passing("put:before:0")
    _, log = process.communicate(timeout=60)
    assert process.returncode == 0
    seen = [line.split("passing ")[1] for line in log.splitlines() if "passing " in line]
    assert seen == [f"put:{side}:{number}" for number in (1, 2, 3) for side in ("before", "after")]


def test_unarmed_points_do_nothing_and_cost_next_to_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def pass_many() -> None:
        for _ in range(10_000):
            with faults.around("put"):
                pass

    assert cpu_seconds(pass_many) < 0.5  # 50 µs each, for an effect that takes milliseconds
    assert not caplog.records


def test_an_effect_that_raises_has_no_moment_after_it(caplog: pytest.LogCaptureFixture) -> None:
    faults.arm("put:after:1", LOOPBACK)
    with pytest.raises(OSError, match="no"), faults.around("put"):
        raise OSError("no")
    assert [record.getMessage() for record in caplog.records][1:] == ["passing put:before:1"]


@pytest.mark.parametrize("endpoint", [None, "https://s3.eu-central-1.amazonaws.com", "https://x:1"])
def test_a_fault_with_a_real_lake_is_refused(endpoint: str | None) -> None:
    with pytest.raises(Misconfigured, match="FALCOLAKE_FAULT is set") as caught:
        faults.arm("put:before:1", endpoint)
    assert "unset FALCOLAKE_FAULT" in caught.value.hint


@pytest.mark.parametrize("endpoint", [LOOPBACK, "http://localhost:1", "http://[::1]:9000"])
def test_a_lake_on_loopback_may_have_faults(endpoint: str | None) -> None:
    faults.arm("put:before:7", endpoint)


@pytest.mark.parametrize(
    "wanted", ["put", "put:before", "push:before:1", "put:during:1", "put:after:-1", "put:after:x",
               "put:after:1:explode", "put:after:1:stop:now", ":::"],
)  # fmt: skip
def test_an_unknown_fault_point_is_refused(wanted: str) -> None:
    with pytest.raises(Misconfigured, match="not a fault point"):
        faults.arm(wanted, LOOPBACK)


def test_the_settings_read_the_variable_but_it_is_not_a_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert wanted_fault() == ""
    monkeypatch.setenv("FALCOLAKE_FAULT", "put:after:1")
    assert wanted_fault() == "put:after:1"
    assert load().warnings() == load(environment={}).warnings()


def test_every_effect_has_its_one_place_in_the_code() -> None:
    marked = Counter(
        node.args[0].value
        for path in Path(streams.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "faults.around"
        if isinstance(node.args[0], ast.Constant)
    )
    assert marked == dict.fromkeys(get_args(faults.Effect), 1)
