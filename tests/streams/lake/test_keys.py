"""Keys: what an object's name says, written and read back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.lake.keys import ObjectKey, parse_key

ACCOUNT_ID = "123456789012"
KEY = ObjectKey("eu-central-1", ACCOUNT_ID, "20260102", "falco-events", 3, 5, 900)

topics = st.from_regex(r"[A-Za-z0-9._-]{1,60}", fullmatch=True)
prefixes = st.from_regex(r"[a-z0-9._=-]{1,9}(/[a-z0-9._=-]{1,9}){0,3}", fullmatch=True)
offsets = st.integers(0, 2**63 - 1)


@given(
    prefix=prefixes,
    key=st.builds(
        ObjectKey,
        region=st.sampled_from(["eu-central-1", "us-gov-west-1"]),
        account_id=st.from_regex(r"[0-9]{12}|external(_[A-Za-z0-9._-]{1,64})?", fullmatch=True),
        event_day=st.dates().map(lambda day: f"{day:%Y%m%d}".rjust(8, "0")),
        topic=topics,
        partition=st.integers(0, 2_000_000),
        first=offsets,
        end=offsets,
    ),
)
def test_a_key_comes_back_from_its_text(prefix: str, key: ObjectKey) -> None:
    text = key.under(prefix)
    assert parse_key(text, prefix) == key
    assert not text.startswith("/")


def test_a_key_is_written_as_the_lake_asks() -> None:
    assert KEY.under("ext/falco") == (
        f"ext/falco/region=eu-central-1/accountId={ACCOUNT_ID}/eventDay=20260102/"
        "falco-events-00003-00000000000000000005-00000000000000000900.parquet"
    )


def test_a_key_never_begins_with_a_slash() -> None:
    assert KEY.under("").startswith("region=")


@pytest.mark.parametrize(
    "key",
    [
        "ext/falco/",
        "ext/falco/region=eu-central-1/accountId=1/eventDay=20260102/other.parquet",
        "other/" + KEY.under("ext/falco"),
        KEY.under("ext/falco2"),
        KEY.under("ext/falco") + ".tmp",
        KEY.under("ext/falco").replace("00005-", "0\N{ARABIC-INDIC DIGIT FIVE}005-"),
        KEY.under("ext/falco").replace("eventDay=2", "eventDay="),
    ],
)
def test_a_key_of_somebody_else_is_none(key: str) -> None:
    assert parse_key(key, "ext/falco") is None


def test_keys_of_a_partition_sort_by_offset() -> None:
    ends = [9, 10, 99, 1000, 10**18]
    keys = [KEY._replace(first=end, end=end + 1).under("p") for end in ends]
    assert keys == sorted(keys)
