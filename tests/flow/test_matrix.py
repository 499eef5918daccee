"""The fault matrix: a worker killed at any effect leaves the same lake as an undisturbed run."""

import secrets
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from streams.embedded.stack import BrokerName, EmbeddedStack
from tests.flow.matrix import (
    EFFECTS,
    OTHER_ROWS,
    POINTS,
    REJECTS,
    SIDES,
    WINDOWS,
    Course,
    Outcome,
    Point,
    Step,
    lives,
    sampled,
    side_by_side,
)
from tests.flow.worlds import Stored, read_object

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

#: Other findings of the same records: the mapping's version differs.
OTHER_MAPPING: dict[str, Any] = {"MAPPING__TENANT_UID": "other"}
PAIRS = 4

Record = Callable[[str, object], None]


@pytest.fixture(scope="module")
def course(stack: EmbeddedStack, tmp_path_factory: pytest.TempPathFactory) -> Course:
    """The input, published once."""
    made = Course(stack, tmp_path_factory.mktemp("matrix"), stack.environment())
    made.prepare()
    return made


@pytest.fixture(scope="module")
def undisturbed(course: Course) -> Outcome:
    """The outcome of an undisturbed run."""
    return course.run(FAULT="put:before:0")


def same(one: Outcome, other: Outcome) -> None:
    """Assert the same keys, bytes and dead letters."""
    assert one.lake.keys() == other.lake.keys()
    assert [key for key in one.lake if one.lake[key] != other.lake[key]] == []
    assert one.letters == other.letters


def stored(lake: Outcome) -> list[Stored]:
    return [read_object(key, body) for key, body in lake.lake.items()]


def once(course: Course, found: Outcome) -> set[tuple[int, int, int]]:
    """Assert each alert once, no holes or overlaps, a letter per reject; return the windows."""
    objects = stored(found)
    counted = Counter(number for each in objects for number in each.numbers)
    assert counted == Counter(course.alerts)
    windows = {each.window for each in objects}
    for partition, end in ((0, 100), (1, 40)):
        reached = 0
        for _, first, until in sorted(each for each in windows if each[0] == partition):
            assert first == reached, f"hole or overlap at {partition}:{first}"
            reached = until
        assert reached == end
    assert found.letters == REJECTS
    return windows


def test_the_undisturbed_run_is_what_the_matrix_expects(
    course: Course, undisturbed: Outcome
) -> None:
    assert once(course, undisturbed) == WINDOWS
    assert len(undisturbed.lake) == EFFECTS["put"]
    may_be_more = ("append", "seal", "unlink")
    for effect, expected in EFFECTS.items():
        seen = undisturbed.passes[effect]
        assert seen == expected or (effect in may_be_more and seen > expected), effect
    assert undisturbed.passes.keys() == EFFECTS.keys()


def test_two_undisturbed_runs_leave_the_same_bytes(course: Course, undisturbed: Outcome) -> None:
    same(course.run(), undisturbed)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("effect", EFFECTS)
def test_killed_at_any_effect_the_lake_is_that_of_an_undisturbed_run(
    course: Course,
    undisturbed: Outcome,
    effect: str,
    side: str,
    broker: BrokerName,
    record_property: Record,
) -> None:
    def check(step: Step) -> None:
        found = course.run([step])
        assert found.crashes == 1
        same(found, undisturbed)

    points = [point for point in POINTS if point[:2] == (effect, side)]
    steps = lives(points, broker)
    side_by_side([lambda step=step: check(step) for step in steps])
    record_property("fault matrix: points", len(points))
    record_property("fault matrix: runs of a point with staging kept or lost", len(steps))


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("effect", EFFECTS)
def test_a_worker_of_other_limits_keeps_to_the_windows_that_were_sealed(
    course: Course, effect: str, side: str, broker: BrokerName, record_property: Record
) -> None:
    """Only the seals in Kafka tell it; without them the lake would have findings twice."""

    def check(step: Step) -> None:
        found = course.run([step], WINDOW__MAX_ROWS=OTHER_ROWS)
        assert found.crashes == 1
        windows = once(course, found)
        if effect not in ("append", "seal"):
            assert windows & WINDOWS, "no window of the worker before"

    steps = lives([Point(effect, side, 1)], broker)
    side_by_side([lambda step=step: check(step) for step in steps])
    record_property("fault matrix: runs that end with other limits", len(steps))


@pytest.mark.parametrize("part", range(3))
def test_two_faults_in_a_row_leave_the_lake_of_an_undisturbed_run(
    course: Course,
    undisturbed: Outcome,
    part: int,
    record_property: Record,
    pytestconfig: pytest.Config,
) -> None:
    given = pytestconfig.getoption("fault_seed")
    seed = secrets.randbelow(10**6) if given is None else given + part
    crashes = []

    def check(steps: tuple[Step, Step]) -> None:
        found = course.run(steps)
        crashes.append(found.crashes)
        same(found, undisturbed)

    print(f"--fault-seed {seed - part}, part {part}")
    side_by_side([lambda pair=pair: check(pair) for pair in sampled(seed, PAIRS)])
    assert min(crashes) >= 1
    assert max(crashes) == 2
    record_property("fault matrix: pairs of faults", PAIRS)
    record_property("fault matrix: of those, second faults that came", sum(crashes) - PAIRS)
    record_property(f"fault matrix: pairs [{part}] sampled with --fault-seed", seed - part)


@pytest.fixture(scope="module")
def undisturbed_other(course: Course) -> Outcome:
    """The outcome of an undisturbed run of the other mapping."""
    return course.run(**OTHER_MAPPING)


@pytest.mark.parametrize("effect", ["claim", "put"])
@pytest.mark.parametrize("back", [False, True], ids=["goes-on", "the-first-is-back"])
def test_windows_that_two_mappings_put_are_of_the_last_one_alone(
    course: Course,
    undisturbed: Outcome,
    undisturbed_other: Outcome,
    effect: str,
    back: bool,
    record_property: Record,
) -> None:
    """One mapping seals and puts; another claims and overwrites; either ships the rest."""
    assert undisturbed.lake != undisturbed_other.lake

    def check(side: str, kept: bool) -> None:
        first = Step(Point("put", "after", 1), kept)
        second = Step(Point(effect, side, 1), kept, OTHER_MAPPING)
        found = course.run([first, second], **({} if back else OTHER_MAPPING))
        assert found.crashes == 2
        same(found, undisturbed if back else undisturbed_other)

    cases = [(side, kept) for side in SIDES for kept in (True, False)]
    side_by_side([lambda case=case: check(*case) for case in cases])
    record_property("fault matrix: runs with two mappings", len(cases))
