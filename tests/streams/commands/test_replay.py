"""`falcolake replay`: its output, exit codes and options. The rest: `tests/flow/test_replay.py`."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from streams.settings.load import load
from tests.conftest import LakeEnvironment
from tests.streams.commands.conftest import Run
from tests.streams.falco_records import mixed
from tests.streams.lake_writer import LakeWriter


@pytest.fixture
def environment(lake_environment: LakeEnvironment, topic: str) -> dict[str, str]:
    return lake_environment(KAFKA__GROUP_ID=f"group-of-{topic}")


@pytest.fixture
def writer(environment: dict[str, str], tmp_path: Path) -> LakeWriter:
    """Kafka has 20 records of partition 1, all committed; the lake has none of them."""
    writer = LakeWriter(load(environment=environment), tmp_path / "writer")
    writer.publish(1, [mixed(offset) for offset in range(20)])
    writer.commit({1: 20})
    return writer


def test_an_audit_s_list_is_healed_shown_first_and_nothing_the_second_time(
    falcolake: Run, environment: dict[str, str], writer: LakeWriter, tmp_path: Path
) -> None:
    found = falcolake("audit", "--json", environment=environment)
    (tmp_path / "found.json").write_text(found.stdout)
    assert found.exit_code == 1
    shown = falcolake("replay", "--audit", "found.json", "--dry-run", environment=environment)
    head, row, _, *objects, _, summary = shown.stdout.splitlines()
    assert head.split() == [
        *("partition", "offsets", "window", "records", "rows", "objects", "what")
    ]
    assert row.split()[:9] == ["1", "[0,", "20)", "made", "-", "→", "20", "-", "→"]
    assert "2 new" in row
    assert "3 dead letters sent" in row
    assert [line.split(maxsplit=2)[::2] for line in objects[::2]] == [["new", "rows"]] * 2
    assert all(line.startswith(f"{' ' * 14}s3://") for line in objects[1::2])
    assert summary.startswith("dry run, nothing written: s3://")
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert not list(writer.lake.objects())

    done = falcolake("replay", "--audit", "found.json", environment=environment)
    assert (done.exit_code, done.stdout.splitlines()[1]) == (0, row)
    assert len(list(writer.lake.objects())) == 2
    again = falcolake("replay", "--audit", "-", text=found.stdout_bytes, environment=environment)
    bucket = writer.settings.lake.bucket
    assert again.stdout == (
        f"s3://{bucket}/ext/falco, from topic {writer.settings.kafka.topic}: "
        "1 window (1 same), 2 objects (2 same)\n"
    )
    assert falcolake("audit", environment=environment).exit_code == 0


def test_json_has_all_of_it(
    falcolake: Run, environment: dict[str, str], writer: LakeWriter
) -> None:
    arguments = ("replay", "--partition", "1", "--to-offset", "3", "--json")
    found = json.loads(falcolake(*arguments, environment=environment).stdout)
    (window,) = found.pop("windows")
    assert found == {
        "topic": writer.settings.kafka.topic,
        "lake": f"s3://{writer.settings.lake.bucket}/ext/falco",
        "dry_run": False,
        "problems": 0,
        "not_tried": 0,
        "notes": [],
    }
    objects = window.pop("objects")
    versions = window.pop("mapping_versions")
    assert window == {
        "partition": 1,
        "first": 0,
        "end": 20,
        "outcome": "made",
        "reason": None,
        "before": None,
        "after": {"records": 20, "findings": 17, "rejects": 3, "filtered": 0},
        "letters_sent": 3,
        "letters_resolved": 0,
    }
    assert [each["state"] for each in objects] == ["new", "new"]
    assert sum(each["after"] for each in objects) == 17
    assert len(versions) == 1


def test_what_cannot_be_rebuilt_is_exit_code_1(
    falcolake: Run, environment: dict[str, str], writer: LakeWriter
) -> None:
    writer.window(1, 0, 20, mixed)
    writer.expire(1, 5)
    done = falcolake("replay", "--from-offset", "0", environment=environment)
    assert "refused" in done.stdout
    assert "Kafka has deleted its records: the first offset is now 5" in done.stdout
    assert done.exit_code == 1


def test_a_stale_key_is_named_with_the_way_out(
    falcolake: Run, environment: dict[str, str], writer: LakeWriter
) -> None:
    falcolake("replay", "--partition", "1", environment=environment)
    first = next(iter(writer.lake.objects())).key
    other = first.replace("region=us-east-1", "region=us-east-2")
    writer.rewrite(first, to=other)
    done = falcolake("replay", "--last", "1d", environment=environment)
    assert f"  s3://{writer.settings.lake.bucket}/{other}\n" in done.stdout
    assert (done.exit_code, "Try: --prune to delete" in done.stderr) == (1, True)
    done = falcolake("replay", "--last", "1d", "--prune", environment=environment)
    assert (done.exit_code, "1 deleted" in done.stdout) == (0, True)
    assert other not in {each.key for each in writer.lake.objects()}


def test_a_partition_that_the_topic_lacks_is_wrong_usage(
    falcolake: Run, environment: dict[str, str]
) -> None:
    done = falcolake("replay", "--partition", "77", environment=environment)
    assert done.exit_code == 2
    assert "has no partition 77" in done.stderr
    assert "Try: its partitions are 0, 1" in done.stderr


@pytest.mark.parametrize("option", ["--copy-to", "--to"])  # its name now, and before
def test_a_copy_goes_elsewhere(
    option: str,
    falcolake: Run,
    environment: dict[str, str],
    writer: LakeWriter,
    make_bucket: Callable[[], str],
) -> None:
    place = f"s3://{make_bucket()}/some/where"
    done = falcolake("replay", "--last", "2h", option, place, environment=environment)
    assert done.stdout.splitlines()[-1].startswith(f"{place}, from topic ")
    assert not list(writer.lake.objects())
    assert done.exit_code == 0


def test_a_lake_that_fails_is_a_failed_window(
    falcolake: Run, environment: dict[str, str], writer: LakeWriter
) -> None:
    done = falcolake(
        *("replay", "--partition", "1", "--copy-to", "s3://there-is-none/x"),
        environment=environment,
    )
    assert (done.exit_code, "there-is-none" in done.stderr) == (2, True)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "choose what to replay"),
        (("--last", "soon"), "--last soon: a duration is"),
        (("--from", "yesterday"), "--from yesterday: write a time as"),
        (("--from", "2026-11-20", "--last", "6h"), "exclude each other"),
        (("--from", "2026-11-20", "--to", "2026-11-19T23:00Z"), "--to is not after --from"),
        (("--from", "2026-11-20", "--from-offset", "3"), "give either times or offsets"),
        (("--from-offset", "3", "--to-offset", "3"), "--to-offset is not after"),
        (("--last", "6h", "--copy-to", "s3://x"), "--copy-to s3://x: "),
        (("--last", "6h", "--to", "s3://x"), "--to s3://x: "),
        (("--last", "6h", "--copy-to", "2026-11-20"), "it must begin with s3://"),
        (("--last", "6h", "--copy-to", "s3://other"), "a prefix is not empty"),
        (("--last", "6h", "--copy-to", "s3://abc/x", "--to", "s3://abc/y"), "at most"),
        (("--audit", "none.json"), "--audit none.json: No such file"),
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(
    falcolake: Run, arguments: tuple[str, ...], said: str
) -> None:
    done = falcolake("replay", *arguments)
    assert done.exit_code == 2
    assert said in done.stderr


@pytest.mark.parametrize("text", [b"", b"[]", b'{"problems":[{}]}', b'{"problems":7}'])
def test_a_file_that_is_no_audit_is_wrong_usage(falcolake: Run, text: bytes) -> None:
    done = falcolake("replay", "--audit", "-", text=text)
    assert done.exit_code == 2
    assert "not the output of `audit --json`" in done.stderr


def test_the_lake_itself_is_no_place_for_a_copy(
    falcolake: Run, environment: dict[str, str]
) -> None:
    place = f"s3://{environment['FALCOLAKE_LAKE__BUCKET']}/ext/falco/copy"
    done = falcolake("replay", "--last", "6h", "--copy-to", place, environment=environment)
    assert (done.exit_code, "that is the lake" in done.stderr) == (2, True)
