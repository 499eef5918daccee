"""Seeded, realistic Falco alerts of many stock rules and every main source.

Pure: the same arguments give the same bytes; time starts at the caller's `start_ns`, and every id
comes from the seed. Scenes (a rule at a place) are rendered to templates once and then filled in,
so that an alert costs a few microseconds.
"""

import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

from streams.samples import audit, forms, services, syscall
from streams.samples.garbage import broken_record
from streams.samples.scenes import Scene
from streams.samples.world import World, build

# Share of each source in the stream, in percent.
_SOURCES: Mapping[str, tuple[int, Callable[[World, random.Random], Iterator[Scene]]]] = {
    "syscall": (70, syscall.scenes),
    "k8s_audit": (12, audit.scenes),
    "aws_cloudtrail": (6, services.cloudtrail),
    "okta": (3, services.okta),
    "github": (3, services.github),
    "gcp_auditlog": (4, services.gcp),
    "internal": (2, services.internal),
}
SOURCES = tuple(_SOURCES)
FORMS = (*forms.FORMS, "mixed")

SECOND = 1_000_000_000
DAY = 86_400 * SECOND


def alerts(
    seed: int,
    count: int | None,
    start_ns: int,
    form: str = "mixed",
    sources: Sequence[str] | None = None,
    interval_ns: int = SECOND // 10,
    garbage: float = 0.0,
) -> Iterator[bytes]:
    """Yield the record values of `count` alerts (endless for None), in order of time.

    Alert i happens in the half-open interval that starts at `start_ns + i * interval_ns` (ns since
    the epoch). `sources` defaults to all of `SOURCES`. `garbage` is the share (0 to 1) of records
    that are not valid alerts and must be rejected.
    """
    if form not in FORMS:
        raise ValueError(f"form must be one of {', '.join(FORMS)}, not {form!r}")
    unknown = sorted(set(sources or ()) - set(SOURCES))
    if unknown:
        raise ValueError(f"no sample alerts of {', '.join(unknown)}: use {', '.join(SOURCES)}")
    scenes = {name: _scenes(name, seed) for name in sources or SOURCES}
    return _stream(scenes, seed, count, start_ns, form, interval_ns, garbage)


def wide_syscall_alerts(
    seed: int, count: int | None, start_ns: int, interval_ns: int = SECOND // 10
) -> Iterator[bytes]:
    """Yield alerts of one shape for benchmarks: syscall, native form, 35 output fields, 1.4 KB."""
    return _syscall_alerts("rich", 35, seed, count, start_ns, interval_ns)


def stock_syscall_alerts(
    seed: int, count: int | None, start_ns: int, interval_ns: int = SECOND // 10
) -> Iterator[bytes]:
    """Yield alerts as Falco's own rules print most: syscall, native, 17 output fields, 1.2 KB."""
    return _syscall_alerts("stock", 17, seed, count, start_ns, interval_ns)


def _syscall_alerts(
    release: str, fields: int, seed: int, count: int | None, start_ns: int, interval_ns: int
) -> Iterator[bytes]:
    """Yield alerts of the scenes that have this many fields."""
    scenes = [
        scene
        for scene in _scenes("syscall", seed)
        if scene.release == release and len(forms.fields(scene)) == fields
    ]
    return _stream({"syscall": scenes}, seed, count, start_ns, "native", interval_ns, 0.0)


def _scenes(source: str, seed: int) -> list[Scene]:
    rng = random.Random(f"{source} {seed}")  # noqa: S311 - repeatable on purpose
    return list(_SOURCES[source][1](build(seed), rng))


def _stream(
    scenes: Mapping[str, Sequence[Scene]],
    seed: int,
    count: int | None,
    start_ns: int,
    form: str,
    interval_ns: int,
    rubbish: float,
) -> Iterator[bytes]:
    rng = random.Random(f"alerts {seed}")  # noqa: S311 - repeatable on purpose
    # Not just the seed: runs of one seed at different times are different alerts.
    ids = random.Random(f"ids {seed} {start_ns}")  # noqa: S311 - repeatable on purpose
    noise = random.Random(f"garbage {seed}")  # noqa: S311 - repeatable on purpose
    names = list(scenes)
    shares = list(itertools.accumulate(_SOURCES[name][0] for name in names))
    written = forms.FORMS if form == "mixed" else (form,)
    templates: dict[tuple[str, int, str], bytes] = {}
    clock = _Clock(start_ns)
    for i in itertools.count() if count is None else range(count):
        (source,) = rng.choices(names, cum_weights=shares)
        number = int(rng.random() * len(scenes[source]))
        key = source, number, rng.choice(written)
        text = templates.get(key)
        if text is None:
            text = templates[key] = forms.template(scenes[source][number], key[2])
        ns = start_ns + i * interval_ns + int(rng.random() * interval_ns)
        alert = text % _slots(ids, ns, clock)
        yield broken_record(noise, alert) if noise.random() < rubbish else alert


def _slots(rng: random.Random, ns: int, clock: "_Clock") -> dict[bytes, object]:
    """Return a value for every slot that a template may have."""
    bits = rng.getrandbits(128)
    pid = 2_000 + bits % 4_000_000
    day, hour = clock.at(ns // SECOND)
    fraction = b"%09d" % (ns % SECOND)
    return {
        b"ns": ns,
        b"born": clock.born,
        b"start": ns - 1_000_000 - bits % 60_000_000_000,
        b"pid": pid,
        b"ppid": pid - 1 - bits % 40,
        b"vpid": 2 + bits % 900,
        b"port": 32_768 + bits % 28_232,
        b"num": bits % 10_000_000_000,
        b"clock": hour + b"." + fraction,
        b"iso": day + b"T" + hour + b"." + fraction + b"+0000",
        b"time": day + b"T" + hour + b"." + fraction + b"Z",
        b"trimmed": day + b"T" + hour + (b"." + fraction).rstrip(b"0").rstrip(b".") + b"Z",
        b"uuid": str(UUID(int=bits, version=4)).encode(),
        b"id": str(UUID(int=bits ^ _OTHER, version=4)).encode(),
        b"hex": b"%016X" % (bits >> 64),
    }


# Turns an alert's uuid into the uuid of its event, without another random draw.
_OTHER = 0x5BF03635F0A5_4C1B_9D61_3D8A7C4E2B10


class _Clock:
    """Formats seconds; caches the last one, since neighbouring alerts mostly share it."""

    def __init__(self, start_ns: int) -> None:
        self.born = start_ns - 3 * DAY
        self._second = -1
        self._text = (b"", b"")

    def at(self, second: int) -> tuple[bytes, bytes]:
        """Return the UTC day and the time of day of a second since the epoch."""
        if second != self._second:
            text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M:%S").encode()
            day, _, hour = text.partition(b" ")
            self._second, self._text = second, (day, hour)
        return self._text
