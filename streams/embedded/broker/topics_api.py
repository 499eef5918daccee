"""Handlers of topic administration: create, delete, grow, describe and alter settings."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from kafka.protocol.admin import (
    AlterConfigsResponse,
    CreatePartitionsResponse,
    CreateTopicsResponse,
    DeleteTopicsResponse,
    DescribeConfigsResponse,
    IncrementalAlterConfigsResponse,
)

from streams.embedded.broker import configs
from streams.embedded.broker.broker import Broker
from streams.embedded.broker.configs import SETTINGS, ConfigType
from streams.embedded.broker.errors import ErrorCode, Refusal
from streams.embedded.broker.wire import Call

_TOPIC, _BROKER = 2, 4
_FROM_TOPIC, _FROM_BROKER, _FROM_DEFAULT = 1, 4, 5


def _outcome(action: Callable[..., object], *arguments: Any) -> dict[str, Any]:
    """Run `action`; return the error fields that every answer here has."""
    try:
        action(*arguments)
    except Refusal as error:
        return {"error_code": error.code, "error_message": error.message}
    return {"error_code": ErrorCode.NONE, "error_message": None}


async def create_topics(broker: Broker, call: Call) -> Any:
    """CreateTopics."""
    answer = CreateTopicsResponse.CreatableTopicResult
    named = Counter(topic.name for topic in call.body.topics)
    return CreateTopicsResponse(
        topics=[
            answer(
                name=topic.name,
                **_outcome(_create, broker, call, topic, named[topic.name]),
                num_partitions=_partitions_asked(broker, topic),
                replication_factor=1,
                configs=[],
            )
            for topic in call.body.topics
        ]
    )


def _create(broker: Broker, call: Call, topic: Any, times_named: int) -> None:
    if times_named > 1:
        raise Refusal(ErrorCode.INVALID_REQUEST, f"'{topic.name}' is named twice")
    if topic.replication_factor not in (-1, 1):
        raise Refusal(
            ErrorCode.INVALID_REPLICATION_FACTOR,
            f"replication factor {topic.replication_factor}: there is one broker",
        )
    create = broker.topics.check_new if call.body.validate_only else broker.topics.create
    overrides = {config.name: config.value for config in topic.configs}
    create(topic.name, _partitions_asked(broker, topic), overrides)


def _partitions_asked(broker: Broker, topic: Any) -> int:
    if topic.assignments:
        return len(topic.assignments)
    return broker.default_partitions if topic.num_partitions == -1 else int(topic.num_partitions)


async def delete_topics(broker: Broker, call: Call) -> Any:
    """DeleteTopics."""
    answer = DeleteTopicsResponse.DeletableTopicResult
    return DeleteTopicsResponse(
        responses=[
            answer(name=name, **_outcome(broker.topics.delete, name))
            for name in call.body.topic_names
        ]
    )


async def create_partitions(broker: Broker, call: Call) -> Any:
    """CreatePartitions."""
    answer = CreatePartitionsResponse.CreatePartitionsTopicResult
    grow = broker.topics.check_growth if call.body.validate_only else broker.topics.grow
    return CreatePartitionsResponse(
        results=[
            answer(
                name=topic.name,
                **_outcome(grow, topic.name, topic.count),
            )
            for topic in call.body.topics
        ]
    )


async def describe_configs(broker: Broker, call: Call) -> Any:
    """DescribeConfigs, of topics and of the broker."""
    answer = DescribeConfigsResponse.DescribeConfigsResult
    results = []
    for resource in call.body.resources:
        described = answer(
            resource_type=resource.resource_type,
            resource_name=resource.resource_name,
            error_message=None,
            configs=[],
        )
        results.append(described)
        try:
            present = _configs_of(broker, resource)
        except Refusal as error:
            described.error_code, described.error_message = error.code, error.message
            continue
        described.error_code = ErrorCode.NONE
        wanted = resource.configuration_keys
        described.configs = [
            config for config in present if wanted is None or config.name in wanted
        ]
    return DescribeConfigsResponse(results=results)


def _configs_of(broker: Broker, resource: Any) -> list[Any]:
    if resource.resource_type == _TOPIC:
        config = broker.topics.get(resource.resource_name).config
        return [
            _config(
                name,
                config[name],
                setting.type,
                _FROM_TOPIC if name in config.overrides else _FROM_DEFAULT,
            )
            for name, setting in SETTINGS.items()
        ]
    if resource.resource_type == _BROKER:
        return [
            _config(
                "auto.create.topics.enable",
                str(broker.auto_create).lower(),
                ConfigType.BOOLEAN,
                _FROM_DEFAULT if broker.auto_create else _FROM_BROKER,
            ),
            _config("default.replication.factor", "1", ConfigType.INT, _FROM_DEFAULT),
            _config("num.partitions", str(broker.default_partitions), ConfigType.INT, _FROM_BROKER),
        ]
    raise Refusal(ErrorCode.INVALID_REQUEST, "only topics and brokers have settings here")


def _config(name: str, value: str, kind: ConfigType, source: int) -> Any:
    return DescribeConfigsResponse.DescribeConfigsResult.DescribeConfigsResourceResult(
        name=name,
        value=value,
        read_only=source == _FROM_BROKER,
        config_source=source,
        is_sensitive=False,
        synonyms=[],
        config_type=kind,
        documentation=None,
    )


async def alter_configs(broker: Broker, call: Call) -> Any:
    """AlterConfigs: replaces all of a topic's overrides."""
    answer = AlterConfigsResponse.AlterConfigsResourceResponse
    return AlterConfigsResponse(
        responses=[
            answer(
                resource_type=resource.resource_type,
                resource_name=resource.resource_name,
                **_outcome(_alter, broker, call, resource, _replaced),
            )
            for resource in call.body.resources
        ]
    )


async def incremental_alter_configs(broker: Broker, call: Call) -> Any:
    """IncrementalAlterConfigs: changes some of a topic's overrides."""
    answer = IncrementalAlterConfigsResponse.AlterConfigsResourceResponse
    return IncrementalAlterConfigsResponse(
        responses=[
            answer(
                resource_type=resource.resource_type,
                resource_name=resource.resource_name,
                **_outcome(_alter, broker, call, resource, _edited),
            )
            for resource in call.body.resources
        ]
    )


Overrides = dict[str, str | None]


def _alter(
    broker: Broker, call: Call, resource: Any, change: Callable[[Any, Overrides], Overrides]
) -> None:
    if resource.resource_type != _TOPIC:
        raise Refusal(ErrorCode.INVALID_REQUEST, "only topics have settings to alter here")
    present = broker.topics.get(resource.resource_name).config.overrides
    wanted = configs.check(change(resource, dict(present)))
    if not call.body.validate_only:
        broker.topics.configure(resource.resource_name, wanted)


def _replaced(resource: Any, present: Overrides) -> Overrides:
    return {config.name: config.value for config in resource.configs}


def _edited(resource: Any, present: Overrides) -> Overrides:
    for config in resource.configs:
        match config.config_operation:
            case 0:
                present[config.name] = config.value
            case 1:
                present.pop(config.name, None)
            case _:
                raise Refusal(
                    ErrorCode.INVALID_CONFIG, "lists can only be replaced as a whole here"
                )
    return present
