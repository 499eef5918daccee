"""Clients: which endpoint STS has, how long they wait, and what no endpoint can be."""

import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import settings as how
from hypothesis import strategies as st
from pydantic import ValidationError

from streams.embedded.s3 import ACCOUNT_ID
from streams.errors import FalcolakeError, Misconfigured, Unavailable
from streams.lake.session import connect
from streams.lake.store import Lake
from streams.settings import sections
from tests.flow import proxies
from tests.flow.proxies import S3Proxy
from tests.streams.fake_s3 import FakeS3, serving

ROLE = f"arn:aws:iam::{ACCOUNT_ID}:role/falcolake"


def settings(**more: Any) -> sections.LakeSettings:
    return sections.LakeSettings(
        bucket="lake", region="eu-central-1", account_id=ACCOUNT_ID, **more
    )


def sts_endpoint(lake: sections.LakeSettings) -> str:
    """Return the host that the role's credentials are asked for."""
    client: Any = connect(lake)
    fetcher = client._request_signer._credentials._refresh_using.__self__
    found: str = fetcher._client_creator("sts").meta.endpoint_url
    return found


@pytest.mark.parametrize(
    "endpoint",
    [
        None,
        "https://bucket.vpce-1a2b3c4d-5e6f.s3.eu-central-1.vpce.amazonaws.com",
        "https://s3.dualstack.eu-central-1.amazonaws.com",
        "https://s3-fips.us-gov-west-1.amazonaws.com",
        "http://127.0.0.1:9000",
    ],
)
def test_the_endpoint_of_s3_is_not_that_of_sts(endpoint: str | None) -> None:
    lake = settings(endpoint_url=endpoint, role_arn=ROLE)
    assert sts_endpoint(lake) == "https://sts.eu-central-1.amazonaws.com"


def test_sts_has_an_endpoint_of_its_own() -> None:
    own = "https://vpce-1.sts.eu-central-1.vpce.amazonaws.com"
    assert sts_endpoint(settings(sts_endpoint_url=own, role_arn=ROLE)) == own


def test_a_role_is_asked_for_there_and_nothing_of_it_at_s3(tmp_path: Path) -> None:
    (tmp_path / "o").write_bytes(b"rows")
    with serving(FakeS3()) as s3, serving(FakeS3()) as sts:
        lake = settings(endpoint_url=s3.url, sts_endpoint_url=sts.url, role_arn=ROLE)
        with pytest.raises(FalcolakeError):
            Lake(lake, connect(lake)).put("k", tmp_path / "o")
    assert s3.seen == []


@pytest.mark.faults
def test_a_frozen_sts_is_noticed_in_time(tmp_path: Path) -> None:
    (tmp_path / "o").write_bytes(b"rows")
    with S3Proxy(1) as sts:
        sts.fault = proxies.swallow
        lake = settings(
            endpoint_url="http://127.0.0.1:1", sts_endpoint_url=sts.endpoint_url, role_arn=ROLE
        )
        began = time.monotonic()
        with pytest.raises(Unavailable):
            Lake(lake, connect(lake)).put("k", tmp_path / "o")
    assert time.monotonic() - began < 45


# ---- endpoints


@pytest.mark.parametrize(
    "url",
    [
        "http://[::1",
        "http://[::1]x:9000",
        "http://host:99999",
        "http://host:port",
        "http://my_host:9000",
        "http://a..b",
        "http://-host",
        "http://ho st",
        "http://host\n",
        "http://:9000",
        "http://[v1.x]:9000",
        "ftp://host",
        "host:9000",
        "",
    ],
)
def test_what_is_no_endpoint_is_an_error_of_its_setting(url: str) -> None:
    for name in ("endpoint_url", "sts_endpoint_url"):
        with pytest.raises(ValidationError, match=name):
            settings(**{name: url})


@how(max_examples=200)
@given(
    st.builds(
        "{}{}{}{}".format,
        st.sampled_from(["http://", "https://"]),
        st.one_of(st.text(max_size=20), st.from_regex(r"[\[\]a-z0-9:._%-]{1,30}", fullmatch=True)),
        st.sampled_from(["", ":", ":80", ":0", ":65536", ":-1"]),
        st.sampled_from(["", "/"]),
    )
)
@example("http://[fe80::1%eth0]:9000")
@example("http://host.")
@example("http://ﬀ.de")
def test_every_endpoint_that_is_accepted_makes_a_client(url: str) -> None:
    try:
        lake = settings(endpoint_url=url)
    except ValidationError:
        return
    assert connect(lake).meta.endpoint_url
    assert urlsplit(url).hostname


def test_a_wrong_endpoint_in_aws_own_variables_is_explained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://my_host:9000")
    with pytest.raises(Misconfigured, match="Invalid endpoint") as caught:
        connect(settings())
    assert "AWS" in caught.value.hint
