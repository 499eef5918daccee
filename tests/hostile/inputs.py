"""Seeded hostile records: alerts with broken bytes, wrong types, wild values, and garbage.

Most have a few kilobytes, one in a hundred up to 64 KB, one in a thousand up to 1 MB.
"""

import gzip
import itertools
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from streams.samples import alerts
from streams.windows.batch import Record
from tests.alerts import SAMPLES, falcosidekick, fluent_bit, native
from tests.hostile.forms import FORMS, LONG
from tests.schemas.fields import PRIORITIES, SOURCES, TAGS, TRICKY, field_types
from tests.streams.falco_records import NOW, Message

FIELDS = sorted(field_types())
ALERTS = list(alerts(1, 500, NOW * 1_000_000, garbage=0))
BUILDERS = [*FORMS.values(), *LONG.values()]
#: Characters that programs treat in a special way.
CHARACTERS = "\0\t\n\r\x1b\x7f\x85\u200e\u202e\u2028\ufeff\ufffd\U0001f600\"'\\/<>&{}[]:,;%$`"
TIMESTAMPS = (-(2**62), -2, -1, 0, 1, 1_000, NOW, NOW * 1_000, 253_402_300_800_000, 2**62)
TIMES = (
    "",
    "0",
    "yesterday",
    "0000-00-00T00:00:00Z",
    "0001-01-01T00:00:00Z",
    "1969-12-31T23:59:59.999999999Z",
    "9999-12-31T23:59:59.999999999Z",
    "10000-01-01T00:00:00Z",
    "2026-02-30T00:00:00Z",
    "2026-01-01T24:00:00Z",
    "2026-01-01T23:59:60Z",
    "2026-01-01T00:00:00+99:99",
    "2026-01-01 00:00:00",
)
NUMBERS = (0, -1, 1, 65_536, 2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), 2**64, 1e308, -0.5)
ENVELOPES = ("log", "message", "MESSAGE", "data", "payload", "event", "")


def records(seed: int, count: int) -> Iterator[Record]:
    """Yield `count` records of consecutive offsets; the same seed makes the same ones."""
    dice = random.Random(seed)
    for offset in range(count):
        value = _KINDS[dice.randrange(len(_KINDS))](dice)
        timestamp = dice.choice(TIMESTAMPS) if dice.random() < 0.2 else NOW + offset
        key = dice.randbytes(size(dice)) if dice.random() < 0.05 else None
        yield Message(offset, value, timestamp, key)


def size(dice: random.Random) -> int:
    """Return a size in bytes: seldom a large one."""
    share = dice.random()
    most = 1_000_000 if share < 0.001 else 64_000 if share < 0.01 else 2_000
    return dice.randrange(most)


def broken_bytes(dice: random.Random) -> bytes:
    """Return an alert of which bytes are changed, removed, repeated or added."""
    value = bytearray(dice.choice(ALERTS))
    for _ in range(dice.choice((1, 1, 2, 5, 50))):
        at = dice.randrange(len(value) + 1)
        until = at + dice.randrange(1, 40)
        match dice.randrange(5):
            case 0:
                value[at:until] = dice.randbytes(until - at)
            case 1:
                del value[at:until]
            case 2:
                value[at:at] = value[at:until]
            case 3:
                del value[at:]
            case _:
                value[at:at] = dice.choice((b'"', b"\\", b"{", b"}", b"[", b",", b"\0", b"\xff"))
    return bytes(value)


def wild_alert(dice: random.Random) -> bytes:
    """Return valid JSON in which some values of an alert are of other types and sizes."""
    alert = json.loads(native(dice.choice(list(SAMPLES.values()))))
    fields = alert["output_fields"]
    for _ in range(dice.choice((1, 3, 10, 40))):
        fields[_name(dice)] = _value(dice)
    for name in list(alert):
        if dice.random() < 0.08:
            alert[name] = _key_value(name, dice)
        elif dice.random() < 0.02:
            del alert[name]
    if dice.random() < 0.1:
        alert[_text(dice)] = _value(dice)
    return _written(alert, dice)


def envelope(dice: random.Random) -> bytes:
    """Return an alert or garbage in envelopes, as text or as an object."""
    value = dice.choice(ALERTS) if dice.random() < 0.7 else wild_alert(dice)
    levels = dice.choice((1, 1, 2, 3, 30))
    for level in range(levels):
        as_text = level < 3 and dice.random() < 0.5  # each doubles the backslashes of the last
        try:
            value = fluent_bit(value, dice.choice(ENVELOPES), as_text=as_text)
        except ValueError:
            break  # not UTF-8
    return value


def costly(dice: random.Random) -> bytes:
    """Return a record that is built to cost more than its size."""
    return dice.choice(BUILDERS)(max(64, size(dice)))


def garbage(dice: random.Random) -> bytes | None:
    """Return something that is not an alert."""
    text = _text(dice)
    match dice.randrange(9):
        case 0:
            return None
        case 1:
            return dice.randbytes(size(dice))
        case 2:
            return gzip.compress(dice.choice(ALERTS), 1)
        case 3:
            return dice.choice(ALERTS).decode().encode("utf-16")
        case 4:
            return b"\xef\xbb\xbf" + dice.choice(ALERTS)
        case 5:
            return b"\0\0\0\0\x07" + dice.choice(ALERTS)
        case 6:
            return b"[" + b",".join(dice.choices(ALERTS, k=dice.randrange(4))) + b"]"
        case 7:
            return text.encode(errors="surrogatepass")
        case _:
            return json.dumps(_value(dice)).encode()


def good(dice: random.Random) -> bytes:
    """Return an alert as Falco or falcosidekick writes it."""
    alert = dice.choice(list(SAMPLES.values()))
    return falcosidekick(alert) if dice.random() < 0.5 else native(alert)


_KINDS: tuple[Callable[[random.Random], bytes | None], ...] = (
    broken_bytes,
    broken_bytes,
    wild_alert,
    wild_alert,
    wild_alert,
    envelope,
    costly,
    garbage,
    good,
)


def _name(dice: random.Random) -> str:
    if dice.random() < 0.8:
        return dice.choice(FIELDS)
    return _text(dice)


def _key_value(name: str, dice: random.Random) -> Any:
    if dice.random() < 0.4:
        return _value(dice)
    choices: dict[str, tuple[Any, ...]] = {
        "priority": PRIORITIES,
        "source": SOURCES,
        "tags": ([*TAGS], [[]], [None, 1, "a"], {"a": 1}),
        "time": TIMES,
    }
    return dice.choice(choices.get(name, TRICKY))


def _value(dice: random.Random) -> Any:
    match dice.randrange(9):
        case 0:
            return dice.choice(NUMBERS)
        case 1:
            return dice.choice((None, True, False))
        case 2:
            return dice.choice(TIMES)
        case 3:
            return [_text(dice) for _ in range(dice.randrange(5))]
        case 4:
            return {_text(dice): dice.choice(NUMBERS) for _ in range(dice.randrange(5))}
        case 5:
            return _nested(dice.randrange(1, 300))
        case 6:
            return dice.getrandbits(dice.choice((8, 63, 64, 65, 500)))
        case 7:
            return _text(dice)
        case _:
            return dice.choice(TRICKY)


def _nested(depth: int) -> Any:
    made: Any = 1
    for level in range(depth):
        made = [made] if level % 2 else {"a": made}
    return made


def _text(dice: random.Random) -> str:
    length = size(dice) if dice.random() < 0.02 else dice.randrange(30)
    match dice.randrange(4):
        case 0:
            return dice.choice(CHARACTERS) * length
        case 1:
            return "".join(dice.choices(CHARACTERS, k=length))
        case 2:
            return chr(dice.randrange(0xD800, 0xE000)) * min(length, 5)
        case _:
            return "".join(itertools.islice(itertools.cycle(dice.choice(TRICKY) or " "), length))


def _written(alert: Any, dice: random.Random) -> bytes:
    text = json.dumps(alert, ensure_ascii=dice.random() < 0.5)
    return text.encode(errors="surrogatepass")
