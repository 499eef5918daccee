"""A process that stages until it is killed; see `test_staging`.

Each line on standard input starts a worker on the directory given as the argument. It prints its
process id, then `ready`, then the offset that is durable after every append.
"""

import itertools
import os
import sys
from pathlib import Path

from streams.staging.staging import Staging
from streams.windows.window import resume
from tests.streams.falco_records import ACCOUNT, MAPPING, REGION, mixed, rows

SIZES = (1, 40, 3, 200, 7)


def work(path: Path) -> None:
    with Staging(path, "topic", MAPPING.version, (REGION, ACCOUNT)) as staging:
        kept = resume(0, 0, [], staging.open())
        staging.keep_only(kept)
        position = kept[-1].end if kept else 0
        os.write(1, b"ready\n")
        for number, size in enumerate(itertools.cycle(SIZES), 1):
            staging.append(rows(0, position, position + size, mixed))
            position += size
            os.write(1, b"%d\n" % position)
            if number % 20 == 0:
                staging.roll()


for _ in sys.stdin:
    child = os.fork()
    if not child:
        work(Path(sys.argv[1]))
    os.write(1, b"%d\n" % child)
    os.waitpid(child, 0)
    os.write(1, b"ended\n")
