"""A record costs time in proportion to its size, whatever is in it."""

from collections.abc import Callable

import pytest

from schemas.mapping import Mapping, Options
from schemas.memory import remembered
from tests.hostile.forms import FORMS, LONG
from tests.timing import cpu_seconds

#: About how many bytes the smallest record has, and how much larger the others are.
SMALLEST = 10_000
TIMES_LARGER = (1, 4, 16)

#: How much more a byte may cost in the largest record than in the smallest. Quadratic time has 16.
MOST_GROWTH = 4.0
#: Seconds of CPU for a megabyte, on a machine that runs other tests too; alone it takes 0.2.
MOST_SECONDS = 2.0


def seconds_per_byte(form: Callable[[int], bytes], size: int, version: str) -> float:
    """Return the CPU time per byte in a mapping with empty caches."""
    value = form(size)

    def once() -> float:
        remembered.clear()
        mapping = Mapping(Options(ocsf_version=version))
        return cpu_seconds(lambda: mapping.map(value, 0), times=1)

    return min(once() for _ in range(2)) / len(value)


@pytest.mark.parametrize(
    ("form", "version"),
    [
        *(pytest.param(FORMS[name], "1.1.0", id=f"{name} 1.1.0") for name in FORMS),
        *(pytest.param(form, "1.8.0", id=name) for name, form in (FORMS | LONG).items()),
    ],
)
def test_time_grows_no_faster_than_a_record(form: Callable[[int], bytes], version: str) -> None:
    costs = [seconds_per_byte(form, times * SMALLEST, version) for times in TIMES_LARGER]
    assert max(costs) <= MOST_SECONDS / 1e6
    # A record costs some 50 microseconds whatever its size is.
    assert max(costs[1:]) <= MOST_GROWTH * (costs[0] + 5e-9)
