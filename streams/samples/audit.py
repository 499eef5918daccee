"""Scenes of the k8s_audit source: requests of people and service accounts to the API server."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from streams.samples.scenes import Rule, Scene, Value, rule
from streams.samples.world import CLUSTER, Person, Pod, World

HOSTNAME = "falco-k8saudit-6b7f9c4d5-x8v2q"
EXTRA = (
    "ka.auditid", "ka.verb", "ka.uri", "ka.useragent", "ka.sourceips", "ka.response.code",
    "ka.auth.decision", "ka.auth.reason", "ka.stage", "ka.user.groups", "ka.cluster.name",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Request:
    """A request that trips a rule: a verb on `resource/subresource`, and its own fields."""

    rule: Rule
    verb: str
    path: str
    weight: int
    more: Mapping[str, Value] = field(default_factory=dict)


def _rule(name: str, priority: str, output: str) -> Rule:
    return rule(name, priority, "k8s", output)


def _pod(what: str) -> str:
    return (
        f"Pod started {what} (user=%ka.user.name pod=%ka.resp.name"
        " resource=%ka.target.resource ns=%ka.target.namespace images=%ka.req.pod.containers.image)"
    )


def _activity(what: str, kind: str) -> Rule:
    priority = "Error" if kind == "secret" else "Informational"
    return _rule(
        what,
        priority,
        f"{what} (user=%ka.user.name {kind}=%ka.target.name ns=%ka.target.namespace"
        " resource=%ka.target.resource resp=%ka.response.code decision=%ka.auth.decision"
        " reason=%ka.auth.reason)",
    )


EXEC = _rule(
    "Attach/Exec Pod",
    "Notice",
    "Attach/Exec to pod (user=%ka.user.name pod=%ka.target.name resource=%ka.target.resource"
    " ns=%ka.target.namespace action=%ka.target.subresource command=%ka.uri.param[command])",
)
PORT_FORWARD = _rule(
    "port-forward",
    "Notice",
    "Portforward to pod (user=%ka.user.name pod=%ka.target.name ns=%ka.target.namespace"
    " action=%ka.target.subresource )",
)
EPHEMERAL = _rule(
    "EphemeralContainers Created",
    "Notice",
    "Ephemeral container is created in pod (user=%ka.user.name pod=%ka.target.name"
    " resource=%ka.target.resource ns=%ka.target.namespace"
    " ephemeral_container_name=%jevt.value[/requestObject/ephemeralContainers/0/name]"
    " ephemeral_container_image=%jevt.value[/requestObject/ephemeralContainers/0/image])",
)
PRIVILEGED_POD = _rule("Create Privileged Pod", "Warning", _pod("with privileged container"))
HOST_NETWORK_POD = _rule("Create HostNetwork Pod", "Warning", _pod("using host network"))
SENSITIVE_MOUNT = _rule(
    "Create Sensitive Mount Pod",
    "Warning",
    "Pod started with sensitive mount (user=%ka.user.name pod=%ka.resp.name"
    " ns=%ka.target.namespace resource=%ka.target.resource images=%ka.req.pod.containers.image"
    " volumes=%jevt.value[/requestObject/spec/volumes])",
)
NODE_PORT = _rule(
    "Create NodePort Service",
    "Warning",
    "NodePort Service Created (user=%ka.user.name service=%ka.target.name"
    " resource=%ka.target.resource ns=%ka.target.namespace ports=%ka.req.service.ports)",
)
CREDENTIALS = _rule(
    "Create/Modify Configmap With Private Credentials",
    "Warning",
    "K8s configmap with private credential (user=%ka.user.name verb=%ka.verb"
    " resource=%ka.target.resource configmap=%ka.req.configmap.name config=%ka.req.configmap.obj)",
)
ANONYMOUS = _rule(
    "Anonymous Request Allowed",
    "Warning",
    "Request by anonymous user allowed (user=%ka.user.name verb=%ka.verb uri=%ka.uri"
    " reason=%ka.auth.reason))",
)
CLUSTER_ADMIN = _rule(
    "Attach to cluster-admin Role",
    "Warning",
    "Cluster Role Binding to cluster-admin role (user=%ka.user.name"
    " subject=%ka.req.binding.subjects)",
)
WILDCARD = _rule(
    "ClusterRole With Wildcard Created",
    "Warning",
    "Created Role/ClusterRole with wildcard (user=%ka.user.name role=%ka.target.name"
    " resource=%ka.target.resource rules=%ka.req.role.rules)",
)
DISALLOWED_USER = _rule(
    "Disallowed K8s User",
    "Warning",
    "K8s Operation performed by user not in allowed list of users (user=%ka.user.name"
    " target=%ka.target.name/%ka.target.resource verb=%ka.verb uri=%ka.uri resp=%ka.response.code)",
)

_EPHEMERAL = "jevt.value[/requestObject/ephemeralContainers/0/"
REQUESTS = (
    Request(EXEC, "create", "pods/exec", 8, {"ka.uri.param[command]": "bash"}),
    Request(PORT_FORWARD, "create", "pods/portforward", 3),
    Request(
        EPHEMERAL,
        "patch",
        "pods/ephemeralcontainers",
        2,
        {
            _EPHEMERAL + "name]": "debugger-7xk2p",
            _EPHEMERAL + "image]": "docker.io/nicolaka/netshoot:v0.13",
        },
    ),
    Request(PRIVILEGED_POD, "create", "pods", 4),
    Request(HOST_NETWORK_POD, "create", "pods", 3),
    Request(
        SENSITIVE_MOUNT,
        "create",
        "pods",
        3,
        {
            "jevt.value[/requestObject/spec/volumes]": (
                '[{"hostPath":{"path":"/var/run/docker.sock"},"name":"docker"}]'
            )
        },
    ),
    Request(
        NODE_PORT,
        "create",
        "services",
        2,
        {"ka.req.service.ports": '[{"port":8080,"nodePort":30080}]'},
    ),
    Request(
        CREDENTIALS,
        "update",
        "configmaps",
        2,
        {
            "ka.req.configmap.name": "app-config",
            "ka.req.configmap.obj": '{"aws_access_key_id":"AKIAEXAMPLE","region":"eu-west-1"}',
        },
    ),
    Request(
        ANONYMOUS,
        "get",
        "",
        3,
        {
            "ka.uri": "/version",
            "ka.auth.reason": None,
            "ka.user.name": "system:anonymous",
            "ka.user.groups": ["system:unauthenticated"],
        },
    ),
    Request(
        CLUSTER_ADMIN,
        "create",
        "clusterrolebindings",
        2,
        {
            "ka.req.binding.subjects": (
                '[{"kind":"ServiceAccount","name":"deployer","namespace":"ci"}]'
            )
        },
    ),
    Request(
        WILDCARD,
        "create",
        "clusterroles",
        2,
        {"ka.req.role.rules": '[{"apiGroups":["*"],"resources":["*"],"verbs":["*"]}]'},
    ),
    Request(DISALLOWED_USER, "list", "secrets", 5),
    Request(_activity("K8s Deployment Created", "deployment"), "create", "deployments", 6),
    Request(_activity("K8s Deployment Deleted", "deployment"), "delete", "deployments", 3),
    Request(_activity("K8s Secret Get Successfully", "secret"), "get", "secrets", 6),
)


def scenes(world: World, rng: random.Random) -> Iterator[Scene]:
    """Yield every request, made by different people on different pods."""
    for request in REQUESTS:
        for _ in range(request.weight):
            pod, person = rng.choice(world.pods), rng.choice(world.people)
            values = {**_values(request, pod, person), **request.more}
            yield Scene(request.rule, "k8s_audit", HOSTNAME, "rich", values, EXTRA)


def _values(request: Request, pod: Pod, person: Person) -> dict[str, Value]:
    resource, _, subresource = request.path.partition("/")
    verb, namespace = request.verb, pod.namespace
    target = pod.name if resource == "pods" else pod.workload.name
    by_pipeline = verb in ("delete", "update")
    groups = "system:serviceaccounts" if by_pipeline else "acme:developers"
    uri = f"/api/v1/namespaces/{namespace}/{resource}/{target}"
    return {
        "ka.auditid": "~id~",
        "ka.stage": "ResponseComplete",
        "ka.verb": verb,
        "ka.uri": f"{uri}/{subresource}" if subresource else uri,
        "ka.cluster.name": CLUSTER,
        "ka.user.name": "system:serviceaccount:ci:deployer" if by_pipeline else person.mail,
        "ka.user.groups": [groups, "system:authenticated"],
        "ka.sourceips": [person.ip, "10.0.0.7"],
        "ka.useragent": "kubectl/v1.31.2 (linux/amd64) kubernetes/5864a46",
        "ka.target.name": target,
        "ka.target.namespace": namespace,
        "ka.target.resource": resource or None,
        "ka.target.subresource": subresource or None,
        "ka.resp.name": target,
        "ka.response.code": "201" if verb == "create" else "200",
        "ka.auth.decision": "allow",
        "ka.auth.reason": 'RBAC: allowed by ClusterRoleBinding "developers" of ClusterRole "edit"',
        "ka.req.pod.containers.image": [f"{pod.workload.repository}:{pod.workload.tag}"],
    }
