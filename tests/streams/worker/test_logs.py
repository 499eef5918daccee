"""Logs as text and as JSON: one line each, with facts and tracebacks inside it."""

import json
import logging
import subprocess
import sys
from typing import Any

import pytest

from streams.worker.logs import JsonFormatter, facts

SCRIPT = """
import logging
from streams.worker.logs import configure
from streams.settings.sections import LogSettings
configure(LogSettings(format="{format}", level="{level}"))
log = logging.getLogger("streams.worker.shipping")
log.debug("a detail")
log.info("shipped")
logging.getLogger("botocore.auth").debug("Authorization: secret")
logging.getLogger("urllib3").info("a library says")
log.warning("odd")
for _ in range(3):
    logging.getLogger("aiokafka.conn").error("cut off")
logging.getLogger("faust").critical("gone")
"""


def said(form: str, level: str) -> list[str]:
    """What a process says with these settings, on standard error."""
    script = SCRIPT.format(format=form, level=level)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


def record(message: str, *arguments: object, **named: Any) -> logging.LogRecord:
    return logging.getLogger("streams.x").makeRecord(
        "streams.x",
        logging.INFO,
        "x.py",
        1,
        message,
        arguments,
        named.pop("exc_info", None),
        **named,
    )


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("debug", ["a detail", "shipped", "odd", "cut off", "gone"]),
        ("info", ["shipped", "odd", "cut off", "gone"]),
        ("warning", ["odd", "cut off", "gone"]),
        ("error", ["cut off", "gone"]),
    ],
)
def test_the_level_is_for_falcolake_s_own_messages_alone(level: str, expected: list[str]) -> None:
    assert [json.loads(line)["message"] for line in said("json", level)] == expected
    assert [line.split(": ", 1)[1] for line in said("text", level)] == expected


def test_a_line_of_json_has_time_level_logger_message_and_facts() -> None:
    made = record("shipped %d", 3, extra=facts(partition=2, keys=["a/b"]))
    made.created = 1_767_323_045.25
    assert json.loads(JsonFormatter().format(made)) == {
        "time": "2026-01-02T03:04:05.250Z",
        "level": "info",
        "logger": "streams.x",
        "message": "shipped 3",
        "partition": 2,
        "keys": ["a/b"],
    }


def test_a_traceback_and_any_text_stay_inside_the_line() -> None:
    try:
        raise ValueError("first\nsecond \u2028 \ud800 é")
    except ValueError:
        made = record("broken\nhere", exc_info=sys.exc_info())
    line = JsonFormatter().format(made)
    assert line.isascii()
    assert len(line.splitlines()) == 1
    found = json.loads(line)
    assert found["message"] == "broken\nhere"
    assert found["exception"].startswith("Traceback (most recent call last)")
    assert "ValueError: first\nsecond" in found["exception"]


def test_facts_that_are_not_json_are_written_as_text() -> None:
    assert (
        json.loads(JsonFormatter().format(record("x", extra=facts(why=ValueError("y")))))["why"]
        == "y"
    )
