"""`docs/transcript.md` is what the commands answer: run again, it differs only in `MASKS`."""

import pytest

from tests.docs.transcript import HEAD, PAGE, STEPS, mask, page

TEXT = PAGE.read_text(encoding="utf-8")


@pytest.mark.faults
@pytest.mark.timeout(900)  # it waits for a new day, if this one is about to end
def test_the_commands_answer_as_the_page_says() -> None:
    assert mask(page()) == mask(TEXT), "run `make docs`"


def test_the_page_has_the_words_and_the_commands_of_the_script() -> None:
    assert TEXT.startswith(HEAD)
    assert all(step.words in TEXT for step in STEPS)
    typed = [line for line in TEXT.splitlines() if line.startswith(("$ ", "> "))]
    commands = [line for step in STEPS for each in step.commands for line in each.splitlines()]
    assert [line[2:] for line in typed] == commands


def test_the_page_shows_a_lake_that_is_whole_then_broken_then_whole_again() -> None:
    audits = TEXT.split("$ falcolake audit\n")[1:]
    assert [each.split("problems: ")[1].split()[0] for each in audits] == ["none", "3", "none"]
    assert [each.split("$ echo $?\n")[1][0] for each in audits] == ["0", "1", "0"]
    whole, _, healed = (mask(each.split("$ ")[0]) for each in audits)
    assert whole == healed


def test_the_mask_hides_neither_counts_nor_offsets_nor_keys() -> None:
    kept = "8,000 records = 7,950 findings; 3 problems; [0, 1607) falco-events-00001-1.parquet"
    assert mask(kept) == kept
    said = "in 0.3 s (14,636/s), after 12 s; last object 2s ago; eventDay=20261125; 16 GetObject"
    assert mask(said) == (
        "in N s (N/s), after N s; last object N ago; eventDay=YYYYMMDD; N GetObject"
    )
