"""The structure: imports point one way, deciders are pure, each library has its owners.

Imports for typing count too. Owners are compared exactly, so a stale name fails as a new user does.
"""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter

import pytest

from tests.imports import MODULES, ROOT, libraries, own_imports, room, rooms, tree

#: The folders from the ground up. Each imports only from those above it in this list.
FLOORS = (
    "schemas",
    "schemas.memory",
    "schemas.falco",
    "schemas.ocsf",
    "schemas.sources",
    "schemas.classes",
    "schemas.slots",
    "schemas.mapping",
    "schemas.explain",
    "streams",
    "streams.errors",
    "streams.clock",
    "streams.backoff",
    "streams.background",
    "streams.sizes",
    "streams.locks",
    "streams.faults",
    "streams.terminal",
    "streams.samples",
    "streams.watch",
    "streams.settings",
    "streams.registry",
    "streams.windows",
    "streams.lake",
    "streams.templates",
    "streams.kafka",
    "streams.staging",
    "streams.control",
    "streams.audit",
    "streams.query",
    "streams.replay",
    "streams.adopt",
    "streams.doctor",
    "streams.worker",
    "streams.page",
    "streams.receive",
    "streams.imports",
    "streams.app",
    "streams.embedded",
    "streams.commands",
    "cli",
)

#: What decides. None of it may touch the world, nor load anything that does.
DECIDERS = tuple(
    name
    for name in MODULES
    if room(name) == "streams.windows"
    or name.startswith("schemas")
    or name
    in {
        "streams.adopt.decide",
        "streams.audit.coverage",
        "streams.audit.proof",
        "streams.control.fleet",
        "streams.control.messages",
        "streams.imports.cutting",
        "streams.lake.ddl",
        "streams.lake.keys",
        "streams.lake.proof",
        "streams.query.period",
        "streams.query.values",
        "streams.receive.bodies",
        "streams.replay.plan",
        "streams.sizes",
        "streams.watch.alerts",
        "streams.watch.lines",
        "streams.watch.rates",
        "streams.worker.pause",
        "streams.worker.takeover",
    }
)

#: Modules of the standard library that touch the world, or give other answers to the same question.
WORLD = {
    *("asyncio", "concurrent", "http", "io", "logging", "multiprocessing", "os"),
    *("queue", "random", "secrets", "select", "shutil", "signal", "socket", "sqlite3", "ssl"),
    *("subprocess", "sys", "tempfile", "threading", "time", "urllib"),
}

HEAVY = {"aiohttp", "aiokafka", "boto3", "botocore", "duckdb", "faust", "kafka", "pyarrow"}


def users_of(library: str) -> set[str]:
    """Return the modules that import a library, but for the development servers."""
    return {name for name in MODULES if library in libraries(name) and not is_embedded(name)}


def is_embedded(name: str) -> bool:
    """Whether a module belongs to the development servers."""
    return room(name) == "streams.embedded"


def test_there_is_no_circle() -> None:
    tuple(TopologicalSorter({name: own_imports(name) for name in MODULES}).static_order())


def test_every_folder_has_its_floor() -> None:
    assert set(rooms()) == set(FLOORS)


def test_no_import_climbs() -> None:
    floor = {name: number for number, name in enumerate(FLOORS)}
    climbs = [
        f"{lower} → {upper}"
        for lower, others in rooms().items()
        for upper in others
        if floor[upper] >= floor[lower]
    ]
    assert climbs == []


def test_only_the_commands_start_the_worker_and_the_development_servers() -> None:
    users = {
        name: {room(other) for other in own_imports(name)} & {"streams.app", "streams.embedded"}
        for name in MODULES
        if not is_embedded(name)
    }
    assert {name: found for name, found in users.items() if found} == {
        "streams.commands.demo": {"streams.embedded"},
        "streams.commands.stack": {"streams.embedded"},
        "streams.commands.worker": {"streams.app"},
    }


def test_a_package_file_holds_nothing_but_words() -> None:
    for name, path in MODULES.items():
        if path.name == "__init__.py" and room(name) != "streams.samples":
            assert [type(node) for node in tree(name).body] == [ast.Expr], name


@pytest.mark.parametrize("name", DECIDERS)
def test_a_decider_imports_deciders_alone(name: str) -> None:
    plain = {*DECIDERS, "streams.errors"}
    assert not own_imports(name) - plain
    assert not libraries(name) & (WORLD | HEAVY)


def test_importing_every_decider_loads_no_library_that_touches_the_world() -> None:
    code = f"import sys, {', '.join(DECIDERS)}; print(*sys.modules)"
    assert not loaded_by(code) & HEAVY


def test_the_command_line_starts_without_what_is_heavy() -> None:
    assert not loaded_by("import sys, cli; print(*sys.modules)") & (HEAVY | {"email"})


def loaded_by(code: str) -> set[str]:
    """Run a program that prints the names of its modules; return the top-level ones."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return {name.split(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize(
    ("library", "owners"),
    [
        ("aiohttp", {"streams.page.server", "streams.receive.server"}),
        (
            "aiokafka",
            {
                "streams.imports.sender",
                "streams.kafka.dead_letter_writer",
                "streams.kafka.markers",
                "streams.kafka.msk",
                "streams.kafka.produce",
                "streams.kafka.producing",
                "streams.receive.publisher",
                "streams.worker.listener",
                "streams.worker.fetching",
                "streams.worker.topic_ids",
                "streams.worker.epoch_ends",
                "streams.worker.transport",
            },
        ),
        ("boto3", {"streams.lake.session"}),
        (
            "botocore",
            {
                "streams.lake.custom_source",
                "streams.lake.errors",
                "streams.lake.reader",
                "streams.lake.session",
            },
        ),
        (
            "duckdb",
            {
                "streams.query.engine",
                "streams.staging.contents",
                "streams.staging.enums",
                "streams.staging.parquet",
                "streams.staging.segments",
            },
        ),
        ("faust", {"streams.app", "streams.kafka.client", "streams.worker.transport"}),
        (
            "kafka",
            {
                "streams.kafka.adoption",
                "streams.kafka.client",
                "streams.kafka.dead_letter_reader",
                "streams.kafka.errors",
                "streams.kafka.msk",
                "streams.kafka.epochs",
                "streams.kafka.follow",
                "streams.kafka.probe",
                "streams.kafka.scan",
                "streams.kafka.status",
                "streams.kafka.topics",
                "streams.kafka.transactions",
            },
        ),
        (
            "pyarrow",
            {
                "streams.adopt.held",
                "streams.audit.page_sizes",
                "streams.audit.rows",
                "streams.audit.rules",
                "streams.imports.sources",
                "streams.lake.contents",
                "streams.lake.footers",
                "streams.query.engine",
                "streams.query.objects",
                "streams.query.output",
                "streams.query.prompt",
                "streams.query.run",
                "streams.staging.contents",
                "streams.staging.filing",
                "streams.staging.packed",
                "streams.staging.parquet",
            },
        ),
        (
            "prometheus_client",
            {
                "streams.app",
                "streams.page.server",
                "streams.receive.metrics",
                "streams.receive.run",
                "streams.receive.server",
                "streams.registry",
                "streams.worker.metrics",
            },
        ),
    ],
)
def test_a_library_has_its_owners(library: str, owners: set[str]) -> None:
    assert users_of(library) == owners


def calls(name: str) -> set[str]:
    """Return the names of the functions and methods that a module calls."""
    called = {each.func for each in ast.walk(tree(name)) if isinstance(each, ast.Call)}
    return {each.attr for each in called if isinstance(each, ast.Attribute)} | {
        each.id for each in called if isinstance(each, ast.Name)
    }


@pytest.mark.parametrize(
    ("call", "owners"),
    [
        # The group's offsets: the ledger alone moves them, through the transport.
        ("commit_offsets", {"streams.worker.ledger"}),
        ("_do_commit_offsets", {"streams.worker.transport"}),
        ("commit_async", set()),
        # The probe's group is its own; adoption is a person's word, with all workers stopped.
        ("alter_group_offsets", {"streams.kafka.adoption", "streams.kafka.probe"}),
        ("alter_consumer_group_offsets", set()),
        # The lake: workers put single objects; only `replay --prune` deletes.
        ("put_object", {"streams.lake.store", "streams.doctor.lake"}),
        ("delete_object", {"streams.lake.store"}),
        ("upload_file", set()),
        ("upload_fileobj", set()),
        ("create_multipart_upload", set()),
        ("put_object_acl", set()),
        ("put_object_tagging", set()),
    ],
)
def test_only_its_owner_changes_offsets_and_objects(call: str, owners: set[str]) -> None:
    assert {name for name in MODULES if not is_embedded(name) and call in calls(name)} == owners
