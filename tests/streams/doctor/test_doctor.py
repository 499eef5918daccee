"""`doctor` on the real stack: all is good, and settings that are not."""

from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient

from streams.doctor import doctor
from streams.doctor.diagnosis import Check, Diagnosis, examine
from streams.settings.load import load
from streams.settings.settings import Settings
from tests.streams.doctor.checks import changed, one


def test_a_stack_is_good_and_stays_as_it_is(
    environment: dict[str, str],
    admin: KafkaAdminClient,
    monkeypatch: pytest.MonkeyPatch,
    s3_client: Any,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    topics = set(admin.list_topics())
    first = list(doctor.diagnose(None, 30))
    assert {each.level for each in first} == {"good"}
    names = [each.check for each in first]
    assert names == [
        *("settings", "kafka", "topic", "retention", "dead-letter topic", "control topic"),
        *("group", "commit metadata", "credentials", "bucket", "clock", "put"),
        *("conditional put", "read", "windows", "staging", "staging disk"),
    ]
    assert list(doctor.diagnose(None, 30)) == first
    assert set(admin.list_topics()) == topics
    groups = [each["group_id"] for each in admin.list_groups()]
    assert not [
        each for each in groups if each.startswith(environment["FALCOLAKE_KAFKA__GROUP_ID"])
    ]
    bucket = environment["FALCOLAKE_LAKE__BUCKET"]
    (probe,) = s3_client.list_objects_v2(Bucket=bucket)["Contents"]
    assert (probe["Key"], probe["Size"]) == ("ext/falco/_falcolake_doctor", 0)
    assert not Path(environment["FALCOLAKE_STAGING__PATH"]).exists()


def test_settings_that_are_wrong_are_a_diagnosis_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FALCOLAKE_LAKE__ACCOUNT_ID", "12")
    monkeypatch.setenv("FALCOLAKE_WEB__PORT", "x")
    found = list(doctor.diagnose(None, 5))
    assert [(each.check, each.level) for each in found] == [("settings", "bad")] * 2
    assert "FALCOLAKE_LAKE__ACCOUNT_ID" in found[0].message


def test_settings_that_are_missing_or_odd_are_named(environment: dict[str, str]) -> None:
    def of(settings: Settings) -> list[Diagnosis]:
        return list(examine([Check("settings", None, lambda: doctor.settled(settings))], 5))

    assert "FALCOLAKE_LAKE__BUCKET" in one(of(load(environment={})), "bad").message
    assert "5 minutes" in one(of(changed(environment, WINDOW__INTERVAL=60)), "warning").message
