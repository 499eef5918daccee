"""Runs checks of `doctor`, one at a time."""

from streams.doctor.diagnosis import Check, Diagnosis, examine
from streams.settings.load import load
from streams.settings.settings import Settings


def changed(environment: dict[str, str], **values: object) -> Settings:
    more = {f"FALCOLAKE_{name}": str(value) for name, value in values.items()}
    return load(environment=environment | more)


def diagnose(checks: list[Check], name: str) -> list[Diagnosis]:
    """Run one of the checks, whatever it needs."""
    return list(examine([check._replace(need=None) for check in checks if check.name == name], 30))


def one(found: list[Diagnosis], level: str) -> Diagnosis:
    """The only diagnosis of a level; what is not good must have a remedy."""
    assert all(each.remedy for each in found if each.level != "good")
    (only,) = [each for each in found if each.level == level]
    return only
