"""Ways to lose or double records that the protocol once had, put back one at a time.

`python -m tests.simulation.mutations` shows after how many schedules the simulation finds each.
"""

from tests.mutation.protocol import LEDGER, TAKEOVER, Edit, Mutation

STORE, TRANSPORT = "streams/lake/store.py", "streams/worker/transport.py"

OCCUPIED = """\
                if conditional and code_of(error) == EXISTS:
                    self._compare(key, file, made, self._head(key))
"""
PROVED = "                self._prove(key, file, made, answer)\n"
LOOKED_UP = "        partition.blocked = LOOKING  # its runs stay staged until then\n"
RECREATED = "    elif seal.topic_id and found.topic_id and seal.topic_id != found.topic_id:\n"
CUT = "        partition.cut = seal.cut_at(committed, found.noted_end)\n"
ENDS = "    look_at_end(partition, found.end)\n    if partition.is_open:\n"
SAME_TOPIC = "        if run.topic_id == found.topic_id\n        and run.end"
EACH_EPOCH = "{tp: staged.get(tp.partition, frozenset()) for tp in tps}"
ASKED = "        epoch, before, targets = self.epoch, self._positions(), dict(self._targets)\n"

MEMBER = "    return Membership(coordinator.generation, coordinator.member_id, assignment)\n"
REACHABLE = "                    self._targets[number] = min(targets[number], found[number].end)\n"

LOSSES = [
    Mutation(
        "412 is success, whatever is under the key",
        [Edit(STORE, OCCUPIED, "                if conditional and code_of(error) == EXISTS:\n")],
    ),
    Mutation("200 is success, whoever answers it", [Edit(STORE, PROVED, "                pass\n")]),
    Mutation(
        "a group without offsets starts where the log does",
        [Edit(TAKEOVER, LOOKED_UP, "        pass\n")],
    ),
    Mutation(
        "committed offsets of a topic that was recreated are believed",
        [Edit(TAKEOVER, RECREATED, "    elif seal.version is None:\n")],
    ),
    Mutation(
        "staged records of a topic that was recreated are kept",
        [Edit(TAKEOVER, SAME_TOPIC, "        if run.end")],
    ),
    Mutation(
        "a log that ends before the commit is read on at takeover",
        [Edit(TAKEOVER, ENDS, "    if partition.is_open:\n")],
    ),
    Mutation(
        "a cut is neither remembered nor looked for in leader epochs",
        [Edit(TAKEOVER, CUT, "        partition.cut = None\n")],
    ),
    Mutation(
        "only the newest leader epoch of staged records is asked for",
        [
            Edit(
                TRANSPORT,
                EACH_EPOCH,
                "{tp: set(sorted(staged.get(tp.partition, ()))[-1:]) for tp in tps}",
            )
        ],
    ),
    Mutation(
        "a running worker asks for neither ends nor the topic's id",
        [Edit(LEDGER, ASKED, "        return\n" + ASKED)],
    ),
    Mutation(
        "static members of one name are told apart by the generation alone",
        [Edit(TRANSPORT, MEMBER, MEMBER.replace("coordinator.member_id", '""'))],
    ),
    Mutation(
        "a flush beyond where the log was cut is waited for",
        [Edit(LEDGER, REACHABLE, "                    pass\n")],
    ),
]
