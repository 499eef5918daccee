"""Logs: what a worker writes to standard error, as text or as one JSON object a line.

The level setting is for falcolake's own messages. Libraries log warnings and errors only, since at
lower levels they print complete requests. A record may carry facts, `extra=facts(partition=3)`,
which become keys of the JSON object. A traceback stays inside its line.
"""

import json
import logging
import sys
import time
from datetime import UTC, datetime
from typing import Any

from streams.settings.sections import LogSettings
from streams.terminal import printable_block

#: Seconds between two log lines of the same kind from a library that repeats itself.
SELDOM = 30.0
TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def facts(**known: Any) -> dict[str, Any]:
    """Return the `extra` of a log call."""
    return {"facts": known}


def configure(settings: LogSettings) -> None:
    """Send the process's logs to standard error, in the format and at the level of the settings."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if settings.format == "json" else TextFormatter(TEXT))
    handler.addFilter(_Seldom())
    level = settings.level.upper()
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger().setLevel("ERROR" if level == "ERROR" else "WARNING")
    logging.getLogger("streams").setLevel(level)
    # A timer may take longer than its interval here: it then waits for its turn.
    logging.getLogger("mode.timers").setLevel(logging.ERROR)


class TextFormatter(logging.Formatter):
    """Lines of text; a stranger's part of a message cannot begin a line or control a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as a line; further lines, as of a traceback, are indented."""
        return printable_block(super().format(record))


class JsonFormatter(logging.Formatter):
    """One JSON object a line, in ASCII: time (RFC 3339, UTC), level, logger, message, facts."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as JSON."""
        at = datetime.fromtimestamp(record.created, UTC)
        line = {
            "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class _Seldom(logging.Filter):
    """Drops most repeats of aiokafka's and aiohttp's messages.

    Without a broker aiokafka logs ten a second; aiohttp logs every request that is not HTTP.
    """

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith(("aiokafka", "aiohttp")):
            return True
        kind, now = str(record.msg), time.monotonic()
        if now - self._last.get(kind, -SELDOM) < SELDOM:
            return False
        self._last[kind] = now
        return True
