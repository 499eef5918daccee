"""Plans that once failed, shrunk, by what they found. Each stays as a regression test."""

from tests.simulation.plan import NEVER, Fault, Plan

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
        seed=1,
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
        seed=103,
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
    # Only another leader's records made a worker ask for the end of its epoch.
    "a log that is cut and just as long again blocks its partition without a new record": Plan(
        seed=596,
        partitions=3,
        workers=2,
        interval=3.0,
        max_rows=4,
        batches=21,
        transactions=True,
        conditional=True,
        faults=(
            Fault(11.1, "puts", who=1, number=1, what="unanswered"),
            Fault(27.5, "cut", number=10),
        ),
    ),
    # Staging still had the runs that the second worker had dropped, and the third took those.
    "staged records that the log lost are not taken for those that were read again": Plan(
        seed=22438,
        partitions=2,
        workers=1,
        interval=12.0,
        max_rows=1000,
        batches=20,
        transactions=False,
        conditional=True,
        faults=(
            Fault(0.0, "kill at", number=17, seconds=11.7),
            Fault(7.5, "kill", seconds=13.6),
            Fault(13.3, "cut", number=11),
        ),
    ),
    # Retention had deleted what would come next, beyond the end of the epoch that was noted.
    "a log that retention trims beyond an earlier leader's end is read on": Plan(
        seed=40423,
        partitions=1,
        workers=1,
        interval=3.0,
        max_rows=8,
        batches=13,
        transactions=False,
        conditional=True,
        faults=(
            Fault(0.0, "pause at", who=1, number=36, seconds=22.7),
            Fault(5.5, "cut", number=2),
            Fault(17.1, "retention", number=7),
        ),
    ),
    # The fetch that showed the cut of one partition had the last records of another one.
    "what one fetch has of other partitions is kept when a log was cut": Plan(
        seed=72494,
        partitions=3,
        workers=2,
        interval=6.0,
        max_rows=4,
        batches=23,
        transactions=False,
        conditional=True,
        faults=(Fault(29.8, "cut", number=2),),
    ),
    # The second process of the name had the generation of the first: only its id was another.
    "a static member that another process replaced commits nothing when it goes on": Plan(
        seed=8,
        partitions=1,
        workers=1,
        interval=3.0,
        max_rows=8,
        batches=5,
        transactions=False,
        conditional=True,
        faults=(Fault(8.2, "twin", seconds=6.4, what="while the first is paused"),),
        static=True,
    ),
    # No later flush was heard while an earlier one wanted what the log had lost.
    "a flush is heard although an earlier one wanted more than a cut log has": Plan(
        seed=300903,
        partitions=2,
        workers=2,
        interval=NEVER,
        max_rows=1000,
        batches=6,
        transactions=False,
        conditional=True,
        faults=(
            Fault(8.5, "commits", who=1, number=2, what="lost"),
            Fault(17.9, "control", what="a flush"),
            Fault(22.4, "cut", number=8),
        ),
        static=True,
        listens=True,
    ),
}
