"""How often objects are put. Pure.

Security Lake asks for objects every five minutes to every day; more often only if each is larger
than 256 MB. Source: "Collecting data from custom sources" in the Security Lake user guide.
"""

from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise

from streams.lake.keys import parse_key
from streams.lake.store import StoredObject

#: Windows of five minutes are put a little less than that apart when the first of two took longer.
LEAST_MS = 270_000
LARGE = 256_000_000


def too_often(objects: Iterable[StoredObject]) -> int:
    """Return how many small objects were put soon after another of their partition and day.

    Objects without a time, or with a key of another form, do not count.
    """
    times: dict[tuple[str, ...], list[tuple[int, int]]] = defaultdict(list)
    for found in objects:
        prefix = found.key.partition("/region=")[0]
        key = parse_key(found.key, prefix)
        if key is not None and found.written_ms:
            place = (prefix, *key[:4], f"{key.partition}")
            times[place].append((found.written_ms, found.size))
    return sum(
        later - earlier < LEAST_MS and size <= LARGE
        for each in times.values()
        for (earlier, _), (later, size) in pairwise(sorted(each))
    )
