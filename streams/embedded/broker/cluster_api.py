"""Handlers of requests about the broker itself."""

import uuid
from typing import Any

from kafka.protocol.admin import DescribeClusterResponse
from kafka.protocol.metadata import FindCoordinatorResponse, MetadataResponse
from kafka.protocol.producer import InitProducerIdResponse

from streams.embedded.broker.broker import NODE_ID, Broker
from streams.embedded.broker.errors import ErrorCode, Refusal
from streams.embedded.broker.log import PartitionLog
from streams.embedded.broker.topics import Topic
from streams.embedded.broker.wire import Call

_GROUP_KEY = 0
_NO_TRANSACTIONS = "this development broker has no transactions"


def _partition(index: int, log: PartitionLog) -> Any:
    return MetadataResponse.MetadataResponseTopic.MetadataResponsePartition(
        partition_index=index,
        leader_id=NODE_ID,
        leader_epoch=log.leader_epoch,
        replica_nodes=[NODE_ID],
        isr_nodes=[NODE_ID],
        offline_replicas=[],
    )


def _described(broker: Broker, name: str, create: bool) -> Any:
    try:
        topic = _find_or_create(broker, name, create)
    except Refusal as error:
        return MetadataResponse.MetadataResponseTopic(
            error_code=error.code, name=name, partitions=[]
        )
    return MetadataResponse.MetadataResponseTopic(
        name=name,
        topic_id=uuid.UUID(topic.id),
        partitions=[_partition(index, log) for index, log in enumerate(topic.logs)],
    )


def _find_or_create(broker: Broker, name: str, create: bool) -> Topic:
    if create and broker.auto_create and name not in broker.topics:
        return broker.topics.create(name, broker.default_partitions)
    return broker.topics.get(name)


async def metadata(broker: Broker, call: Call) -> Any:
    """Metadata: the broker and its topics; creates missing topics if the request allows it."""
    asked = call.body.topics
    if asked is None or (call.version == 0 and not asked):
        names, create = broker.topics.names(), False
    else:
        names, create = [topic.name for topic in asked], call.body.allow_auto_topic_creation
    return MetadataResponse(
        brokers=[
            MetadataResponse.MetadataResponseBroker(
                node_id=NODE_ID, host=broker.host, port=broker.port
            )
        ],
        cluster_id=broker.cluster_id,
        controller_id=NODE_ID,
        topics=[_described(broker, name, create) for name in names],
    )


async def describe_cluster(broker: Broker, call: Call) -> Any:
    """DescribeCluster."""
    return DescribeClusterResponse(
        cluster_id=broker.cluster_id,
        controller_id=NODE_ID,
        brokers=[
            DescribeClusterResponse.DescribeClusterBroker(
                broker_id=NODE_ID, host=broker.host, port=broker.port
            )
        ],
    )


async def find_coordinator(broker: Broker, call: Call) -> Any:
    """FindCoordinator: this broker for every group; an error for transactions."""
    if call.body.key_type == _GROUP_KEY:
        place = {"node_id": NODE_ID, "host": broker.host, "port": broker.port}
    else:
        place = {
            "error_code": ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
            "error_message": _NO_TRANSACTIONS,
            "node_id": -1,
            "host": "",
            "port": -1,
        }
    if call.version < 4:
        return FindCoordinatorResponse(**place)
    return FindCoordinatorResponse(
        coordinators=[
            FindCoordinatorResponse.Coordinator(key=key, **place)
            for key in call.body.coordinator_keys
        ]
    )


async def init_producer_id(broker: Broker, call: Call) -> Any:
    """InitProducerId, for idempotent producers; there are no transactional ones."""
    if call.body.transactional_id is not None:
        return InitProducerIdResponse(
            error_code=ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, producer_epoch=-1
        )
    return InitProducerIdResponse(producer_id=broker.next_producer_id(), producer_epoch=0)
