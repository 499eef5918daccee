"""Loads the settings; the only module that reads the environment.

The order of precedence: `FALCOLAKE_*` variables (`FALCOLAKE_KAFKA__TOPIC` is `kafka.topic`), a TOML
file, falcosidekick's variables, the default. All errors are reported at once, each with the setting
as it was written.
"""

import difflib
import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import EnvSettingsSource, SettingsError

from streams import faults
from streams.errors import Misconfigured
from streams.settings import falcosidekick
from streams.settings.settings import (
    Origin,
    Settings,
    example,
    fields,
    rounded,
    secret,
    variable,
)

PREFIX = "FALCOLAKE_"
CONFIG = "FALCOLAKE_CONFIG"
FILE = "_FILE"
DEFAULT_FILE = Path("falcolake.toml")
WORDING = {
    "extra_forbidden": "there is no such setting",
    "model_type": "this is a section; set its settings one by one",
    "greater_than_equal": "it must be at least {ge}",
    "less_than_equal": "it must be at most {le}",
    "byte_size": "a size is a number of bytes, or a number with kB, MB, MiB, GB or GiB",
    "byte_size_unit": "a size is a number of bytes, or a number with kB, MB, MiB, GB or GiB",
}


def load(config: Path | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """Return the settings from all their sources.

    Args:
        config: the TOML file; by default that of FALCOLAKE_CONFIG, or falcolake.toml if it exists.
        environment: the variables; by default those of the process.

    Raises:
        Misconfigured: a file cannot be read, or settings are wrong; names all of them.
    """
    variables = os.environ if environment is None else environment  # noqa: TID251 - only here
    variables, read = _with_secrets(variables)
    values: dict[str, Any] = {}
    origins: dict[str, Origin] = {}
    for name, known_as, value in falcosidekick.translate(variables):
        _put(values, name, value)
        origins[name] = Origin("falcosidekick", known_as)
    file = config or (Path(variables[CONFIG]) if variables.get(CONFIG) else None)
    for name, value in _flat(_from_file(file)):
        _put(values, name, value)
        origins[name] = Origin("file", str(file or DEFAULT_FILE))
    for name, value in _flat(_from_environment(variables)):
        _put(values, name, value)
        origins[name] = read.get(name, Origin("environment", variable(name)))
    try:
        settings = Settings(**values)
    except ValidationError as error:
        raise _misconfigured(error, origins) from None
    return settings.traced(origins, [*_strays(variables), *falcosidekick.ignored(variables)])


def _with_secrets(variables: Mapping[str, str]) -> tuple[dict[str, str], dict[str, Origin]]:
    """Return the variables with the secrets that `…_FILE` variables name, and their origins.

    Kubernetes and Docker mount secrets as files: FALCOLAKE_KAFKA__SASL_PASSWORD_FILE=/run/secrets/…
    is read as FALCOLAKE_KAFKA__SASL_PASSWORD, without the line break at its end.
    """
    known, origins = dict(variables), {}
    for name, field in fields():
        file = variable(name) + FILE
        path = known.pop(file, "") if secret(field) else ""
        if not path:
            continue
        if known.get(variable(name)):
            raise Misconfigured(f"both {variable(name)} and {file} are set", "set only one of them")
        known[variable(name)] = _secret_in(Path(path), file)
        origins[name] = Origin("file", f"{path} by {file}")
    return known, origins


def _secret_in(path: Path, written: str) -> str:
    try:
        found = path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise Misconfigured(
            f"cannot read the secret in {path}: {why}", f"correct {written}, or the file"
        ) from None
    if not found:
        raise Misconfigured(f"the secret in {path} is empty", f"correct {written}, or the file")
    return found


def problem(name: str, value: str) -> str | None:
    """Return why a setting cannot have a value; None if it can."""
    section, _, key = name.partition(".")
    try:
        Settings(**{section: {key: value}})  # type: ignore[arg-type]  # pydantic takes dicts
    except ValidationError as error:
        return _why(error.errors(include_url=False)[0])
    return None


def wanted_fault() -> str:
    """Return the fault point that a test asks for, see `streams.faults`; empty in normal use."""
    return os.environ.get(faults.VARIABLE, "")  # noqa: TID251 - only here


def _put(values: dict[str, Any], name: str, value: Any) -> None:
    section, _, key = name.partition(".")
    if not key:
        values[section] = value
    elif isinstance(group := values.setdefault(section, {}), dict):
        group[key] = value


def _flat(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for section, group in values.items():
        if isinstance(group, dict):
            for key, value in group.items():
                yield f"{section}.{key}", value
        else:
            yield section, group


def _from_file(file: Path | None) -> dict[str, Any]:
    path = file or DEFAULT_FILE
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if file is None:
            return {}
        raise Misconfigured(
            f"there is no settings file {path}",
            f"correct --config or {CONFIG}; 'falcolake settings --example' prints an example",
        ) from None
    except OSError as error:
        raise Misconfigured(
            f"cannot read the settings file {path}: {error.strerror}",
            f"correct --config or {CONFIG}, or the file's permissions",
        ) from None
    except UnicodeDecodeError:
        raise Misconfigured(
            f"the settings file {path} is not UTF-8 text", "save it as UTF-8"
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(
            f"the settings file {path} is not valid TOML: {error}",
            'text needs quotes, as in topic = "falco-events"',
        ) from None


def _from_environment(variables: Mapping[str, str]) -> dict[str, Any]:
    sections = {each.upper() for each in Settings.model_fields}
    for name in sorted(variables):
        section, mark, _ = name.upper().removeprefix(PREFIX).partition("__")
        if name.upper().startswith(PREFIX) and mark and section not in sections:
            near = difflib.get_close_matches(section, sections, n=1, cutoff=0.7)
            raise Misconfigured(
                f"{name}: there is no section of settings {section}",
                f"did you mean {PREFIX}{near[0]}{name[len(PREFIX) + len(section) :]}?"
                if near
                else f"the sections are {', '.join(sorted(sections))}",
            )
    source = EnvSettingsSource(Settings)
    source.env_vars = {name.lower(): value for name, value in variables.items() if value}
    try:
        return source()
    except SettingsError:
        whole = [name for name in map(variable, Settings.model_fields) if variables.get(name)]
        raise Misconfigured(
            f"{', '.join(whole)}: a whole section of settings must be valid JSON",
            "set single values, as in FALCOLAKE_KAFKA__TOPIC=falco-events",
        ) from None


def _strays(variables: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for every variable that looks like a setting but is not one.

    Only a warning: Kubernetes sets FALCOLAKE_PORT and others for a service of that name.
    """
    known = {variable(name).replace("_", ""): variable(name) for name, _ in fields()}
    right = set(known.values())
    for name in sorted(variables):
        meant = known.get(name.upper().replace("_", ""))
        if name.upper().startswith(PREFIX) and meant and name.upper() not in right:
            yield f"{name} is not a setting and is ignored; did you mean {meant}?"


def _misconfigured(error: ValidationError, origins: Mapping[str, Origin]) -> Misconfigured:
    known = dict(fields())
    problems: list[str] = []
    hints: list[str] = []
    for detail in error.errors(include_url=False):
        # A default that is derived from a wrong value is not another problem.
        if detail["type"] == "default_factory_not_called":
            continue
        name = _setting(detail)
        field = known.get(name)
        origin = next(
            (origins[key] for key in origins if f"{key}.".startswith(f"{name}.")), Origin("default")
        )
        in_file = origin.source == "file"
        written = f"{name} in {origin.name}" if in_file else origin.name or variable(name)
        # Inside a list or an object; parts with a bracket are pydantic's own.
        inside = [f"{part}" for part in detail["loc"][2:] if "[" not in f"{part}"]
        written += f" ({'.'.join(inside)})" if inside and field is not None else ""
        problems.append(_problem(detail, written, field))
        hints += _hint(name, field, in_file=in_file)
    return Misconfigured("\n".join(problems), "\n".join(hints))


def _setting(detail: ErrorDetails) -> str:
    place = [str(part) for part in detail["loc"]]
    if detail["type"] == "contradiction":
        place.append(detail["ctx"]["setting"])
    return ".".join(place[:2])


def _why(detail: ErrorDetails) -> str:
    """Return what is wrong with a value, without the value."""
    if wording := WORDING.get(detail["type"]):
        return wording.format_map({key: rounded(v) for key, v in detail.get("ctx", {}).items()})
    return detail["msg"].removeprefix("Value error, ").replace("Input should be", "it must be")


def _problem(detail: ErrorDetails, written: str, field: FieldInfo | None) -> str:
    why = _why(detail)
    if detail["type"] == "contradiction" or field is None or secret(field):
        return f"{written}: {why}"
    # A name and password in a URL, or before a host, is a secret in the wrong place.
    shown = re.sub(r"[^/,\s]*@", "***@", str(rounded(detail["input"])))
    return f"{written} is {shown[:80]!r}: {why}"


def _hint(name: str, field: FieldInfo | None, *, in_file: bool) -> list[str]:
    if field is None:
        known = [*Settings.model_fields, *(known for known, _ in fields())]
        near = difflib.get_close_matches(name, known, n=1)
        return [f"did you mean {word if in_file else variable(word)}?" for word in near]
    if secret(field):
        return []
    value = example(field)
    written = f"{name} = {json.dumps(value)}" if in_file else f"{variable(name)}={value}"
    return [f"for example {written}"]
