"""The checks of the lake, on real S3 servers and on one that answers as told."""

import time
from typing import Any

import pytest

from streams.audit import audit, verify
from streams.doctor import lake
from streams.doctor.diagnosis import Diagnosis
from streams.embedded.s3 import MotoS3
from streams.errors import Misconfigured
from streams.settings.load import load
from streams.settings.settings import Settings
from tests.streams.doctor.checks import changed, diagnose, one
from tests.streams.fake_s3 import FakeS3, serving

ROLE = "arn:aws:iam::123456789012:role"


def found_by(settings: Settings, name: str) -> list[Diagnosis]:
    return diagnose(lake.checks(settings), name)


def test_missing_credentials_are_bad(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    found = found_by(load(environment=environment), "credentials")
    assert "no AWS credentials" in one(found, "bad").message
    found = found_by(changed(environment, LAKE__ROLE_ARN=f"{ROLE}/falcolake"), "credentials")
    assert "no AWS credentials to assume" in one(found, "bad").message


def test_a_role_is_assumed_and_one_that_refuses_is_bad(environment: dict[str, str]) -> None:
    sts = {"LAKE__STS_ENDPOINT_URL": environment["FALCOLAKE_LAKE__ENDPOINT_URL"]}
    role = {"LAKE__ROLE_ARN": f"{ROLE}/falcolake", "LAKE__EXTERNAL_ID": "id", **sts}
    found = found_by(changed(environment, **role), "credentials")
    assert "is assumed, with an external id" in one(found, "good").message
    found = found_by(changed(environment, LAKE__ROLE_ARN=f"{ROLE}/other", **sts), "credentials")
    assert "falcolake policy trust" in one(found, "bad").remedy


def test_a_provider_role_without_an_external_id_is_a_warning(
    environment: dict[str, str], moto: MotoS3
) -> None:
    provider = f"{ROLE}/AmazonSecurityLake-Provider-falco-eu-central-1"
    given = {"LAKE__STS_ENDPOINT_URL": moto.endpoint_url, "LAKE__ROLE_ARN": provider}
    found = found_by(changed(environment, **given), "credentials")
    assert "FALCOLAKE_LAKE__EXTERNAL_ID" in one(found, "warning").remedy
    assert f"{provider} is assumed, without an external id" in one(found, "good").message


def test_a_missing_bucket_and_a_lake_that_is_away_are_bad(environment: dict[str, str]) -> None:
    found = found_by(changed(environment, LAKE__BUCKET="there-is-none"), "bucket")
    assert "NoSuchBucket" in one(found, "bad").message
    away = changed(environment, LAKE__ENDPOINT_URL="http://127.0.0.1:1")
    assert "FALCOLAKE_LAKE__ENDPOINT_URL" in one(found_by(away, "bucket"), "bad").remedy
    assert one(found_by(away, "clock"), "skipped").remedy == "fix bucket first"
    assert one(found_by(away, "put"), "bad")


@pytest.mark.parametrize(
    ("check", "answers", "level", "said"),
    [
        ("bucket", {"listing": (403, "AccessDenied")}, "warning", "cannot be listed"),
        ("bucket", {"listing": (403, "InvalidAccessKeyId")}, "bad", "InvalidAccessKeyId"),
        ("bucket", {"headers": {"x-amz-bucket-region": "eu-west-9"}}, "warning", "is in eu-west-9"),
        ("put", {"put": (403, "AccessDenied")}, "bad", "AccessDenied"),
        ("put", {"put": (400, "KMS.DisabledException")}, "bad", "KMS.DisabledException"),
        ("conditional put", {"conditional_put": (200, "")}, "warning", "ignores the condition"),
        (
            "conditional put",
            {"conditional_put": (501, "NotImplemented")},
            "warning",
            "does not support them",
        ),
        ("conditional put", {"conditional_put": (403, "AccessDenied")}, "bad", "AccessDenied"),
        ("conditional put", {}, "good", "refused"),
        ("read", {"get": (403, "AccessDenied")}, "bad", "AccessDenied"),
    ],
)
def test_what_a_store_refuses_is_told(
    environment: dict[str, str], check: str, answers: dict[str, Any], level: str, said: str
) -> None:
    with serving(FakeS3(**answers)) as fake:
        found = found_by(changed(environment, LAKE__ENDPOINT_URL=fake.url), check)
    assert said in one(found, level).message


@pytest.mark.parametrize(
    ("seconds", "level", "said"),
    [
        (0, "good", "within 60 s"),
        (-200, "warning", "s ahead of the lake's"),
        (2000, "bad", "s behind the lake's"),
    ],
)
@pytest.mark.parametrize("listing", [FakeS3.ok, (403, "RequestTimeTooSkewed")])
def test_the_clock_is_compared_with_the_lake_s(
    environment: dict[str, str], seconds: int, level: str, said: str, listing: tuple[int, str]
) -> None:
    with serving(FakeS3(date=time.time() + seconds, listing=listing)) as fake:
        found = found_by(changed(environment, LAKE__ENDPOINT_URL=fake.url), "clock")
    assert said in one(found, level).message


def test_a_lake_that_does_not_tell_its_time_is_a_warning(environment: dict[str, str]) -> None:
    with serving(FakeS3()) as fake:
        found = found_by(changed(environment, LAKE__ENDPOINT_URL=fake.url), "clock")
    assert "does not report" in one(found, "warning").message


def test_a_store_must_use_the_key_that_is_set(environment: dict[str, str], moto: MotoS3) -> None:
    key = {"LAKE__KMS_KEY_ID": "alias/lake", "LAKE__BUCKET": "lake"}
    with serving(FakeS3()) as fake:
        found = found_by(changed(environment, LAKE__ENDPOINT_URL=fake.url, **key), "put")
    assert "does not encrypt with alias/lake" in one(found, "bad").message
    found = found_by(changed(environment, LAKE__ENDPOINT_URL=moto.endpoint_url, **key), "put")
    assert "encrypted with alias/lake" in one(found, "good").message


def test_the_probe_is_none_of_the_lake_s_objects(environment: dict[str, str]) -> None:
    settings = load(environment=environment)
    assert {each.level for each in found_by(settings, "put")} == {"good"}
    assert audit.run(settings).problems == ()
    with pytest.raises(Misconfigured, match="there is no object"):
        verify.run(settings, f"s3://{settings.lake.bucket}/ext")
