"""The lake of the tests that put objects."""

import pytest

from streams.embedded.s3 import ACCOUNT_ID
from streams.embedded.stack import EmbeddedStack
from streams.settings.sections import LakeSettings


@pytest.fixture
def settings(stack: EmbeddedStack, bucket: str) -> LakeSettings:
    """The settings of a new bucket."""
    return LakeSettings(
        bucket=bucket,
        region="eu-central-1",
        account_id=ACCOUNT_ID,
        endpoint_url=stack.s3.endpoint_url,
    )
