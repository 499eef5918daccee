"""Signing in to Amazon MSK with AWS credentials: what both Kafka clients ask for a token.

AWS's own signer makes the token, from boto3's credential chain (an instance's role, IRSA, the
environment); it is good for 15 minutes, and every new connection gets a new one. Needs the extra
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
    """Tell the region of the cluster: its brokers' names have it; else that of the lake.

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
    """Make a token. Raises Misconfigured without the signer, Unavailable without credentials."""
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
    """Say what the signer, or botocore below it, means."""
    return Unavailable(
        f"cannot sign in to MSK: {type(error).__name__}: {error}".splitlines()[0],
        "give the worker AWS credentials or a role, with kafka-cluster:Connect and the like",
    )


def provider(region: str) -> "Provider":
    """Make what kafka-python asks."""
    from kafka.net.sasl.oauth import AbstractTokenProvider

    class Signer(AbstractTokenProvider):
        def token(self) -> str:
            return token(region)

    return Signer()


def async_provider(region: str) -> "AsyncProvider":
    """Make what aiokafka asks; finding credentials may take a while, so a thread does."""
    from aiokafka.abc import AbstractTokenProvider

    class Signer(AbstractTokenProvider):
        async def token(self) -> str:
            return await asyncio.to_thread(token, region)

    return Signer()
