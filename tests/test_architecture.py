"""Imports point one way: cli → streams.app → the rest of streams → schemas. No circle."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PURE = {"os", "io", "pathlib", "socket", "subprocess", "random", "time", "duckdb", "faust", "boto3"}


def modules() -> dict[str, Path]:
    """Every module of the project by its dotted name."""
    found = {"cli": ROOT / "cli.py"}
    for package in ("streams", "schemas"):
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imports(name: str, *, top_level: bool = False) -> Iterator[str]:
    """The modules that one imports; with `top_level` only those it imports when it is imported."""
    tree = ast.parse(MODULES[name].read_text())
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    for node in tree.body if top_level else ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in MODULES else node.module


def test_schemas_import_nothing_of_streams_and_no_input_or_output() -> None:
    for name in MODULES:
        if name.startswith("schemas"):
            roots = {imported.split(".")[0] for imported in imports(name)}
            assert not roots & {"streams", "cli"}, name
            assert not roots & PURE, name


def test_nothing_but_the_command_line_imports_it() -> None:
    for name in MODULES:
        assert name == "cli" or "cli" not in set(imports(name)), name


def test_nothing_but_the_command_line_imports_the_app() -> None:
    for name in MODULES:
        assert name == "cli" or "streams.app" not in set(imports(name)), name


def test_production_code_never_imports_the_embedded_servers() -> None:
    for name in MODULES:
        if name == "cli" or name.startswith("streams.embedded"):
            continue
        assert not [found for found in imports(name) if found.startswith("streams.embedded")], name


def test_there_is_no_circle() -> None:
    graph = {name: set(imports(name)) & MODULES.keys() - {name} for name in MODULES}
    tuple(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize(
    ("library", "owners"),
    [
        (
            "duckdb",
            {
                "streams.staging.parquet",
                "streams.staging.segments",
                "streams.staging.staging",
                "streams.embedded.demo",
                "streams.embedded.proof",
            },
        ),
        ("boto3", {"streams.lake.store", "streams.lake.custom_source", "streams.embedded.s3"}),
        ("faust", {"streams.app", "streams.worker.transport", "streams.kafka.client"}),
    ],
)
def test_a_library_has_one_room(library: str, owners: set[str]) -> None:
    users = {
        name for name in MODULES if any(found.split(".")[0] == library for found in imports(name))
    }
    assert users <= owners


def test_the_command_line_starts_without_what_is_heavy() -> None:
    code = "import sys, cli; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert not loaded & {"faust", "duckdb", "boto3", "pyarrow", "kafka", "aiokafka"}


def calls(name: str) -> set[str]:
    """The names of the functions and methods that a module calls."""
    found = (each for each in ast.walk(ast.parse(MODULES[name].read_text())))
    called = {each.func for each in found if isinstance(each, ast.Call)}
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
        ("alter_group_offsets", {"streams.doctor.group"}),  # of a group of its own
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
    production = [name for name in MODULES if not name.startswith("streams.embedded")]
    assert {name for name in production if call in calls(name)} == owners
