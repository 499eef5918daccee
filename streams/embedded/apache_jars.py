"""Where Apache Kafka comes from: `python -m streams.embedded.apache_jars` (`make kafka`).

Maven fetches the jars of one version, named here and in pom.xml, into a cache folder of the
checkout. The folder appears only when complete, so a second run has nothing to do.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from streams.errors import FalcolakeError, Misconfigured, Unavailable

VERSION = "4.3.1"
JARS = Path(__file__).parents[2] / ".cache" / f"kafka-{VERSION}"
POM = Path(__file__).with_name("pom.xml")  # not in the wheel


def find_program(name: str) -> str:
    """Return the path of `java` or `mvn`; raise `Misconfigured` if it is not in the PATH."""
    program = shutil.which(name)
    if program is None:
        raise Misconfigured(
            f"Apache Kafka needs `{name}`, which is not in the PATH",
            "install Java 17 or newer and Maven, or use the embedded broker",
        )
    return program


def require_checkout() -> None:
    """Raise `Misconfigured` if this falcolake was installed from a wheel."""
    if not POM.is_file():
        raise Misconfigured(
            "Apache Kafka as the broker needs a checkout of falcolake",
            "run `make kafka` and .venv/bin/falcolake in one, or use the embedded broker",
        )


def find_jars(jars: Path = JARS) -> Path:
    """Return the folder of the jars; raise `Misconfigured` if they have not been fetched."""
    if not jars.is_dir():
        raise Misconfigured(
            f"Apache Kafka {VERSION} is not in {jars}",
            "run `make kafka` in a checkout of falcolake, or use the embedded broker",
        )
    return jars


def fetch(jars: Path = JARS) -> None:
    """Fetch the jars unless they are there.

    Raises `Misconfigured` without Java, or without Maven when there is something to fetch, and
    `Unavailable` when the download fails.
    """
    require_checkout()
    find_program("java")
    if jars.is_dir():
        return
    maven = find_program("mvn")
    jars.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{jars.name}-", dir=jars.parent) as scratch:
        fetched = Path(scratch) / "jars"
        command = [
            *(maven, "--batch-mode", "--quiet", "-Dstyle.color=never"),
            *("--file", str(POM), f"-Dkafka.version={VERSION}"),
            *("--strict-checksums", "dependency:copy-dependencies"),
            *("-DincludeScope=runtime", f"-DoutputDirectory={fetched}"),
        ]
        if subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode:
            raise Unavailable(
                f"Maven could not fetch Apache Kafka {VERSION}; its reason is above",
                "check the network and Maven's settings, then run it again",
            )
        fetched.rename(jars)


def main(jars: Path = JARS) -> int:
    """Fetch the jars and print where they are; return 0, or 1 after printing the error."""
    try:
        fetch(jars)
    except FalcolakeError as error:
        print(f"Error: {error.message}\nTry: {error.hint}", file=sys.stderr)
        return 1
    print(f"Apache Kafka {VERSION} is in {jars}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
