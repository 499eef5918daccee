"""The Helm chart: valid for Kubernetes, and its values reach falcolake as settings."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.registry import deployment
from streams.settings.load import load
from streams.settings.sections import ReceiveSettings
from streams.settings.settings import Settings, fields
from tests.compose.chart import CHART, MINIMUM, NEWEST, manifest, merged, render
from tests.compose.engine import EngineError, run
from tests.compose.files import ALERTS, DASHBOARD, DOCKERFILE, ROOT, read
from tests.compose.tools import tool, validate

pytestmark = pytest.mark.tools

#: Settings that the chart decides itself, and settings that do not belong in a values file.
DECIDED = {
    "kafka.group_instance_id",
    "kafka.ssl_ca_file",
    "kafka.ssl_cert_file",
    "kafka.ssl_key_file",
    "receive.tls_certificate",
    "receive.tls_key",
    "receive.tls_client_ca",
    "staging.path",
    "web.url",  # each pod has its own: config.extraEnv
}
SECRET = {"kafka.sasl_password", "kafka.ssl_key_password", "receive.token"}
IRSA = {
    "serviceAccount": {
        "annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::012345678901:role/falcolake"}
    },
    "config": {
        "lake": {
            "role_arn": "arn:aws:iam::012345678901:role/AmazonSecurityLake-Provider-falco",
            "external_id": "falco",
        }
    },
}
TLS = {
    "config": {
        "kafka": {"security_protocol": "SASL_SSL", "sasl_mechanism": "SCRAM-SHA-512"},
        "existingSecret": "kafka-user",
    },
    "tls": {"existingSecret": "kafka-tls", "cert": "tls.crt", "key": "tls.key"},
}
EVERYTHING: dict[str, Any] = {
    "serviceMonitor": {
        "enabled": True,
        "interval": "15s",
        "scrapeTimeout": "10s",
        "additionalLabels": {"release": "prometheus"},
        "additionalProperties": {"honorLabels": True},
    },
    "networkPolicy": {
        "enabled": True,
        "ingressFrom": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}],
        "egress": {
            "enabled": True,
            "kafka": {"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]},
            "lake": {"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]},
            "extra": [{"to": [{"ipBlock": {"cidr": "169.254.170.23/32"}}]}],
        },
    },
    "grafana": {"dashboards": {"enabled": True, "annotations": {"grafana_folder": "Security"}}},
    "prometheusRules": {"enabled": True, "additionalLabels": {"release": "prometheus"}},
    "autoscaling": {"enabled": True},
    "image": {"registry": "012345678901.dkr.ecr.eu-central-1.amazonaws.com"},
    "imagePullSecrets": [{"name": "registry"}],
    "priorityClassName": "system-cluster-critical",
    "revisionHistoryLimit": 3,
    "customLabels": {"team": "security"},
    "customAnnotations": {"owner": "security"},
    "podLabels": {"sidecar": "none"},
    "podAnnotations": {"sidecar.istio.io/inject": "false"},
    "persistence": {"enabled": True, "storageClass": "gp3"},
    "nodeSelector": {"kubernetes.io/arch": "amd64"},
    "tolerations": [{"key": "security", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "topologySpreadConstraints": [
        {
            "maxSkew": 1,
            "topologyKey": "topology.kubernetes.io/zone",
            "whenUnsatisfiable": "ScheduleAnyway",
        }
    ],
    "extraVolumes": [{"name": "more", "emptyDir": {}}],
    "extraVolumeMounts": [{"name": "more", "mountPath": "/more"}],
    "service": {"annotations": {"a": "b"}},
    "config": {
        "extraEnv": [{"name": "AWS_CA_BUNDLE", "value": "/more/ca.pem"}],
        "extraArgs": ["--drain"],
    },
}
SCALED: dict[str, Any] = {
    "keda": {"enabled": True, "annotations": {"autoscaling.keda.sh/paused": "false"}}
}
CASES: dict[str, dict[str, Any]] = {
    "the least": {},
    "irsa": IRSA,
    "tls": TLS,
    "everything": merged(merged(EVERYTHING, IRSA), TLS),
    "keda": SCALED,
    "keda, with a password and certificates": merged(SCALED, TLS),
    "volumes": {"persistence": {"enabled": True}},
    "no budget": {"podDisruptionBudget": {"enabled": False}},
    "a service account of somebody's": {"serviceAccount": {"create": False, "name": "mine"}},
}


def pod(resources: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = resources["StatefulSet"]["spec"]["template"]["spec"]
    return found


def worker(resources: dict[str, Any]) -> dict[str, Any]:
    (container,) = pod(resources)["containers"]
    found: dict[str, Any] = container
    return found


def environment(container: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in container["env"] if "value" in each}


def settings(resources: dict[str, Any], **secret: str) -> Settings:
    return load(environment=environment(worker(resources)) | secret)


#: No package has their schemas; `test_cluster` checks them on an API server.
OPERATORS = {"ServiceMonitor", "PrometheusRule", "ScaledObject", "TriggerAuthentication"}


@pytest.mark.parametrize("kubernetes", ["1.27.0", "1.32.0", NEWEST])
@pytest.mark.parametrize("case", CASES)
def test_kubernetes_accepts_every_resource(case: str, kubernetes: str, tmp_path: Path) -> None:
    file = tmp_path / "manifest.yaml"
    file.write_text(manifest(tmp_path, CASES[case], kubernetes))
    answer = validate(file, kubernetes)
    kinds = {kind.lower() for kind in render(tmp_path, CASES[case], kubernetes)}
    assert set(re.findall(r"^INFO .* passed for resource (\w+)/", answer, re.MULTILINE)) == (
        kinds - {kind.lower() for kind in OPERATORS}
    )
    assert set(re.findall(r"^WARN .* schema for kind (\w+)", answer, re.MULTILINE)) <= OPERATORS


def policy(tmp_path: Path, **values: Any) -> dict[str, Any]:
    """Return the policy of a chart with egress limited."""
    asked = {"networkPolicy": {"enabled": True, "egress": {"enabled": True}}, **values}
    found: dict[str, Any] = render(tmp_path, asked)["NetworkPolicy"]["spec"]
    return found


def ports(rule: dict[str, Any]) -> list[Any]:
    return [each["port"] for each in rule["ports"]]


def test_a_network_policy_lets_in_the_web_port_alone_and_out_what_a_worker_needs(
    tmp_path: Path,
) -> None:
    assert "NetworkPolicy" not in render(tmp_path, {})
    found = policy(tmp_path)
    labels = render(tmp_path, {})["StatefulSet"]["spec"]["selector"]
    assert found["podSelector"] == labels
    assert found["ingress"] == [
        {"from": [{"namespaceSelector": {}}], "ports": [{"port": "http", "protocol": "TCP"}]}
    ]
    assert [ports(rule) for rule in found["egress"]] == [[53, 53], [9092], [443]]
    assert not any("to" in rule for rule in found["egress"])
    only_in = render(tmp_path, {"networkPolicy": {"enabled": True}})["NetworkPolicy"]["spec"]
    assert (only_in["policyTypes"], "egress" in only_in) == (["Ingress"], False)


def test_a_network_policy_takes_its_ports_from_the_settings_and_its_peers_from_values(
    tmp_path: Path,
) -> None:
    servers = "b-1.kafka:9098, b-2.kafka:9096,b-3.kafka:9098"
    lake = {"endpoint_url": "http://minio.minio:9000"}
    config = {"kafka": {"bootstrap_servers": servers}, "lake": lake}
    _, kafka, store = policy(tmp_path, config=config)["egress"]
    assert (ports(kafka), ports(store)) == ([9098, 9096], [443, 9000])
    asked = EVERYTHING["networkPolicy"]
    found = policy(tmp_path, networkPolicy=asked)
    assert found["ingress"][0]["from"] == asked["ingressFrom"]
    assert [rule.get("to") for rule in found["egress"][1:]] == [
        asked["egress"]["kafka"]["to"],
        asked["egress"]["lake"]["to"],
        asked["egress"]["extra"][0]["to"],
    ]


def test_a_misspelt_field_would_be_found(tmp_path: Path) -> None:
    file = tmp_path / "manifest.yaml"
    text = manifest(tmp_path, {})
    file.write_text(text.replace("terminationGracePeriodSeconds", "gracePeriodSeconds"))
    with pytest.raises(EngineError, match="gracePeriodSeconds"):
        validate(file, NEWEST)


def test_the_operators_resources_have_what_its_api_knows(tmp_path: Path) -> None:
    found = render(tmp_path, EVERYTHING)
    monitor, rule = found["ServiceMonitor"], found["PrometheusRule"]
    assert {each["apiVersion"] for each in (monitor, rule)} == {"monitoring.coreos.com/v1"}
    assert monitor["spec"].keys() == {"jobLabel", "selector", "endpoints"}
    (endpoint,) = monitor["spec"]["endpoints"]
    (port,) = found["Service"]["spec"]["ports"]
    assert endpoint == {
        "port": port["name"],
        "path": "/metrics",
        "interval": "15s",
        "scrapeTimeout": "10s",
        "honorLabels": True,
    }
    selected = monitor["spec"]["selector"]["matchLabels"].items()
    assert selected <= found["Service"]["metadata"]["labels"].items()
    assert rule["spec"] == read(ALERTS)
    assert {each["metadata"]["labels"]["release"] for each in (monitor, rule)} == {"prometheus"}


def test_the_dashboard_is_a_config_map_that_grafanas_sidecar_finds(tmp_path: Path) -> None:
    """`grafana_dashboard: "1"` is what kube-prometheus-stack's sidecar looks for."""
    found = render(tmp_path, EVERYTHING)["ConfigMap"]
    assert found["data"] == {"falcolake.json": DASHBOARD.read_text()}
    metadata = found["metadata"]
    assert metadata["labels"]["grafana_dashboard"] == "1"
    assert metadata["annotations"] == {"owner": "security", "grafana_folder": "Security"}
    labels = {"grafana_dashboard": None, "board": "yes"}
    asked = {"grafana": {"dashboards": {"enabled": True, "namespace": "eyes", "labels": labels}}}
    metadata = render(tmp_path, asked)["ConfigMap"]["metadata"]
    assert (metadata["namespace"], metadata["labels"]["board"]) == ("eyes", "yes")
    assert "grafana_dashboard" not in metadata["labels"]


def test_the_job_is_the_one_that_rules_and_dashboard_ask_for_whatever_names_are(
    tmp_path: Path,
) -> None:
    found = render(tmp_path, EVERYTHING | {"nameOverride": "shipper", "fullnameOverride": "other"})
    label = found["ServiceMonitor"]["spec"]["jobLabel"]
    assert found["Service"]["metadata"]["labels"][label] == "falcolake"


def test_helm_lint_is_clean(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(json.dumps(MINIMUM))
    options = ["--strict", "--kube-version", NEWEST, "--values", str(file)]
    assert "0 chart(s) failed" in run([tool("helm"), "lint", str(CHART), *options])


def test_every_setting_is_a_value_except_those_the_chart_decides() -> None:
    config = json.loads((CHART / "values.schema.json").read_text())["properties"]["config"]
    known = {
        f"{section}.{name}"
        for section, group in config["properties"].items()
        for name in group.get("properties", ())
    }
    assert known == {name for name, _ in fields()} - DECIDED - SECRET


def test_every_value_is_in_the_schema_and_unknown_ones_are_refused(tmp_path: Path) -> None:
    for wrong in (
        {"replicas": 3},
        {"config": {"kafka": {"topics": "a"}}},
        {"tls": {"secret": "a"}},
    ):
        with pytest.raises(EngineError, match="additional properties"):
            manifest(tmp_path, wrong)


@pytest.mark.parametrize("name", sorted(SECRET))
def test_a_password_is_not_taken_as_a_value(name: str, tmp_path: Path) -> None:
    section, _, key = name.partition(".")
    with pytest.raises(EngineError, match="additional properties"):
        manifest(tmp_path, {"config": {section: {key: "secret"}}})


@pytest.mark.parametrize(
    "name", ["kafka.bootstrap_servers", "lake.bucket", "lake.region", "lake.account_id"]
)
def test_what_is_required_is_named(name: str, tmp_path: Path) -> None:
    section, _, key = name.partition(".")
    with pytest.raises(EngineError, match=f"config.{name} is required"):
        manifest(tmp_path, {"config": {section: {key: ""}}})


def test_falcolake_accepts_the_default_settings(tmp_path: Path) -> None:
    found = settings(render(tmp_path, {}))
    found.require_lake()
    assert found.warnings() == []
    assert found.lake.account_id == "012345678901"
    assert found.kafka.servers == ["b-1.kafka:9092", "b-2.kafka:9092"]


def test_objects_of_a_values_file_reach_falcolake_as_they_are_written(tmp_path: Path) -> None:
    values = {"cluster": {"name": "prod"}, "fields": {"env": "metadata.labels[]"}}
    found = settings(render(tmp_path, {"config": {"mapping": values}})).mapping
    assert found.cluster is not None
    assert found.cluster.name == "prod"
    assert found.fields == values["fields"]


def test_numbers_of_a_values_file_reach_falcolake_as_they_are_written(tmp_path: Path) -> None:
    values = {
        "config": {
            "window": {"interval": 450.5, "max_rows": 3_000_000, "max_bytes": 1_000_000_000},
            "kafka": {"session_timeout": 60, "ssl_check_hostname": None},
            "web": {"port": 8080},
        }
    }
    resources = render(tmp_path, values)
    found = settings(resources)
    assert (found.window.interval, found.window.max_rows) == (450.5, 3_000_000)
    assert found.window.max_bytes == 1_000_000_000
    assert found.kafka.session_timeout == 60
    (port,) = worker(resources)["ports"]
    (served,) = resources["Service"]["spec"]["ports"]
    assert port["containerPort"] == served["port"] == found.web.port == 8080


def test_false_is_a_value(tmp_path: Path) -> None:
    kafka = {"security_protocol": "SSL", "ssl_check_hostname": False}
    assert not settings(render(tmp_path, {"config": {"kafka": kafka}})).kafka.ssl_check_hostname


def test_irsa_annotates_the_service_account_that_the_pod_has(tmp_path: Path) -> None:
    resources = render(tmp_path, IRSA)
    account = resources["ServiceAccount"]["metadata"]
    assert account["annotations"] == IRSA["serviceAccount"]["annotations"]
    assert pod(resources)["serviceAccountName"] == account["name"]
    assert settings(resources).lake.external_id == "falco"


def test_secrets_come_by_reference_alone(tmp_path: Path) -> None:
    resources = render(tmp_path, TLS)
    assert worker(resources)["envFrom"] == [{"secretRef": {"name": "kafka-user"}}]
    assert "Secret" not in resources
    (secret,) = [each["secret"] for each in pod(resources)["volumes"] if "secret" in each]
    assert secret["secretName"] == "kafka-tls"


def test_certificates_are_where_the_settings_say(tmp_path: Path) -> None:
    resources = render(tmp_path, TLS)
    found = settings(
        resources, FALCOLAKE_KAFKA__SASL_USERNAME="a", FALCOLAKE_KAFKA__SASL_PASSWORD="b"
    ).kafka
    files = {found.ssl_ca_file, found.ssl_cert_file, found.ssl_key_file}
    assert files == {Path("/etc/falcolake/tls") / name for name in ("ca.crt", "tls.crt", "tls.key")}
    mounts = {each["name"]: each["mountPath"] for each in worker(resources)["volumeMounts"]}
    assert mounts["tls"] == "/etc/falcolake/tls"


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"tls": {"existingSecret": "a"}}, "security_protocol has no TLS"),
        ({"tls": {"cert": "tls.crt"}}, "tls.existingSecret is not"),
        (merged(SCALED, {"autoscaling": {"enabled": True}}), "two scalers would fight"),
        ({"autoscaling": {"enabled": True, "minReplicas": 5}}, "autoscaling.minReplicas is more"),
        (merged(SCALED, {"keda": {"maxReplicas": 1}}), "keda.minReplicas is more"),
    ],
)
def test_what_contradicts_itself_is_refused(
    values: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(EngineError, match=reason):
        manifest(tmp_path, values)


def test_a_pods_name_is_its_static_membership_unless_switched_off(tmp_path: Path) -> None:
    name = "FALCOLAKE_KAFKA__GROUP_INSTANCE_ID"
    by_name = {each["name"]: each for each in worker(render(tmp_path, {}))["env"]}
    assert by_name[name]["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    without = render(tmp_path, {"config": {"staticMembership": False}})
    assert name not in {each["name"] for each in worker(without)["env"]}


def test_a_pod_drains_within_its_grace_period(tmp_path: Path) -> None:
    resources = render(tmp_path, {"terminationGracePeriodSeconds": 120})
    assert pod(resources)["terminationGracePeriodSeconds"] == 120
    assert worker(resources)["args"] == ["worker", "--drain", "--grace=115"]
    assert worker(render(tmp_path, {"drain": False}))["args"] == ["worker"]


def test_probes_ask_health_and_readiness(tmp_path: Path) -> None:
    container = worker(render(tmp_path, {}))
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}


def test_staging_is_a_volume_of_each_pod_or_an_empty_one(tmp_path: Path) -> None:
    resources = render(tmp_path, {"persistence": {"enabled": True, "size": "20Gi"}})
    (claim,) = resources["StatefulSet"]["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "20Gi"
    mounts = {each["name"]: each["mountPath"] for each in worker(resources)["volumeMounts"]}
    assert f"FALCOLAKE_STAGING__PATH={mounts[claim['metadata']['name']]} " in DOCKERFILE.read_text()
    without = render(tmp_path, {})
    assert "volumeClaimTemplates" not in without["StatefulSet"]["spec"]
    volumes = {each["name"]: each for each in pod(without)["volumes"]}
    assert volumes["staging"]["emptyDir"] == {"sizeLimit": "8Gi"}


def test_the_pod_is_the_images_user_and_can_write_nothing_else(tmp_path: Path) -> None:
    resources = render(tmp_path, {})
    context, inner = pod(resources)["securityContext"], worker(resources)["securityContext"]
    assert context["runAsNonRoot"]
    user, group = context["runAsUser"], context["runAsGroup"]
    assert f"USER {user}:{group}\n" in DOCKERFILE.read_text()
    assert inner["readOnlyRootFilesystem"]
    assert inner["capabilities"] == {"drop": ["ALL"]}


def test_a_scaler_decides_on_replicas_alone(tmp_path: Path) -> None:
    resources = render(tmp_path, {"autoscaling": {"enabled": True, "maxReplicas": 8}})
    assert "replicas" not in resources["StatefulSet"]["spec"]
    spec = resources["HorizontalPodAutoscaler"]["spec"]
    assert spec["scaleTargetRef"]["name"] == resources["StatefulSet"]["metadata"]["name"]
    kafka = settings(resources).kafka
    (metric,) = spec["metrics"]
    assert metric["external"]["metric"]["selector"]["matchLabels"] == deployment(kafka)


def keda(folder: Path, values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the specs of a chart's ScaledObject and of its authentication, if there is one."""
    found = render(folder, merged(SCALED, values))
    return found["ScaledObject"]["spec"], found.get("TriggerAuthentication", {}).get("spec", {})


def test_keda_asks_kafka_for_the_lag_that_the_settings_mean(tmp_path: Path) -> None:
    config = {"kafka": {"bootstrap_servers": "a:9092, b:9092", "topic": "t", "group_id": "g"}}
    resources = render(tmp_path, merged(SCALED, {"config": config}))
    spec = resources["ScaledObject"]["spec"]
    assert "replicas" not in resources["StatefulSet"]["spec"]
    assert "HorizontalPodAutoscaler" not in resources
    assert spec["scaleTargetRef"]["name"] == resources["StatefulSet"]["metadata"]["name"]
    kafka = settings(resources).kafka
    (trigger,) = spec["triggers"]
    assert trigger["metadata"] == {
        "bootstrapServers": ",".join(kafka.servers),
        "topic": kafka.topic,
        "consumerGroup": kafka.group_id,
        "lagThreshold": "500000",
        "offsetResetPolicy": "earliest",
        "allowIdleConsumers": "false",
        "tls": "disable",
        "sasl": "none",
    }
    assert "authenticationRef" not in trigger
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (2, 4)
    more = {"keda": {"lagThreshold": 1_000_000, "triggerMetadata": {"version": "3.9.0"}}}
    (trigger,) = keda(tmp_path, more)[0]["triggers"]
    assert trigger["metadata"].items() >= {("lagThreshold", "1000000"), ("version", "3.9.0")}


def test_keda_signs_in_as_the_workers_do(tmp_path: Path) -> None:
    spec, authentication = keda(tmp_path, TLS)
    (trigger,) = spec["triggers"]
    assert trigger["authenticationRef"] == {"name": "lake-falcolake"}
    assert trigger["metadata"].items() >= {("sasl", "scram_sha512"), ("tls", "enable")}
    assert worker(render(tmp_path, TLS))["name"] == "worker"
    assert authentication["env"] == [
        {"parameter": parameter, "name": f"FALCOLAKE_KAFKA__{name}", "containerName": "worker"}
        for parameter, name in (
            ("keyPassword", "SSL_KEY_PASSWORD"),
            ("password", "SASL_PASSWORD"),
            ("username", "SASL_USERNAME"),
        )
    ]
    assert authentication["secretTargetRef"] == [
        {"parameter": parameter, "name": "kafka-tls", "key": key}
        for parameter, key in (("ca", "ca.crt"), ("cert", "tls.crt"), ("key", "tls.key"))
    ]


def test_keda_needs_no_more_than_kafka_asks_for(tmp_path: Path) -> None:
    """A role needs no password; an authority no certificate; a public one not even that."""
    kafka = {"security_protocol": "SASL_SSL", "sasl_mechanism": "AWS_MSK_IAM"}
    spec, authentication = keda(tmp_path, {"config": {"kafka": kafka}})
    metadata = spec["triggers"][0]["metadata"]
    assert authentication == {"podIdentity": {"provider": "aws"}}
    assert metadata["saslTokenProvider"] == "aws_msk_iam"
    assert (metadata["sasl"], metadata["awsRegion"]) == ("oauthbearer", "eu-central-1")
    tls = {"config": {"kafka": {"security_protocol": "SSL"}}}
    _, authentication = keda(tmp_path, merged(tls, {"tls": {"existingSecret": "a"}}))
    assert authentication == {
        "secretTargetRef": [{"parameter": "ca", "name": "a", "key": "ca.crt"}]
    }
    one_file = merged(tls, {"tls": {"existingSecret": "a", "cert": "both.pem"}})
    _, authentication = keda(tmp_path, one_file)
    keys = {each["parameter"]: each["key"] for each in authentication["secretTargetRef"]}
    assert keys == {"ca": "ca.crt", "cert": "both.pem", "key": "both.pem"}
    spec, authentication = keda(tmp_path, tls)
    assert authentication == {}
    assert "authenticationRef" not in spec["triggers"][0]
    assert spec["triggers"][0]["metadata"]["tls"] == "enable"


@pytest.mark.parametrize("scaler", ["autoscaling", "keda"])
def test_a_scaler_removes_a_worker_only_when_the_last_one_is_gone(
    scaler: str, tmp_path: Path
) -> None:
    """The drain's grace and, for a static member, the session timeout: then Kafka reassigns."""
    values = {scaler: {"enabled": True}, "terminationGracePeriodSeconds": 300}
    resources = render(tmp_path, values)
    if scaler == "autoscaling":
        behavior = resources["HorizontalPodAutoscaler"]["spec"]["behavior"]
    else:
        advanced = resources["ScaledObject"]["spec"]["advanced"]
        behavior = advanced["horizontalPodAutoscalerConfig"]["behavior"]
    (rule,) = behavior["scaleDown"]["policies"]
    assert behavior["scaleDown"]["stabilizationWindowSeconds"] == 1800
    assert (rule["type"], rule["value"]) == ("Pods", 1)
    gone = (
        pod(resources)["terminationGracePeriodSeconds"] + settings(resources).kafka.session_timeout
    )
    assert gone < rule["periodSeconds"] <= 1800


def test_pods_spread_over_zones_and_nodes_unless_that_is_not_possible(tmp_path: Path) -> None:
    both = {"receive": {"enabled": True}}
    for resource in (
        render(tmp_path, {})["StatefulSet"],
        receiver(tmp_path, both)["Deployment"],
    ):
        spread = resource["spec"]["template"]["spec"]["topologySpreadConstraints"]
        keys = {each["topologyKey"] for each in spread}
        assert keys == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
        assert {each["whenUnsatisfiable"] for each in spread} == {"ScheduleAnyway"}
        assert all(each["labelSelector"] == resource["spec"]["selector"] for each in spread)


def test_spread_constraints_can_be_replaced_and_left_out(tmp_path: Path) -> None:
    mine = {
        "maxSkew": 1,
        "topologyKey": "rack",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]},
    }
    values = {"topologySpreadConstraints": [mine], "receive": {"enabled": True}}
    owns: list[list[Any] | None] = [None, []]
    for own in owns:
        more = {"receive": {"topologySpreadConstraints": own}}
        asked = merged(values, more)
        template = receiver(tmp_path, asked)["Deployment"]["spec"]["template"]["spec"]
        assert template.get("topologySpreadConstraints", []) == ([mine] if own is None else own)
    assert pod(render(tmp_path, values | {"receive": {}}))["topologySpreadConstraints"] == [mine]
    without = pod(render(tmp_path, {"topologySpreadConstraints": []}))
    assert "topologySpreadConstraints" not in without


def test_what_is_off_by_default_is_not_there(tmp_path: Path) -> None:
    assert render(tmp_path, {}).keys() == {
        *("StatefulSet", "Service", "ServiceAccount", "PodDisruptionBudget"),
        "Pod",  # helm test
    }


def test_the_doctor_has_the_workers_settings(tmp_path: Path) -> None:
    resources = render(tmp_path, TLS)
    (doctor,) = resources["Pod"]["spec"]["containers"]
    assert environment(doctor) == environment(worker(resources))
    assert doctor["envFrom"] == worker(resources)["envFrom"]
    assert doctor["args"] == ["doctor"]


RECEIVE: dict[str, Any] = {
    "receive": {
        "enabled": True,
        "tls": {"existingSecret": "door", "clientCa": "ca.crt"},
    },
    "config": {"receive": {"port": 2900, "timeout": 30}},
}


def receiver(folder: Path, values: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the resources of the receivers by kind."""
    found = yaml.safe_load_all(manifest(folder, values))
    mine = [each for each in found if each and each["metadata"]["name"].endswith("-receive")]
    return {each["kind"]: each for each in mine}


def test_kubernetes_accepts_receivers(tmp_path: Path) -> None:
    file = tmp_path / "manifest.yaml"
    kinds = {"Deployment", "Service", "PodDisruptionBudget"}
    for case, more in (
        ({"receive": {"enabled": True}}, set[str]()),
        (merged(merged(RECEIVE, TLS), WATCHED), {"NetworkPolicy", "ServiceMonitor"}),
    ):
        file.write_text(manifest(tmp_path, case))
        answer = validate(file, NEWEST)
        for kind in kinds | more - OPERATORS:
            assert f"passed for resource {kind.lower()}/lake-falcolake-receive" in answer
        assert receiver(tmp_path, case).keys() == kinds | more
    assert receiver(tmp_path, {}) == {}


WATCHED: dict[str, Any] = {
    "receive": {"enabled": True},
    "serviceMonitor": EVERYTHING["serviceMonitor"],
    "networkPolicy": EVERYTHING["networkPolicy"],
}


def test_receivers_are_scraped_as_workers_are(tmp_path: Path) -> None:
    found = receiver(tmp_path, WATCHED)
    monitor, service = found["ServiceMonitor"], found["Service"]["metadata"]["labels"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service.items()
    assert service[monitor["spec"]["jobLabel"]] == "falcolake"
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    whole = manifest(tmp_path, WATCHED | {"receive": {"enabled": False}})
    (workers,) = (each for each in yaml.safe_load_all(whole) if each["kind"] == "ServiceMonitor")
    assert monitor["spec"]["endpoints"] == workers["spec"]["endpoints"]
    (tls,) = receiver(tmp_path, merged(WATCHED, RECEIVE))["ServiceMonitor"]["spec"]["endpoints"]
    assert (tls["scheme"], tls["tlsConfig"]) == ("https", {"insecureSkipVerify": True})


def test_a_network_policy_lets_falco_and_prometheus_in_to_receivers_and_out_to_kafka(
    tmp_path: Path,
) -> None:
    asked = WATCHED["networkPolicy"]
    found = receiver(tmp_path, WATCHED)
    spec = found["NetworkPolicy"]["spec"]
    assert spec["podSelector"] == found["Deployment"]["spec"]["selector"]
    (door,) = spec["ingress"]
    assert door == {
        "from": [{"namespaceSelector": {}}],
        "ports": [{"port": "http", "protocol": "TCP"}],
    }
    assert [ports(rule) for rule in spec["egress"][:-1]] == [[53, 53], [9092]]
    assert spec["egress"][1]["to"] == asked["egress"]["kafka"]["to"]
    falco = [{"namespaceSelector": {"matchLabels": {"name": "falco"}}}]
    limited = merged(
        WATCHED, {"networkPolicy": {"receiveFrom": falco, "egress": {"enabled": False}}}
    )
    spec = receiver(tmp_path, limited)["NetworkPolicy"]["spec"]
    assert spec["ingress"][0]["from"] == falco + asked["ingressFrom"]
    assert (spec["policyTypes"], "egress" in spec) == (["Ingress"], False)


def test_a_receiver_has_the_settings_and_listens_where_its_service_says(tmp_path: Path) -> None:
    found = receiver(tmp_path, merged(RECEIVE, TLS))
    inside = found["Deployment"]["spec"]["template"]["spec"]
    (container,) = inside["containers"]
    secrets = {"FALCOLAKE_KAFKA__SASL_USERNAME": "a", "FALCOLAKE_KAFKA__SASL_PASSWORD": "b"}
    of_image = dict(re.findall(r"(FALCOLAKE_\w+)=(\S+)", DOCKERFILE.read_text()))
    taken = load(environment=of_image | environment(container) | secrets).receive
    (port,) = container["ports"]
    (served,) = found["Service"]["spec"]["ports"]
    assert port["containerPort"] == served["port"] == taken.port == 2900
    assert (taken.host, taken.timeout) == ("0.0.0.0", 30)
    files = [taken.tls_certificate, taken.tls_key, taken.tls_client_ca]
    mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    at = Path(mounts["receive-tls"])
    assert files == [at / "tls.crt", at / "tls.key", at / "ca.crt"]
    assert container["envFrom"] == [{"secretRef": {"name": "kafka-user"}}]
    assert container["livenessProbe"]["httpGet"]["scheme"] == "HTTPS"
    assert {each["name"] for each in inside["volumes"]} == mounts.keys()
    assert inside["terminationGracePeriodSeconds"] > ReceiveSettings().timeout + 5
    with pytest.raises(EngineError, match="existingSecret is not"):
        manifest(tmp_path, {"receive": {"tls": {"clientCa": "ca.crt"}}})


def test_nothing_that_selects_workers_selects_receivers(tmp_path: Path) -> None:
    found = receiver(tmp_path, {"receive": {"enabled": True}})
    workers = render(tmp_path, {})["Service"]["spec"]["selector"]
    labels = found["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert not workers.items() <= labels.items()
    for each in (
        found["Service"]["spec"]["selector"],
        found["Deployment"]["spec"]["selector"]["matchLabels"],
        found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
    ):
        assert each.items() <= labels.items()


def test_a_long_name_leaves_room_for_the_pods_number(tmp_path: Path) -> None:
    resources = render(tmp_path, {"fullnameOverride": "a" * 80})
    assert len(resources["StatefulSet"]["metadata"]["name"]) == 52


def test_an_image_by_digest_needs_no_tag(tmp_path: Path) -> None:
    digest = f"sha256:{'0' * 64}"
    image = {"registry": "registry.example.com", "digest": digest}
    found = worker(render(tmp_path, {"image": image}))["image"]
    assert found == f"registry.example.com/falcolake@{digest}"


def test_the_values_of_the_guide_are_taken_one_after_the_other(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "eks.md").read_text()
    blocks = re.findall(r"```yaml\n# values.yaml\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 2
    values: dict[str, Any] = {}
    for block in blocks:
        values = merged(values, yaml.safe_load(block))
        found = render(tmp_path, values)
        secret = {"FALCOLAKE_KAFKA__SASL_USERNAME": "a", "FALCOLAKE_KAFKA__SASL_PASSWORD": "b"}
        given = secret if values["config"].get("existingSecret") else {}
        assert settings(found, **given).warnings() == []
    first = render(tmp_path, yaml.safe_load(blocks[0]))
    assert {"ServiceMonitor", "PrometheusRule"} <= first.keys()
    role = first["ServiceAccount"]["metadata"]["annotations"]["eks.amazonaws.com/role-arn"]
    assert role.endswith(":role/falcolake")
