"""Two real workers: the page of each shows both, and one that does not answer."""

import json
import os
import signal
import urllib.request
from typing import Any

from tests.flow.worlds import Worker, World, alert
from tests.waiting import wait_until

ADDRESS = "https://falco.example.com/1/"


def fleet(worker: Worker) -> dict[str, Any]:
    with urllib.request.urlopen(f"{worker.address()}/fleet.json", timeout=10) as answer:
        return json.load(answer)


def verdicts(worker: Worker) -> list[bool | None]:
    return sorted((each["answers"] for each in fleet(worker)["workers"]), key=str)


def now(worker: Worker) -> int:
    """Look at its page, and return its time."""
    return int(fleet(worker)["now"])


def questions(worker: Worker) -> float:
    """How many questions it has read."""
    return worker.scrape().get(("control_messages_total", "ask"), 0)


def test_the_page_of_any_worker_shows_all_and_one_that_does_not_answer(world: World) -> None:
    one = world.worker("one", KAFKA__SESSION_TIMEOUT=30).start()
    more = {"KAFKA__SESSION_TIMEOUT": 30, "WEB__URL": ADDRESS}
    other = world.worker("other", **more).start()
    wait_until(lambda: one.readiness().get("partitions"), 60, "one has partitions")
    wait_until(lambda: other.readiness().get("partitions"), 60, "the other has some")
    world.publish([alert(n) for n in range(90)])
    world.wait_until_shipped()
    assert questions(one) == questions(other) == 0, "nobody has looked"
    for asking in (one, other):  # the second one finds the answers to the first one's question
        wait_until(lambda asking=asking: verdicts(asking) == [True, True], 30, "both answer")
        assert fleet(asking)["trouble"] == ""
        rows = {each["own"]: each for each in fleet(asking)["workers"]}
        assert rows.keys() == {True, False}
        owned = [rows[own]["partitions"] for own in (True, False)]
        assert sorted(owned[0] + owned[1]) == [0, 1, 2]
        assert owned[0] == asking.readiness()["partitions"]
        assert {row["lag"] for row in rows.values()} == {0}
        assert all(row["version"] for row in rows.values())
        addresses = {row["address"] for row in rows.values()}
        assert addresses == {"", ADDRESS}
    asked = questions(one)
    before = now(one)
    wait_until(lambda: max(map(now, [one, other] * 5)) > before + 6_000, 30, "many viewers")
    # 6 seconds and a bit: two questions, and a third if both ask within the same second.
    assert 1 <= questions(one) - asked <= 3
    assert other.process is not None
    os.kill(other.process.pid, signal.SIGSTOP)
    wait_until(lambda: verdicts(one) == [False, True], 40, "the other is silent")
    silent = next(each for each in fleet(one)["workers"] if not each["answers"])
    assert silent["heard"] >= before
    assert silent["partitions"]
    os.kill(other.process.pid, signal.SIGCONT)
    assert other.stop() == 0
    wait_until(lambda: verdicts(one) == [True], 60, "it has left")
    assert one.starts() == 1
