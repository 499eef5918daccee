"""The three topics with the settings they need, and the rights on them in Amazon MSK's IAM.

`doctor` finds nothing to say of topics that are made like this.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

DAY_MS = 86_400_000


class Topic(NamedTuple):
    """A topic: the parameter that has its name, and its settings in Kafka."""

    parameter: str
    config: Mapping[str, str]
    #: Whether it has as many partitions as the parameter says; otherwise one.
    is_partitioned: bool = True


def _config(days: int, **more: str) -> dict[str, str]:
    """Keep records for days whatever their bytes, and never compact them."""
    return {
        "cleanup.policy": "delete",
        "retention.bytes": "-1",
        "retention.ms": str(days * DAY_MS),
        **{name.replace("_", "."): value for name, value in more.items()},
    }


TOPICS = (
    Topic("topic", _config(7, min_insync_replicas="2")),
    Topic("dead_letter_topic", _config(30, min_insync_replicas="2")),
    Topic("control_topic", _config(7), is_partitioned=False),
)


def msk_rights(cluster: str, topics: str, groups: str, names: Mapping[str, str]) -> dict[str, Any]:
    """Allow a worker and the commands to use the topics and the group in MSK with IAM.

    `topics` and `groups` are the beginnings of their ARNs, up to the last slash; `names` has the
    names of the topics and the group by parameter.
    """

    def allow(sid: str, resource: str, *actions: str) -> dict[str, Any]:
        named = [f"kafka-cluster:{action}" for action in actions]
        return {"Sid": sid, "Effect": "Allow", "Action": named, "Resource": resource}

    describe = ("DescribeTopic", "DescribeTopicDynamicConfiguration")
    alerts, letters, control = (f"{topics}/{names[topic.parameter]}" for topic in TOPICS)
    return {
        "Version": "2012-10-17",
        "Statement": [
            allow("Connect", cluster, "Connect", "DescribeCluster"),
            allow("ReadAlerts", alerts, "ReadData", *describe),
            allow("ReadAndWriteDeadLetters", letters, "ReadData", "WriteData", *describe),
            allow("ReadAndWriteRequests", control, "ReadData", "WriteData", *describe),
            allow("Group", f"{groups}/{names['group_id']}", "DescribeGroup", "AlterGroup"),
            allow(
                "GroupOfDoctor",
                f"{groups}/{names['group_id']}.doctor",
                *("DescribeGroup", "AlterGroup", "DeleteGroup"),
            ),
        ],
    }
