"""The small world in which sample alerts happen: nodes, workloads, pods, hosts and people.

A world is a pure function of its seed. It holds what alerts of one cluster share, so that joins by
host, pod, image or user find matches: a pod keeps its node, address and container id; a person has
one mail address, one cloud identity and one source address.
"""

import random
import uuid
from dataclasses import dataclass

REGION = "eu-west-1"
ACCOUNT_ID = "123456789012"
PROJECT = "acme-shop-prod"
CLUSTER = "prod-eu-1"
API_SERVER = "10.96.0.1"
NODES = 12

# namespace, name, kind (d deployment, s stateful set, n daemon set), image, tag, server, user, uid
_WORKLOADS = """
shop web d docker.io/library/nginx 1.27.3 nginx nginx 101
shop storefront d ghcr.io/acme/storefront 4.18.2 node node 1000
shop cart d ghcr.io/acme/cart 2.9.0 java app 1001
shop checkout d ghcr.io/acme/checkout 3.2.7 java app 1001
shop catalog d ghcr.io/acme/catalog 1.44.1 python3 app 1001
shop search d docker.io/opensearchproject/opensearch 2.17.1 java opensearch 1000
shop images d ghcr.io/acme/image-resizer 0.12.4 node node 1000
shop mailer d ghcr.io/acme/mailer 1.3.3 python3 app 1001
payments gateway d ghcr.io/acme/payment-gateway 5.0.4 java app 1001
payments ledger s docker.io/library/postgres 16.4 postgres postgres 999
payments fraud d ghcr.io/acme/fraud-score 0.31.0 python3 app 1001
payments vault s docker.io/hashicorp/vault 1.18.1 vault vault 100
data kafka s docker.io/apache/kafka 3.9.0 java appuser 1000
data redis s docker.io/library/redis 7.4.1 redis-server redis 999
data warehouse s docker.io/clickhouse/clickhouse-server 24.8 clickhouse-serv clickhouse 101
data airflow d docker.io/apache/airflow 2.10.3 airflow airflow 50000
data notebooks d quay.io/jupyter/scipy-notebook 2024-11 python3 jovyan 1000
data minio s quay.io/minio/minio RELEASE.2024-11 minio root 0
ci runner d docker.io/gitlab/gitlab-runner alpine-v17.6 gitlab-runner root 0
ci builder d gcr.io/kaniko-project/executor v1.23.2 executor root 0
ci registry d docker.io/library/registry 2.8.3 registry root 0
ci sonar s docker.io/library/sonarqube 10.7-community java sonarqube 1000
monitoring prometheus s quay.io/prometheus/prometheus v2.55.1 prometheus nobody 65534
monitoring grafana d docker.io/grafana/grafana 11.3.1 grafana grafana 472
monitoring loki s docker.io/grafana/loki 3.2.1 loki loki 10001
monitoring node-exporter n quay.io/prometheus/node-exporter v1.8.2 node_exporter nobody 65534
monitoring alertmanager s quay.io/prometheus/alertmanager v0.27.0 alertmanager nobody 65534
ingress ingress-nginx d registry.k8s.io/ingress-nginx/controller v1.11.3 nginx www-data 101
ingress oauth2-proxy d quay.io/oauth2-proxy/oauth2-proxy v7.7.1 oauth2-proxy nobody 65532
ingress cert-manager d quay.io/jetstack/cert-manager-controller v1.16.2 controller nobody 65532
kube-system coredns d registry.k8s.io/coredns/coredns v1.11.3 coredns nobody 65532
kube-system kube-proxy n registry.k8s.io/kube-proxy v1.31.2 kube-proxy root 0
kube-system calico-node n docker.io/calico/node v3.29.1 calico-node root 0
kube-system ebs-csi-node n public.ecr.aws/ebs-csi-driver/aws-ebs-csi-driver v1.37 csi root 0
kube-system metrics-server d registry.k8s.io/metrics-server/metrics-server v0.7.2 server nobody 1000
support wiki d docker.io/requarks/wiki 2.5.305 node node 1000
support wordpress d docker.io/library/wordpress 6.7.1-apache apache2 www-data 33
support tickets d docker.io/zammad/zammad-docker-compose 6.4.1 ruby zammad 1000
staging storefront d ghcr.io/acme/storefront 4.19.0-rc1 node node 1000
staging debug d docker.io/nicolaka/netshoot v0.13 sleep root 0
"""

_PEOPLE = (
    ("alice", "Alice Okafor", "203.0.113.24", "Lisbon", "Portugal"),
    ("bruno", "Bruno Keller", "203.0.113.61", "Zürich", "Switzerland"),
    ("chiara", "Chiara Conti", "198.51.100.77", "Milan", "Italy"),
    ("dmitri", "Dmitri Petrov", "198.51.100.140", "Riga", "Latvia"),
    ("emma", "Emma O'Neil", "192.0.2.18", "Dublin", "Ireland"),
    ("farid", "Farid Haddad", "192.0.2.93", "Lyon", "France"),
    ("greta", "Greta Lindström", "203.0.113.199", "Malmö", "Sweden"),
    ("hana", "Hana Sato", "198.51.100.201", "Osaka", "Japan"),
)


@dataclass(frozen=True, slots=True)
class Node:
    """A machine that Falco runs on; `release` is the format of its Falco (see `forms`)."""

    name: str
    ip: str
    release: str


@dataclass(frozen=True, slots=True)
class Workload:
    """What runs in a pod: its image, its server process and the user that owns it."""

    namespace: str
    name: str
    kind: str
    repository: str
    tag: str
    server: str
    user: str
    uid: int

    @property
    def privileged(self) -> bool:
        """Return whether its container is privileged, as those of system daemons are."""
        return self.namespace == "kube-system" and self.kind == "n"


@dataclass(frozen=True, slots=True)
class Pod:
    """One container on one node; `namespace`, `name` and `uid` are None without Kubernetes."""

    workload: Workload
    node: Node
    namespace: str | None
    name: str | None
    uid: str | None
    ip: str
    container_name: str
    container_id: str


@dataclass(frozen=True, slots=True)
class Person:
    """A person with an account in every system."""

    login: str
    name: str
    ip: str
    city: str
    country: str

    @property
    def mail(self) -> str:
        """Return the person's mail address."""
        return f"{self.login}@acme.example"


@dataclass(frozen=True, slots=True)
class World:
    """Everything that exists: `containers` are pods plus the containers of `hosts` with Docker."""

    nodes: tuple[Node, ...]
    hosts: tuple[Node, ...]
    workloads: tuple[Workload, ...]
    containers: tuple[Pod, ...]
    people: tuple[Person, ...]

    @property
    def pods(self) -> tuple[Pod, ...]:
        """Return the containers that run in Kubernetes."""
        return tuple(pod for pod in self.containers if pod.name is not None)


def build(seed: int) -> World:
    """Return the world of a seed: 12 nodes, 40 workloads in 1 to 3 pods each, 3 plain hosts."""
    rng = random.Random(f"world {seed}")  # noqa: S311 - repeatable on purpose
    octets = rng.sample(range(10, 250), NODES)
    nodes = tuple(
        Node(
            f"ip-10-0-{12 + i % 3}-{octet}.ec2.internal",
            f"10.0.{12 + i % 3}.{octet}",
            "old" if i == NODES - 1 else "stock" if i % 2 else "rich",
        )
        for i, octet in enumerate(octets)
    )
    hosts = (
        Node("bastion-1", "10.0.1.10", "rich"),
        Node("build-host-2", "10.0.1.22", "iso"),
        Node("db-legacy", "10.0.1.35", "old"),
    )
    workloads = tuple(_workload(line) for line in _WORKLOADS.strip().splitlines())
    pods = [pod for workload in workloads for pod in _pods(workload, nodes, rng)]
    docker = [_docker(workload, hosts[1], rng) for workload in rng.sample(workloads, 4)]
    people = tuple(Person(*person) for person in _PEOPLE)
    return World(nodes, hosts, workloads, (*pods, *docker), people)


def _workload(line: str) -> Workload:
    namespace, name, kind, repository, tag, server, user, uid = line.split()
    return Workload(namespace, name, kind, repository, tag, server, user, int(uid))


def _pods(workload: Workload, nodes: tuple[Node, ...], rng: random.Random) -> list[Pod]:
    places = nodes[:4] if workload.kind == "n" else rng.sample(nodes, rng.randint(1, 3))
    replica_set = _letters(rng, 9)
    names = [
        f"{workload.name}-{i}" if workload.kind == "s"
        else f"{workload.name}-{_letters(rng, 5)}" if workload.kind == "n"
        else f"{workload.name}-{replica_set}-{_letters(rng, 5)}"
        for i in range(len(places))
    ]  # fmt: skip
    return [
        Pod(workload, node, workload.namespace, name, str(_uuid(rng)),
            f"10.244.{rng.randrange(NODES)}.{rng.randrange(2, 250)}", workload.name,
            f"{rng.getrandbits(48):012x}")
        for node, name in zip(places, names, strict=True)
    ]  # fmt: skip


def _docker(workload: Workload, host: Node, rng: random.Random) -> Pod:
    return Pod(workload, host, None, None, None, f"172.17.0.{rng.randrange(2, 250)}",
               f"{workload.name}-1", f"{rng.getrandbits(48):012x}")  # fmt: skip


def _letters(rng: random.Random, count: int) -> str:
    # The alphabet of Kubernetes' generated names: no vowels, no 0, 1 or 3.
    return "".join(rng.choices("bcdfghjklmnpqrstvwxz2456789", k=count))


def _uuid(rng: random.Random) -> uuid.UUID:
    return uuid.UUID(int=rng.getrandbits(128), version=4)
