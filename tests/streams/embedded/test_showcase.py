"""What the demo shows, apart from a lake."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from streams.embedded.showcase import filled, program

VALUES = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text("xyz", max_size=12),
    lambda inner: some.lists(inner) | some.dictionaries(some.text("xyz", max_size=8), inner),
    max_leaves=30,
)


@settings(max_examples=60)
@given(VALUES, some.integers(10, 60))
def test_filled_lines_are_the_same_json_and_only_a_member_alone_is_longer_than_the_width(
    value: Any, width: int
) -> None:
    lines = list(filled(value, width))
    assert json.loads("\n".join(lines)) == value
    assert all(len(line) <= width or ", " not in line for line in lines)


def test_short_members_share_a_line() -> None:
    value = {"a": 1, "b": [1, 2], "c": {"d": "x" * 30, "e": None}, "f": "y", "g": True}
    assert list(filled(value, 30)) == [
        "{",
        '  "a": 1, "b": [1, 2],',
        '  "c": {',
        f'    "d": "{"x" * 30}",',
        '    "e": null',
        "  },",
        '  "f": "y", "g": true',
        "}",
    ]


@pytest.mark.parametrize(
    ("called", "path", "shown"),
    [
        ("bin/falcolake", "bin", "falcolake"),
        ("bin/falcolake", "", "{here}/bin/falcolake"),
        ("bin/falcolake", "other", "{here}/bin/falcolake"),
        ("cli.py", "bin", "python -m cli"),
    ],
)
def test_a_command_that_is_shown_runs_the_same_program(
    called: str, path: str, shown: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("bin", "other"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "falcolake").touch(mode=0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.executable", "python")
    monkeypatch.setattr("sys.argv", [called, "demo"])
    monkeypatch.setenv("PATH", f"{tmp_path / path}" if path else "")
    assert program() == shown.format(here=tmp_path)
