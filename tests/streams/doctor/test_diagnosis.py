"""Checks run alone: none can stop the others or make them wait indefinitely."""

import threading
from collections.abc import Iterator

from streams.doctor.diagnosis import Check, Diagnosis, bad, examine, good
from streams.errors import Unavailable


def fine() -> Iterator[Diagnosis]:
    yield good("fine", "all well")


def broken() -> Iterator[Diagnosis]:
    yield good("broken", "the first part is well")
    raise ValueError("one\ntwo")


def levels(found: list[Diagnosis]) -> list[tuple[str, str]]:
    return [(each.check, each.level) for each in found]


def test_an_exception_is_a_diagnosis_and_the_others_run() -> None:
    found = list(examine([Check("broken", None, broken), Check("fine", None, fine)], 5))
    assert levels(found) == [("broken", "good"), ("broken", "bad"), ("fine", "good")]
    assert found[1].message == "the check itself failed: ValueError: one; two"


def test_an_error_of_ours_is_told_in_its_own_words() -> None:
    def away() -> Iterator[Diagnosis]:
        raise Unavailable("Kafka\ndoes not answer", "wait")
        yield

    (found,) = examine([Check("kafka", None, away)], 5)
    assert found == bad("kafka", "Kafka; does not answer", "wait")


def test_a_check_that_hangs_is_left_behind() -> None:
    release = threading.Event()

    def hanging() -> Iterator[Diagnosis]:
        release.wait(60)
        yield good("hanging", "at last")

    try:
        found = list(examine([Check("hanging", None, hanging), Check("fine", None, fine)], 0.2))
    finally:
        release.set()
    assert levels(found) == [("hanging", "bad"), ("fine", "good")]
    assert found[0].message == "no answer within 0.2 s"


def test_what_depends_on_something_bad_is_not_run() -> None:
    def never() -> Iterator[Diagnosis]:
        raise AssertionError

    checks = [Check("broken", None, broken), Check("b", "broken", never), Check("c", "b", never)]
    *_, second, third = examine(checks, 5)
    assert (second.level, second.remedy) == ("skipped", "fix broken first")
    assert (third.level, third.remedy) == ("skipped", "fix b first")
