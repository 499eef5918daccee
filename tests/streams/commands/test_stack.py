"""`falcolake stack`, as a shell uses it."""

import json
import subprocess
import sys
from pathlib import Path

SHELL = """
set -e
eval "$(falcolake stack --partitions 2 --data ./data &)"
trap 'kill $FALCOLAKE_STACK_PID' EXIT
falcolake produce --count 50
echo '{"rule":"r"}' | falcolake produce --file -
falcolake status --json || true
"""


DETACHED = """
set -e
trap : INT
eval "$(falcolake stack --detach --partitions 2)"
kill -INT 0
falcolake produce --count 50
falcolake status --json || true
falcolake stack --data ./data && exit 9
. ./data/env
falcolake stack --stop
falcolake stack --stop
ls data
"""


def shell(path: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a process group of its own, with `falcolake` on its path."""
    (path / "falcolake").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cli "$@"\n')
    (path / "falcolake").chmod(0o755)
    return subprocess.run(
        ["sh", "-c", f'PATH="{path}:$PATH"\n{script}'],
        cwd=path,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        start_new_session=True,
    )


def test_a_detached_stack_survives_ctrl_c_and_ends_when_it_is_told(tmp_path: Path) -> None:
    done = shell(tmp_path, DETACHED)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout[: done.stdout.rindex("}") + 1])["lag"] == 50
    assert "a stack already runs on data" in done.stderr
    assert done.stderr.splitlines()[-2] == "stopped"
    assert done.stderr.splitlines()[-1] == f"no stack runs on {tmp_path / 'data'}"
    assert "env" not in done.stdout[done.stdout.rindex("}") :].split()


def test_a_detached_stack_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "kafka").write_text("no directory")
    done = shell(tmp_path, "falcolake stack --detach")
    assert done.returncode != 0
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr


def test_a_shell_can_use_the_stack(tmp_path: Path) -> None:
    done = shell(tmp_path, SHELL)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["lag"] == 51
    assert "50 records sent" in done.stderr
