"""The mutations refer to existing code; otherwise `make mutate-protocol` would break nothing."""

import shutil
from pathlib import Path

import pytest

from tests.mutation.losses import LOSSES
from tests.mutation.protocol import FLOW, MUTATIONS, ROOT, UNIT, Mutation, mutate


@pytest.mark.parametrize("mutation", [*MUTATIONS, *LOSSES], ids=lambda mutation: mutation.name)
def test_each_mutation_changes_the_code_into_other_code(mutation: Mutation, tmp_path: Path) -> None:
    files = {edit.file for edit in mutation.edits}
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    mutate(mutation, tmp_path)
    for name in files:
        text = (tmp_path / name).read_text()
        compile(text, name, "exec")
        assert text != (ROOT / name).read_text()


def test_the_steps_that_may_not_be_swapped_are_among_them() -> None:
    names = {mutation.name for mutation in MUTATIONS}
    assert len(names) == len(MUTATIONS)
    assert names >= {
        "commit before put",
        "put before seal",
        "the seal found in the metadata is not honoured",
        "wall clock in the key",
    }


def test_the_tests_that_judge_them_are_there() -> None:
    for name in (*UNIT, *FLOW):
        file, _, test = name.partition("::")
        assert f"def {test.partition('[')[0]}(" in (ROOT / file).read_text() if test else True
        assert (ROOT / file).is_file()
