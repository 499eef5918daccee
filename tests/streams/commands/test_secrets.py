"""No secret is told: not by a command, its errors, its arguments, the worker's log or pages."""

import subprocess
import urllib.request
from pathlib import Path

import pytest

from streams.embedded.s3 import S3Server
from tests.conftest import LakeEnvironment
from tests.flow.worlds import Worker
from tests.streams.commands.conftest import LEAVES, Run
from tests.waiting import wait_until

SECRETS = {
    "FALCOLAKE_KAFKA__SASL_PASSWORD": "planted-sasl-password",
    "FALCOLAKE_KAFKA__SSL_KEY_PASSWORD": "planted-key-password",
    "FALCOLAKE_RECEIVE__TOKEN": "planted-token",
    "KAFKA_PASSWORD": "planted-falcosidekick-password",
    "AWS_SECRET_ACCESS_KEY": "planted-secret-access-key",
    "AWS_SESSION_TOKEN": "planted-session-token",
    "AWS_SECRETACCESSKEY": "planted-falcosidekick-key",
}
SIGN_IN = {
    "FALCOLAKE_KAFKA__SECURITY_PROTOCOL": "SASL_PLAINTEXT",
    "FALCOLAKE_KAFKA__SASL_USERNAME": "falco",
}
#: These run until they are stopped; `stack` prints the development key on purpose.
SERVERS = {"demo", "receive", "stack", "worker"}
ARGUMENTS = {
    "import": ["s3://lake/ext", "--journal", "import.journal"],
    "map": ["missing.jsonl"],
    "verify": ["s3://lake/ext"],
    "register": ["falco", "--crawler-role", "arn:aws:iam::123456789012:role/r"],
}


ALL = [words for words in LEAVES if words[0] not in SERVERS]


def planted(text: str) -> list[str]:
    return [secret for secret in SECRETS.values() if secret in text]


@pytest.mark.parametrize("command", ALL, ids=" ".join)
@pytest.mark.parametrize("as_json", [False, True])
def test_no_command_tells_a_secret(
    falcolake: Run,
    kafka_bootstrap: str,
    command: tuple[str, ...],
    as_json: bool,
) -> None:
    """Against a Kafka that does not know SASL and an S3 that refuses the key: all of them fail."""
    environment = {
        **SECRETS,
        **SIGN_IN,
        "FALCOLAKE_KAFKA__SSL_KEY_PASSWORD": "",
        "FALCOLAKE_KAFKA__BOOTSTRAP_SERVERS": kafka_bootstrap,
        "FALCOLAKE_KAFKA__BOOTSTRAP_TIMEOUT": "300ms",
        "FALCOLAKE_LAKE__BUCKET": "lake",
        "FALCOLAKE_LAKE__REGION": "us-east-1",
        "FALCOLAKE_LAKE__ACCOUNT_ID": "123456789012",
        "FALCOLAKE_LAKE__ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ACCESS_KEY_ID": "AKPLANTED",
    }
    arguments = [*command, *ARGUMENTS.get(command[0], []), *(["--json"] if as_json else [])]
    done = falcolake(*arguments, environment=environment)
    assert planted(done.stdout + done.stderr) == []
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [["settings"], ["settings", "--json"], ["doctor", "--json"]])
def test_secrets_of_the_file_are_masked_too(
    falcolake: Run, tmp_path: Path, arguments: list[str]
) -> None:
    (tmp_path / "falcolake.toml").write_text(
        "[kafka]\nsecurity_protocol = 'SASL_SSL'\nsasl_username = 'falco'\n"
        "sasl_password = 'planted-sasl-password'\n"
        "ssl_cert_file = 'missing.pem'\nssl_key_password = 'planted-key-password'\n"
    )
    done = falcolake(*arguments)
    assert done.stdout
    assert planted(done.stdout + done.stderr) == []


def test_a_secret_where_none_belongs_is_not_repeated(falcolake: Run) -> None:
    for name, secret in SECRETS.items():
        done = falcolake("settings", environment={f"{name}__X": secret, name: secret, **SIGN_IN})
        assert planted(done.stdout + done.stderr) == []


def arguments_of(pid: int) -> str:
    """The command lines of a process and its children, as every user of the machine sees them."""
    done = subprocess.run(
        ["ps", "-ww", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    )
    rows = [line.split(maxsplit=2) for line in done.stdout.splitlines()]
    family = {str(pid)} | {row[0] for row in rows if row[1] == str(pid)}
    return "\n".join(row[-1] for row in rows if row[0] in family)


@pytest.mark.faults
def test_a_worker_tells_no_secret(lake_environment: LakeEnvironment, tmp_path: Path) -> None:
    secret = S3Server.secret_access_key  # the one that works here
    environment = lake_environment(WEB__PORT=0, WINDOW__INTERVAL=1, LOG__LEVEL="debug")
    worker = Worker(environment, tmp_path / "worker.log").start()
    try:
        wait_until(lambda: worker.readiness().get("ready"), 60, "the worker is ready")
        assert worker.process is not None
        shown = arguments_of(worker.process.pid)
        assert "worker" in shown
        base = worker.tail_all().split("metrics and health on ")[1].split()[0]
        for page in ("", "status.json", "metrics", "healthz", "readyz"):
            with urllib.request.urlopen(f"{base}/{page}", timeout=10) as answer:
                shown += answer.read().decode()
    finally:
        worker.end()
    assert secret not in shown + worker.tail_all()


@pytest.mark.faults
def test_a_worker_that_cannot_sign_in_tells_no_secret(
    lake_environment: LakeEnvironment, tmp_path: Path
) -> None:
    name = "FALCOLAKE_KAFKA__SASL_PASSWORD"
    environment = lake_environment(WEB__PORT=0) | SIGN_IN | {name: SECRETS[name]}
    worker = Worker(environment, tmp_path / "worker.log").start()
    try:
        wait_until(
            lambda: worker.said("starting again") or worker.process.poll() is not None,
            60,
            "it has failed to sign in",
        )
    finally:
        worker.end()
    assert worker.tail_all()
    assert planted(worker.tail_all()) == []
