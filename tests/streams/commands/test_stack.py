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


def test_a_shell_can_use_the_stack(tmp_path: Path) -> None:
    (tmp_path / "falcolake").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cli "$@"\n')
    (tmp_path / "falcolake").chmod(0o755)
    done = subprocess.run(
        ["sh", "-c", f'PATH="{tmp_path}:$PATH"\n{SHELL}'],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["lag"] == 51
    assert "50 records sent" in done.stderr
