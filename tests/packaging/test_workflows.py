"""CI, the release and the hooks run the make targets that a developer runs."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.compose.tools import tool

ROOT = Path(__file__).parents[2]
WORKFLOWS = {path.stem: path for path in (ROOT / ".github" / "workflows").glob("*.yml")}
MAKE = re.compile(r"^\s*make ([a-z-]+)", re.MULTILINE)
# It starts a Docker engine of its own, which fails where another one runs, as on GitHub's runners.
NOT_IN_CI = {"test-compose"}


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def steps(name: str) -> list[dict[str, Any]]:
    return [step for job in read(WORKFLOWS[name])["jobs"].values() for step in job["steps"]]


def targets(name: str) -> set[str]:
    """Return the make targets that a workflow runs, including those of a matrix."""
    jobs = read(WORKFLOWS[name])["jobs"].values()
    matrix = {
        target
        for job in jobs
        for target in job.get("strategy", {}).get("matrix", {}).get("target", [])
    }
    return matrix | {target for step in steps(name) for target in MAKE.findall(step.get("run", ""))}


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_every_make_target_exists() -> None:
    hooks = read(ROOT / ".pre-commit-config.yaml")["repos"][0]["hooks"]
    named = {target for hook in hooks for target in MAKE.findall(hook["entry"])}
    for name in WORKFLOWS:
        named |= targets(name)
    named |= set(MAKE.findall((ROOT / ".ci" / "run").read_text()))
    assert named <= make_targets()
    assert "lint" in named


def test_ci_runs_what_the_project_must_prove() -> None:
    proved = set(MAKE.findall((ROOT / ".ci" / "run").read_text()))
    assert proved - NOT_IN_CI <= targets("ci")


def test_the_release_publishes_only_what_was_tested() -> None:
    assert {"test-dist", "image", "chart"} <= targets("release")


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_has_only_the_permissions_it_needs(name: str) -> None:
    workflow = read(WORKFLOWS[name])
    assert workflow["permissions"] in ({}, {"contents": "read"})
    for job in workflow["jobs"].values():
        assert "write-all" not in str(job.get("permissions"))
        assert job["timeout-minutes"] <= 60
    for step in steps(name):
        assert "${{ github" not in step.get("run", ""), "untrusted text in a shell command"
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("name", WORKFLOWS)
def test_every_action_has_a_version(name: str) -> None:
    used = [step["uses"] for step in steps(name) if "uses" in step]
    assert used
    for action in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+(\.\d+\.\d+)?", action), action


@pytest.mark.tools
def test_the_workflows_are_valid() -> None:
    done = subprocess.run(
        [tool("actionlint"), "-shellcheck=", "-pyflakes=", *map(str, WORKFLOWS.values())],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_chart_has_the_version_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    chart = read(ROOT / "compose" / "helm" / "falcolake" / "Chart.yaml")
    assert {chart["version"], chart["appVersion"]} == {project["version"]}
