"""The environment variables of falcosidekick, read as falcolake settings.

Somebody who moves from falcosidekick's Security Lake output has these set already. They count for
less than everything of falcolake's own, and `falcolake settings` names them as the origin. Pure:
the environment is an argument. Left out on purpose: its batch size (a window of 1,000 rows is what
people move away from) and its AWS keys (boto3 finds credentials by its own chain); `ignored` says
so.

Source: falcosidekick's docs/outputs/kafka.md and docs/outputs/aws_security_lake.md (2.3x).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any


def _minutes(value: str) -> str:
    return f"{value}m"


def _prefix(value: str) -> str:
    return value.strip("/")


# variable → (setting, how its value reads here)
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

#: What it reads and falcolake does not → what to do instead.
IGNORED: Mapping[str, str] = {
    "AWS_ACCESSKEYID": "boto3 reads AWS_ACCESS_KEY_ID; better, give the worker a role",
    "AWS_SECRETACCESSKEY": "boto3 reads AWS_SECRET_ACCESS_KEY; better, give the worker a role",
    "AWS_SECURITYLAKE_BATCHSIZE": "windows are cut by time and size",
    "KAFKA_TSL": "its documentation has this for KAFKA_TLS, which it reads, as falcolake does",
}

MECHANISMS = {"SCRAM_SHA256": "SCRAM-SHA-256", "SCRAM_SHA512": "SCRAM-SHA-512"}


def translate(environment: Mapping[str, str]) -> Iterator[tuple[str, str, Any]]:
    """Yield (setting, variable, value) for every falcosidekick variable that is set.

    Values are text, still to be validated by the settings model.
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
    """Name falcosidekick's variables that are set and that falcolake does not take, and why.

    Only where others of its are taken: alone, their names may be anybody's.
    """
    if any(translate(environment)):
        for variable, instead in IGNORED.items():
            if environment.get(variable):
                yield f"{variable} of falcosidekick is ignored: {instead}"
