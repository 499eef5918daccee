"""Compile the mapping with mypyc if COMPILE_FALCOLAKE is 1; all else is in pyproject.toml.

A compiled wheel has the same modules as the plain one, and beside most of those in `schemas` the
library that Python loads instead. It maps an alert to the same bytes with a fifth to a third less
CPU. It needs a C compiler and mypy: `make wheel-native`.
"""

import os
from pathlib import Path

from setuptools import setup
from setuptools.extension import Extension

#: What stays Python: mypyc fails on the default that msgspec.field returns, and on a star in a
#: tuple after `in`; the third is a table.
PLAIN = {"schemas/falco/alert.py", "schemas/ocsf/parts.py", "schemas/ocsf/attack_enterprise.py"}


def extensions() -> list[Extension]:
    """Return what to compile; nothing, unless it is asked for."""
    if os.environ.get("COMPILE_FALCOLAKE") != "1":
        return []
    from mypyc.build import mypycify

    modules = {str(path) for path in Path("schemas").rglob("*.py") if path.name != "__init__.py"}
    # No file of settings: pyproject.toml names a plugin that schemas has no need of.
    options = ["--config-file=", "--strict"]
    return mypycify([*options, *sorted(modules - PLAIN)], debug_level="0", group_name="falcolake")


if __name__ == "__main__":
    setup(ext_modules=extensions())
