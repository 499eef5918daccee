"""The development stack for real: `make test-compose`.

The tests are steps of one run, in this order, on one stack.
"""

import re
import signal
from collections.abc import Iterator

import pytest

from tests.compose import engine as docker
from tests.compose import standins
from tests.compose.engine import Engine, EngineError
from tests.compose.files import COMPOSE, read
from tests.compose.stack import Stack
from tests.compose.test_dashboard import filled, panels
from tests.waiting import wait_until

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

FIRST, SECOND = 20_000, 6_000


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    if reason := docker.obstacle():
        pytest.fail(f"no Docker engine can be started here: {reason}")
    docker.install()
    # A SIGTERM, for example of a job's timeout, must not leave the engine behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with Engine() as running:
        standins.build(running)
        yield running


@pytest.fixture(scope="module")
def stack(engine: Engine) -> Iterator[Stack]:
    with Stack(engine) as running:
        yield running


def records(stack: Stack) -> dict[str, int]:
    """Return the audit's totals; the audit found no problem, or it would have failed."""
    found = stack.audit()
    return {name: found[name] for name in ("records", "findings", "rejects", "filtered")}


def test_everything_is_healthy_and_init_has_ended(stack: Stack) -> None:
    states = {each["Service"]: (each["State"], each["Health"]) for each in stack.containers()}
    assert states.pop("init") == ("exited", "")
    assert states.keys() == {"kafka", "s3", "worker", "prometheus"}
    assert set(states.values()) == {("running", "healthy")}


def test_the_doctor_finds_no_problem(stack: Stack) -> None:
    assert re.search(r"\d+ good, 1 warning, 0 bad", stack.inside("falcolake", "doctor"))


def test_the_worker_is_nobody_and_can_write_its_staging_alone(stack: Stack) -> None:
    assert stack.inside("id", "-u").strip() == "10001"
    stack.inside("touch", "/var/lib/falcolake/test")
    stack.inside("rm", "/var/lib/falcolake/test")
    for path in ("/opt/falcolake/test", "/etc/falcolake/test", "/test"):
        with pytest.raises(EngineError, match=r"Read-only file system|Permission denied"):
            stack.inside("touch", path)


def test_what_is_produced_is_in_the_lake_once_it_was_flushed(stack: Stack) -> None:
    stack.falcolake("produce", "--count", str(FIRST), "--garbage", "0.01")
    stack.inside("falcolake", "flush")
    found = records(stack)
    assert found["records"] == FIRST
    assert found["rejects"] > 0


def test_a_worker_killed_under_load_loses_and_doubles_nothing(stack: Stack) -> None:
    producer = stack.producing("--count", str(SECOND), "--rate", "1000", "--seed", "2")
    try:
        staged = "sum(falcolake_staged_records_total)"
        wait_until(lambda: total(stack, staged) > FIRST, 60, "records of the second load staged")
        stack.compose("kill", "--signal", "KILL", "worker")
        stack.up()
        assert producer.wait(120) == 0
    finally:
        producer.kill()
    stack.compose("restart", "worker")
    stack.up()
    stack.inside("falcolake", "flush", "--timeout", "120")
    assert records(stack)["records"] == FIRST + SECOND


def total(stack: Stack, expression: str) -> float:
    result = stack.prometheus("query", query=expression)["result"]
    return sum(float(each["value"][1]) for each in result)


def test_prometheus_sees_the_worker(stack: Stack) -> None:
    (target,) = stack.prometheus("targets")["activeTargets"]
    assert target["health"] == "up"


def test_prometheus_has_every_rule(stack: Stack) -> None:
    (wanted,) = read(COMPOSE / "prometheus" / "prometheus.yaml")["rule_files"]
    names = {
        rule["alert"]
        for group in read(COMPOSE / "prometheus" / wanted)["groups"]
        for rule in group["rules"]
    }
    groups = stack.prometheus("rules")["groups"]
    loaded = {rule["name"]: rule["health"] for group in groups for rule in group["rules"]}
    assert loaded.keys() == names
    assert "err" not in loaded.values()


def test_every_panel_has_an_answer(stack: Stack) -> None:
    """Ask Prometheus what Grafana would ask; Grafana itself does not run here."""
    empty = set()
    for panel in panels():
        if "falcolake_receive_" in panel["targets"][0]["expr"]:
            continue  # the receiver is in other profiles
        asked = [filled(target["expr"]) for target in panel["targets"]]
        if not any(stack.prometheus("query", query=each)["result"] for each in asked):
            empty.add(panel["title"])
    assert empty <= {
        "Held, blocked or waiting for",
        "Time until data loss",
        "Retention headroom",
        "Failed shipping attempts",
    }


def test_the_demo_profile_produces_until_it_is_stopped(stack: Stack) -> None:
    stack.up("producer")
    staged = 'sum(rate(falcolake_staged_records_total{job="falcolake"}[30s]))'
    wait_until(lambda: total(stack, staged) > 5, 90, "records of the producer staged")
    stack.compose("rm", "--stop", "--force", "producer")


def test_the_data_outlives_the_containers(stack: Stack) -> None:
    stack.inside("falcolake", "flush", "--timeout", "120")
    before = records(stack)
    assert before["records"] > FIRST + SECOND
    stack.compose("down", "--timeout", "10")
    stack.up()
    assert records(stack) == before


def test_down_with_volumes_leaves_nothing(stack: Stack, engine: Engine) -> None:
    stack.compose("down", "--volumes", "--timeout", "10")
    assert stack.containers() == []
    assert engine.docker("volume", "ls", "--quiet").split() == []
    assert "falcolake" not in engine.docker("network", "ls")
