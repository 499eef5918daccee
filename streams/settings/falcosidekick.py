"""The environment variables of falcosidekick, read as falcolake settings.

Users of falcosidekick's Security Lake output have these set already. Every setting of falcolake
overrides them, and `falcolake settings` shows them as the origin. Pure: the environment is an
argument. Left out on purpose, and reported by `ignored`: the batch size (objects of 1,000 rows are
what users want to leave behind) and the AWS keys (boto3 finds credentials itself).

Source: falcosidekick's docs/outputs/kafka.md and docs/outputs/aws_security_lake.md (2.3x).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any


def _minutes(value: str) -> str:
    return f"{value}m"


def _prefix(value: str) -> str:
    return value.strip("/")


#: variable → (setting, conversion of its value)
PLAIN: Mapping[str, tuple[str, Callable[[str], str]]] = {
    "KAFKA_HOSTPORT": ("kafka.bootstrap_servers", str),
    "KAFKA_TOPIC": ("kafka.topic", str),
    "AWS_SECURITYLAKE_BUCKET": ("lake.bucket", str),
    "AWS_SECURITYLAKE_REGION": ("lake.region", str),
    "AWS_SECURITYLAKE_PREFIX": ("lake.prefix", _prefix),
    "AWS_SECURITYLAKE_ACCOUNTID": ("lake.account_id", str),
    "AWS_SECURITYLAKE_INTERVAL": ("window.interval", _minutes),
    "AWS_SECURITYLAKE_MINIMUMPRIORITY": ("mapping.minimum_priority", str),
    "AWS_ROLEARN": ("lake.role_arn", str),
    "AWS_EXTERNALID": ("lake.external_id", str),
}

#: What falcosidekick reads and falcolake does not → what to do instead.
IGNORED: Mapping[str, str] = {
    "AWS_ACCESSKEYID": "boto3 reads AWS_ACCESS_KEY_ID; better: give the worker a role",
    "AWS_SECRETACCESSKEY": "boto3 reads AWS_SECRET_ACCESS_KEY; better: give the worker a role",
    "AWS_SECURITYLAKE_BATCHSIZE": "windows are cut by time and size",
    "KAFKA_TSL": "a typo in its documentation; falcosidekick and falcolake read KAFKA_TLS",
}

MECHANISMS = {"SCRAM_SHA256": "SCRAM-SHA-256", "SCRAM_SHA512": "SCRAM-SHA-512"}


def translate(environment: Mapping[str, str]) -> Iterator[tuple[str, str, Any]]:
    """Yield (setting, variable, value) for every falcosidekick variable that is set.

    Values are text; the settings model validates them.
    """
    for variable, (setting, convert) in PLAIN.items():
        if value := environment.get(variable):
            yield setting, variable, convert(value)
    yield from _security(environment)


def _security(environment: Mapping[str, str]) -> Iterator[tuple[str, str, Any]]:
    tls = environment.get("KAFKA_TLS", "").lower() in {"1", "t", "true"}
    if mechanism := environment.get("KAFKA_SASL", "").upper():
        yield "kafka.security_protocol", "KAFKA_SASL", "SASL_SSL" if tls else "SASL_PLAINTEXT"
        yield "kafka.sasl_mechanism", "KAFKA_SASL", MECHANISMS.get(mechanism, mechanism)
        for setting, variable in (
            ("kafka.sasl_username", "KAFKA_USERNAME"),
            ("kafka.sasl_password", "KAFKA_PASSWORD"),
        ):
            if value := environment.get(variable):
                yield setting, variable, value
    elif tls:
        yield "kafka.security_protocol", "KAFKA_TLS", "SSL"


def ignored(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for every falcosidekick variable that is set and ignored.

    Only if falcolake takes others of them: alone, the names could belong to another program.
    """
    if any(translate(environment)):
        for variable, instead in IGNORED.items():
            if environment.get(variable):
                yield f"{variable} of falcosidekick is ignored: {instead}"
