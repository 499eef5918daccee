"""Records that are not alerts, as a topic collects them when something else writes to it.

Each of them must become a reject, however lenient the reader is.
"""

import random

_WHOLE = (
    b"",
    b"   ",
    b"null",
    b"[]",
    b"42",
    b'"Notice A shell was spawned"',
    b"{}",
    b"Mon Nov 23 14:03:27 2026: Falco version: 0.43.0 (x86_64)",
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab\xae\x05\x00\x43\xbf\xa6\xa3\x02\x00\x00\x00",
    b'{"hostname":"n1","output":"no rule","priority":"Notice","time":"2026-11-23T14:03:27Z"}',
    b'{"rule":["a","list"],"output":"x","priority":"Notice","time":"2026-11-23T14:03:27Z"}',
    b'{"rule":"r","output":"x","priority":"Notice","time":"yesterday"}',
    b"[" * 10_000,
    b'{"a":' * 10_000,
)


def broken_record(rng: random.Random, alert: bytes) -> bytes:
    """Return a broken record; some are `alert` cut off or with bytes that are not UTF-8."""
    choice = rng.randrange(len(_WHOLE) + 4)
    if choice < len(_WHOLE):
        return _WHOLE[choice]
    if choice % 2:
        return alert[: rng.randrange(1, len(alert))]
    return alert.replace(b'"rule":', b'\xff\xfe"rule":', 1)
