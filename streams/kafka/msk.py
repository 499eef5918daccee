"""Signing in to Amazon MSK with AWS credentials: the token providers of both Kafka clients.

AWS's own signer makes the token, from boto3's credential chain (an instance's role, IRSA, the
environment). It is valid for 15 minutes, and every new connection gets a new one. Needs the extra
`falcolake[msk]`.
"""

import asyncio
import re
from typing import TYPE_CHECKING

from streams.errors import FalcolakeError, Misconfigured, Unavailable
from streams.settings.settings import Settings, variable

if TYPE_CHECKING:
    from aiokafka.abc import AbstractTokenProvider as AsyncProvider
    from kafka.net.sasl.oauth import AbstractTokenProvider as Provider

BROKER = re.compile(r"\.kafka(?:-serverless)?\.([a-z0-9-]+)\.amazonaws\.com")


def region(settings: Settings) -> str:
    """Return the region of the cluster, from its brokers' names, or else that of the lake.

    Raises Misconfigured if neither does.
    """
    found = BROKER.search(settings.kafka.bootstrap_servers)
    if found is None and not settings.lake.region:
        raise Misconfigured(
            "the region of the MSK cluster is not known",
            f"use the brokers' own names in {variable('kafka.bootstrap_servers')}, or set "
            f"{variable('lake.region')}",
        )
    return found[1] if found else settings.lake.region


def token(region: str) -> str:
    """Build a token. Raises Misconfigured without the signer, Unavailable without credentials."""
    try:
        from aws_msk_iam_sasl_signer import MSKAuthTokenProvider
    except ImportError:
        raise Misconfigured(
            "AWS_MSK_IAM needs AWS's signer, which is not installed",
            "pip install 'falcolake[msk]'",
        ) from None
    try:
        made, _ = MSKAuthTokenProvider.generate_auth_token(region)
    except Exception as error:
        raise _translated(error) from error
    return str(made)


def _translated(error: Exception) -> FalcolakeError:
    """Return what an error of the signer, or of botocore below it, means."""
    return Unavailable(
        f"cannot sign in to MSK: {type(error).__name__}: {error}".splitlines()[0],
        "give the worker AWS credentials or a role, with kafka-cluster:Connect and the like",
    )


def provider(region: str) -> "Provider":
    """Build the token provider of kafka-python."""
    from kafka.net.sasl.oauth import AbstractTokenProvider

    class Signer(AbstractTokenProvider):
        def token(self) -> str:
            return token(region)

    return Signer()


def async_provider(region: str) -> "AsyncProvider":
    """Build the token provider of aiokafka; finding credentials may block, so a thread does it."""
    from aiokafka.abc import AbstractTokenProvider

    class Signer(AbstractTokenProvider):
        async def token(self) -> str:
            return await asyncio.to_thread(token, region)

    return Signer()
