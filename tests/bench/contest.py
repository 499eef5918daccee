"""The peers' environments, and how to run one.

Their packages, with pinned versions, are installed into `.cache/peers` and nowhere else; one that
cannot be installed or does not run is reported with the reason, and the others continue.
"""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tests.bench.cost import Cost
from tests.bench.ground import ROOT, Ground, Topic

REQUIREMENTS = Path(__file__).parent / "peers"
CACHE = ROOT / ".cache" / "peers"


class Peer(NamedTuple):
    """A peer: its name, the module that runs it, its way to Parquet (see `peers.parquet`)."""

    name: str
    module: str
    way: str
    note: str

    def run(self, ground: Ground, topic: Topic) -> Cost:
        """Run it over a topic; raise if it fails, or loses or doubles a row."""
        run = ground.run_name(f"{self.module} {self.way}")
        cost = ground.run_script(
            f"tests.bench.peers.{self.module}", topic, run, self.way, python=python(self.module)
        )
        ground.check(topic, run)
        return cost


#: The modules of `peers`, and the package that each is about.
MODULES = {"quix": "quixstreams", "pathway": "pathway"}

PEERS = (
    Peer("Quix Streams, S3FileSink", "quix", "dicts", "as documented; pyarrow `from_pylist`"),
    Peer("Quix Streams, DuckDB", "quix", "parts", "a format of our own: DuckDB nests the parts"),
    Peer("Pathway, pyarrow", "pathway", "dicts", "`pw.io.subscribe`; pyarrow `from_pylist`"),
    Peer("Pathway, DuckDB", "pathway", "parts", "`pw.io.subscribe`; DuckDB nests the parts"),
)


def python(module: str, requirements: Path = REQUIREMENTS, cache: Path = CACHE) -> str:
    """Return the interpreter of a peer's environment, creating it if missing or outdated.

    Raises RuntimeError with the installer's last word if it cannot be made.
    """
    wanted = requirements / f"{module}.txt"
    digest = hashlib.sha256(wanted.read_bytes()).hexdigest()
    home = cache / module
    stamp, interpreter = home / "installed", home / "bin" / "python"
    if not stamp.exists() or stamp.read_text() != digest:
        shutil.rmtree(home, ignore_errors=True)
        uv = str(Path(sys.executable).with_name("uv"))
        _run(uv, "venv", "--quiet", "--python", sys.executable, str(home))
        _run(uv, "pip", "install", "--quiet", "--python", str(interpreter), "-r", str(wanted))
        stamp.write_text(digest)
    return str(interpreter)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise RuntimeError(f"cannot be installed here: {done.stderr.strip().splitlines()[-1]}")


def versions(module: str) -> list[str]:
    """Return the pinned versions that matter in a peer's environment."""
    lines = (REQUIREMENTS / f"{module}.txt").read_text().splitlines()
    return [line for line in lines if line.split("==")[0] in {*MODULES.values(), "pyarrow"}]
