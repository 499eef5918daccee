"""Print which file maps here, and a digest of what alerts become, for each set of options.

The alerts are those of the benchmarks, and hostile records. `test_dist.py` runs this twice:
`python -m tests.packaging.findings`.
"""

import hashlib
import itertools
from dataclasses import replace

import schemas.mapping
from schemas.mapping import Mapping, Options
from schemas.sources.place import Place
from tests.bench.ground import ALL_VARIED, MIX, STOCK, SYSCALL, alerts
from tests.hostile.inputs import records
from tests.schemas.kinds import KINDS

COUNT = 2_000
PLACED = Options(
    location="alert",
    minimum_priority="notice",
    tenant_uid="tenant",
    place=Place("AWS", "123456789012", "eu-central-1", "blue"),
    fields=(("proc.env", "metadata.labels[]"), ("proc.args", "resources[].name")),
)


def main() -> None:
    """Print them."""
    print(schemas.mapping.__file__)
    kinds = (SYSCALL, STOCK, MIX, ALL_VARIED)
    values = [
        *((value, 0) for kind in kinds for value in itertools.islice(alerts(kind), COUNT)),
        *((record.value, record.timestamp) for record in records(1, COUNT)),
    ]
    for event_class, version in KINDS:
        for options in (Options(), PLACED):
            mapping = Mapping(replace(options, event_class=event_class, ocsf_version=version))
            digest = hashlib.sha256()
            for value, timestamp in values:
                digest.update(repr(mapping.map(value, timestamp)).encode())
            print(mapping.version, digest.hexdigest())


if __name__ == "__main__":
    main()
