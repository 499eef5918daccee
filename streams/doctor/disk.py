"""The checks of `doctor` that look at this machine: the staging disk.

They leave nothing behind, create no directory, and look at a worker's lock without keeping it.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from streams.doctor.diagnosis import Check, Diagnosis, bad, good, warning
from streams.errors import Misconfigured
from streams.locks import try_lock
from streams.settings.settings import Settings, variable
from streams.sizes import in_bytes
from streams.staging.directory import LOCK, refuse_strangers


def checks(settings: Settings) -> list[Check]:
    """Return the checks of the disk."""
    return [
        Check("staging", None, lambda: staging(settings)),
        Check("staging disk", "staging", lambda: space(settings)),
    ]


def staging(settings: Settings) -> Iterator[Diagnosis]:
    """Check that the staging directory can be written, and whether a worker uses it."""
    path, name = settings.staging.path, variable("staging.path")
    there = _existing(path)
    if there != path:
        if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
            yield good("staging", f"{path} will be created by the first worker")
        else:
            yield bad(
                "staging", f"{path} cannot be created in {there}", f"set {name} to another path"
            )
        return
    try:
        refuse_strangers(path)
        with tempfile.TemporaryFile(dir=path, prefix="doctor-") as file:
            file.write(b"doctor")
    except Misconfigured as error:
        yield bad("staging", str(error), error.hint)
        return
    except OSError as error:
        yield bad(
            "staging", f"{path} cannot be written: {error.strerror or error}", f"correct {name}"
        )
        return
    if _locked(path / LOCK):
        yield good("staging", f"a worker is using {path}; another worker needs its own {name}")
    else:
        yield good("staging", f"{path} can be written, and no worker is using it")


def _existing(path: Path) -> Path:
    """Return the path, or its nearest parent that exists."""
    return next((each for each in (path, *path.parents) if each.exists()), Path("/"))


def _locked(lock: Path) -> bool:
    try:
        with lock.open("rb") as file:
            return not try_lock(file, shared=True)
    except OSError:
        return False


def space(settings: Settings) -> Iterator[Diagnosis]:
    """Check that there is room for all that may be staged, and for what must stay free."""
    wanted = settings.staging
    path = _existing(wanted.path)
    free = shutil.disk_usage(path).free
    used = sum(file.stat().st_size for file in wanted.path.glob("**/*") if file.is_file())
    says = f"{in_bytes(free)} free at {path}, {in_bytes(used)} staged"
    if free < wanted.min_free_bytes:
        yield bad(
            "staging disk",
            f"{says}: under staging.min_free_bytes ({in_bytes(wanted.min_free_bytes)}), so "
            "reading from Kafka pauses",
            f"make room, or set {variable('staging.min_free_bytes')} or {variable('staging.path')}",
        )
    elif free + used < wanted.min_free_bytes + wanted.max_bytes:
        yield warning(
            "staging disk",
            f"{says}: the disk will be full before staging reaches staging.max_bytes "
            f"({in_bytes(wanted.max_bytes)})",
            f"use a larger disk, or lower {variable('staging.max_bytes')}",
        )
    else:
        yield good("staging disk", says)
