"""Plans that once failed, shrunk, by what they found. Each stays as a regression test."""

from tests.simulation.plan import Fault, Plan

KEPT = {
    # The position after an out-of-range answer was taken for that of a seek, so nobody saw the cut.
    "a log cut and grown again within seconds blocks its partition": Plan(
        seed=116,
        partitions=2,
        workers=1,
        interval=6.0,
        max_rows=1000,
        batches=7,
        transactions=False,
        conditional=True,
        faults=(Fault(4.1, "cut", who=1, number=5),),
        epochs=False,
    ),
    # As above; here records that were never read counted as offsets without a record.
    "records written after a cut are not skipped": Plan(
        seed=312,
        partitions=1,
        workers=2,
        interval=6.0,
        max_rows=1000,
        batches=2,
        transactions=False,
        conditional=True,
        faults=(Fault(10.1, "cut", number=2),),
        epochs=False,
    ),
    # A rebalance dropped the staged records, because the log began after them by then.
    "what is staged is kept although retention has deleted it": Plan(
        seed=1417,
        partitions=2,
        workers=1,
        interval=3.0,
        max_rows=8,
        batches=13,
        transactions=False,
        conditional=True,
        faults=(
            Fault(0.0, "pause at", number=34, seconds=11.2),
            Fault(5.0, "foreign"),
            Fault(13.4, "retention", who=1, number=9),
        ),
    ),
    # The new topic was as long as the position, and idle: nothing made the worker ask for its id.
    "a topic that is recreated while its reader is idle blocks its partitions": Plan(
        seed=10137,
        partitions=2,
        workers=2,
        interval=3.0,
        max_rows=8,
        batches=18,
        transactions=True,
        conditional=True,
        faults=(
            Fault(0.0, "upgrade at", number=16, seconds=2.5),
            Fault(12.2, "join", who=1, seconds=6.5),
            Fault(12.5, "commits", number=1, what="lost"),
            Fault(27.6, "recreate", who=1),
        ),
    ),
}
