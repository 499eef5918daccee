"""Shrinking: the smallest plan that still fails.

Every change moves the whole schedule, so what is left may fail in another way; it is a failure all
the same.
"""

from collections.abc import Callable, Iterator

from tests.simulation.plan import Plan


def shrink(plan: Plan, fails: Callable[[Plan], bool]) -> Plan:
    """Return a plan that fails, and of which nothing can be taken away."""
    while (smaller := next(filter(fails, _smaller(plan)), None)) is not None:
        plan = smaller
    return plan


def _smaller(plan: Plan) -> Iterator[Plan]:
    """Yield plans with a little less in them."""
    for number in range(len(plan.faults)):
        faults = plan.faults[:number] + plan.faults[number + 1 :]
        yield plan._replace(faults=faults)
    if plan.transactions:
        yield plan._replace(transactions=False)
    if plan.workers > 1:
        yield plan._replace(workers=plan.workers - 1)
    if plan.partitions > 1 and all(fault.who < plan.partitions - 1 for fault in plan.faults):
        yield plan._replace(partitions=plan.partitions - 1)
    for batches in (plan.batches // 2, plan.batches - 1):
        if 0 < batches < plan.batches:
            yield plan._replace(batches=batches)
