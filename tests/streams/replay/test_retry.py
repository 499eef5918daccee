"""Dead letters retried: what is accepted now goes into its window, once."""

import pytest

from streams.audit import audit
from streams.kafka import dead_letter_reader
from streams.replay import retry
from streams.settings.settings import Settings
from tests.streams.falco_records import alert, mixed
from tests.streams.lake_writer import LakeWriter

#: Offsets that an earlier mapping rejected and that the current one accepts.
ACCEPTED = (4, 9)
REJECTED = (3, 10, 17)


def lake_has(offset: int) -> bytes | None:
    return b"refused" if offset in ACCEPTED else mixed(offset)


@pytest.fixture
def shipped(writer: LakeWriter) -> LakeWriter:
    """The 20 records in two windows, as the earlier mapping made them, with their letters."""
    writer.window(1, 0, 12, lake_has)
    writer.window(1, 12, 20, lake_has)
    writer.refuse(1, (*ACCEPTED, *REJECTED), value=mixed)
    return writer


def test_what_is_accepted_now_is_resolved_once(settings: Settings, shipped: LakeWriter) -> None:
    assert audit.run(settings).counts.rejects == 5
    found = retry.run(settings, lambda _: True)
    assert (found.accepted, found.resolved, sum(found.refused.values())) == (2, 2, 3)
    assert f"{found}" == ("5 dead letters: 2 are accepted now, 2 resolved; 3 are still rejected")
    assert list(dead_letter_reader.standing(settings, lambda _: None)) == [
        (1, offset) for offset in REJECTED
    ]
    audited = audit.run(settings)
    assert (audited.problems, audited.counts.rejects) == ((), 3)
    again = retry.run(settings, lambda _: True)
    assert (again.accepted, again.resolved, again.replay) == (0, 0, None)
    assert again.refused == found.refused


def test_a_dry_run_only_says_what_would_be_done(settings: Settings, shipped: LakeWriter) -> None:
    before = [(each.key, each.size) for each in shipped.lake.objects()]
    found = retry.run(settings, lambda _: True, dry_run=True)
    assert found.plain()["resolved"] == 2
    assert "2 would be resolved" in f"{found}"
    assert [(each.key, each.size) for each in shipped.lake.objects()] == before
    assert len(dead_letter_reader.standing(settings, lambda _: None)) == 5


def test_only_the_windows_of_the_letters_that_are_wanted_are_replayed(
    settings: Settings, shipped: LakeWriter
) -> None:
    found = retry.run(settings, lambda letter: letter.offset in (9, 17))
    assert (found.accepted, sum(found.refused.values())) == (1, 1)
    assert found.replay is not None
    assert [(each.first, each.end) for each in found.replay.windows] == [(0, 12)]
    # The window is rebuilt as a whole, so its other letter is resolved with it.
    assert found.resolved == 2


def test_a_truncated_letter_is_decided_by_the_record(
    settings: Settings, shipped: LakeWriter
) -> None:
    shipped.refuse(1, [6], value=lambda _: alert(6)[:20], truncated_from=b"200")
    found = retry.run(settings, lambda letter: letter.offset == 6)
    assert (found.accepted, found.refused) == (1, {})
    assert (1, 6) not in dead_letter_reader.standing(settings, lambda _: None)
