"""An S3 with a certificate of a private authority, as on premises."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.errors import Misconfigured
from streams.lake.session import connect
from streams.lake.store import Lake
from streams.settings import sections
from tests.certificates import Authority
from tests.streams.fake_s3 import FakeS3, serving


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def store(authority: Authority) -> Iterator[FakeS3]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    identity = authority.issue("s3", "127.0.0.1")
    context.load_cert_chain(identity.certificate, identity.key)
    with serving(FakeS3(), context) as fake:
        yield fake


def lake_at(url: str) -> Lake:
    settings = sections.LakeSettings(
        bucket="lake", region="us-east-1", account_id="123456789012", endpoint_url=url
    )
    return Lake(settings, connect(settings))


def test_the_authority_is_that_of_aws_ca_bundle(
    store: FakeS3, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.certificate))
    (tmp_path / "object").write_bytes(b"rows")
    assert store.url.startswith("https://")
    assert list(lake_at(store.url).objects()) == []
    assert lake_at(store.url).put("ext/falco/k", tmp_path / "object", overwrite=True)


def test_without_it_the_error_says_what_to_set(store: FakeS3) -> None:
    seen = len(store.seen)
    with pytest.raises(Misconfigured) as caught:
        list(lake_at(store.url).objects())
    assert "AWS_CA_BUNDLE" in caught.value.hint
    assert "SSL validation failed" in caught.value.message
    assert len(store.seen) == seen
