"""The broker's APIs: their versions and handlers.

Metadata returns the ids of topics (KIP-516). Versions end before requests can name topics by id, so
clients use names. Other known APIs get UNSUPPORTED_VERSION if their answer has room for an error;
see `refusal`.
"""

from collections.abc import Iterable
from typing import Any

from kafka.protocol import admin, consumer, metadata, producer, sasl

from streams.embedded.broker import cluster_api, groups_api, offsets_api, records_api, topics_api
from streams.embedded.broker.broker import Broker
from streams.embedded.broker.errors import ErrorCode
from streams.embedded.broker.wire import Api, Call, Handler

API_VERSIONS = 18


async def _api_versions(broker: Broker, call: Call) -> Any:
    return _versions_of(APIS.values())


def api_versions_refusal(error: ErrorCode) -> Any:
    """Return the versions of ApiVersions itself (KIP-511), for an answer in version 0."""
    return _versions_of([APIS[API_VERSIONS]], error)


def _versions_of(apis: Iterable[Api], error: ErrorCode = ErrorCode.NONE) -> Any:
    answer = metadata.ApiVersionsResponse
    return answer(
        error_code=error,
        api_keys=[
            answer.ApiVersion(
                api_key=api.key, min_version=api.versions[0], max_version=api.versions[-1]
            )
            for api in apis
        ],
    )


def _api(schemas: Any, name: str, first: int, last: int, handler: Handler) -> Api:
    return Api(
        getattr(schemas, f"{name}Request"),
        getattr(schemas, f"{name}Response"),
        range(first, last + 1),
        handler,
    )


APIS = {
    api.key: api
    for api in (
        _api(producer, "Produce", 3, 9, records_api.produce),
        _api(consumer, "Fetch", 4, 11, records_api.fetch),
        _api(consumer, "ListOffsets", 1, 7, records_api.list_offsets),
        _api(metadata, "Metadata", 0, 11, cluster_api.metadata),
        _api(consumer, "OffsetCommit", 2, 8, offsets_api.offset_commit),
        _api(consumer, "OffsetFetch", 1, 8, offsets_api.offset_fetch),
        _api(metadata, "FindCoordinator", 0, 4, cluster_api.find_coordinator),
        _api(consumer, "JoinGroup", 0, 9, groups_api.join_group),
        _api(consumer, "Heartbeat", 0, 4, groups_api.heartbeat),
        _api(consumer, "LeaveGroup", 0, 5, groups_api.leave_group),
        _api(consumer, "SyncGroup", 0, 5, groups_api.sync_group),
        _api(admin, "DescribeGroups", 0, 5, groups_api.describe_groups),
        _api(admin, "ListGroups", 0, 5, groups_api.list_groups),
        _api(metadata, "ApiVersions", 0, 3, _api_versions),
        _api(admin, "CreateTopics", 2, 6, topics_api.create_topics),
        _api(admin, "DeleteTopics", 1, 5, topics_api.delete_topics),
        _api(admin, "DeleteRecords", 0, 2, records_api.delete_records),
        _api(producer, "InitProducerId", 0, 4, cluster_api.init_producer_id),
        _api(consumer, "OffsetForLeaderEpoch", 2, 4, records_api.offset_for_leader_epoch),
        _api(admin, "DescribeConfigs", 1, 4, topics_api.describe_configs),
        _api(admin, "AlterConfigs", 0, 2, topics_api.alter_configs),
        _api(admin, "CreatePartitions", 0, 3, topics_api.create_partitions),
        _api(admin, "DeleteGroups", 0, 2, groups_api.delete_groups),
        _api(admin, "IncrementalAlterConfigs", 0, 1, topics_api.incremental_alter_configs),
        _api(consumer, "OffsetDelete", 0, 0, offsets_api.offset_delete),
        _api(admin, "DescribeCluster", 0, 1, cluster_api.describe_cluster),
    )
}

REFUSED = {
    int(response.API_KEY): response
    for response in (
        admin.DescribeAclsResponse,
        admin.DescribeClientQuotasResponse,
        admin.DescribeLogDirsResponse,
        admin.DescribeQuorumResponse,
        admin.DescribeUserScramCredentialsResponse,
        admin.ElectLeadersResponse,
        admin.ListConfigResourcesResponse,
        admin.ListPartitionReassignmentsResponse,
        admin.ListTransactionsResponse,
        admin.UpdateFeaturesResponse,
        producer.AddOffsetsToTxnResponse,
        producer.AddPartitionsToTxnResponse,
        producer.EndTxnResponse,
        sasl.SaslAuthenticateResponse,
        sasl.SaslHandshakeResponse,
    )
}
