"""`falcolake ddl`: whose lake it describes, and what is refused."""

import pytest

from tests.streams.commands.conftest import Run

LAKE = {
    "FALCOLAKE_LAKE__BUCKET": "my-lake",
    "FALCOLAKE_LAKE__REGION": "eu-central-1",
    "FALCOLAKE_LAKE__ACCOUNT_ID": "123456789012",
}


def test_the_lake_is_that_of_the_settings(falcolake: Run) -> None:
    environment = LAKE | {"FALCOLAKE_OCSF__VERSION": "1.8.0"}
    done = falcolake("ddl", "--engine", "athena", environment=environment)
    assert done.exit_code == 0
    assert done.stdout.startswith("CREATE EXTERNAL TABLE falco (\n")
    assert "LOCATION 's3://my-lake/ext/falco/'" in done.stdout
    assert "'projection.accountid.values' = '123456789012'" in done.stdout
    assert "`is_alert` boolean" in done.stdout


def test_options_name_more_regions_and_accounts_and_the_first_day(falcolake: Run) -> None:
    accounts = ("--account", "123456789012", "--account", "external")
    regions = ("--region", "eu-central-1", "--region", "us-east-1")
    done = falcolake(
        *("ddl", "--engine", "trino", "--table", "hive.security.falco", "--since", "20260131"),
        *accounts,
        *regions,
        environment=LAKE,
    )
    assert done.stdout.startswith("CREATE TABLE hive.security.falco (\n")
    assert "ARRAY['123456789012', 'external']" in done.stdout
    assert "ARRAY['eu-central-1', 'us-east-1']" in done.stdout
    assert "ARRAY['20260131', 'NOW+1DAY']" in done.stdout


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({}, "https://my-lake.s3.eu-central-1.amazonaws.com/ext/falco/region=*"),
        (
            {"FALCOLAKE_LAKE__ENDPOINT_URL": "http://minio:9000/"},
            "http://minio:9000/my-lake/ext/falco/region=*",
        ),
    ],
)
def test_clickhouse_reads_by_http(falcolake: Run, more: dict[str, str], place: str) -> None:
    done = falcolake("ddl", "--engine", "clickhouse", environment=LAKE | more)
    assert place in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--engine", "oracle"), "'oracle' is not one of 'athena', 'spark'"),
        (("--engine", "athena", "--table", "a;b"), "'a;b' is not the name of a table"),
        (("--engine", "athena", "--since", "2026-01-31"), "'2026-01-31' is not a day"),
    ],
)
def test_what_is_wrong_is_exit_code_2(
    falcolake: Run, arguments: tuple[str, ...], said: str
) -> None:
    done = falcolake("ddl", *arguments, environment=LAKE)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr
