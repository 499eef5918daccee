"""Lines: complete in a pipe, and never wider than a terminal."""

import pytest

from schemas.ocsf.releases import SEVERITIES
from streams.watch.alerts import Seen
from streams.watch.lines import STYLES, cells, fitted

SHELL = Seen(
    1_767_323_045_006,
    1,
    "Informational",
    "Terminal shell in container",
    "syscall",
    "node-1",
    "shop",
    "web-1",
    "03:04:05.006000000: Notice A shell was spawned",
)


def test_in_a_pipe_a_line_is_complete() -> None:
    assert cells(SHELL) == [
        "2026-01-02T03:04:05.006Z",
        "Informational",
        "Terminal shell in container",
        "shop/web-1",
        "03:04:05.006000000: Notice A shell was spawned",
    ]


@pytest.mark.parametrize("width", [1, 20, 40, 80, 109, 110, 300])
def test_the_cells_and_the_blanks_between_them_are_as_wide_as_the_terminal(width: int) -> None:
    widths = [each for _, each, _ in fitted(SHELL, width)]
    assert sum(widths) + len(widths) - 1 == max(width, 20 if width < 110 else 26)
    assert min(widths) >= 0


def test_a_terminal_does_not_repeat_the_time_and_priority_of_the_message() -> None:
    texts = [text for text, _, _ in fitted(SHELL, 80)]
    assert texts == [
        *("03:04:05", "Info", "Terminal shell in container", "shop/web-1", "A shell was spawned")
    ]
    assert fitted(SHELL, 120)[0][0] == "01-02 03:04:05"
    plain = SHELL._replace(message="Warning: no prefix", host="", namespace="", pod="")
    assert [text for text, _, _ in fitted(plain, 80)][3:] == ["-", "Warning: no prefix"]


def test_every_severity_has_a_style() -> None:
    assert len(STYLES) == len(SEVERITIES)
    styles = [fitted(SHELL._replace(severity_id=n), 80)[1][2] for n in range(len(SEVERITIES))]
    assert styles == list(STYLES)
    assert fitted(SHELL._replace(severity_id=99), 80)[1][2] == STYLES[0]
