"""Kubernetes audit events."""

from __future__ import annotations

from tests.schemas.sources.rows import (
    IN_DATA,
    REQUEST,
    RESPONSE,
    SAME,
    SRC,
    UID,
    USER,
    Case,
    E,
    check,
    each,
)

VERB = {"ka.verb": "create"}
KA_USER = {"ka.user.name": "alice"}
TARGET = {"ka.target.name": "web"}

CASES = [
    Case(
        "ka.verb",
        "create",
        {},
        (f"{E}.api.operation", SAME),
        (f"{E}.api.service.name", "kubernetes"),
    ),
    Case(
        "ka.auditid",
        UID,
        VERB,
        (f"{REQUEST}.uid", SAME),
        ("finding_info.related_events.0.uid", SAME),
    ),
    Case("ka.response.code", "201", VERB, (f"{RESPONSE}.code", 201), None),
    Case("ka.response.reason", "Forbidden", VERB, (f"{RESPONSE}.message", SAME), None),
    Case(
        "ka.user.name",
        "system:serviceaccount:ci:x",
        {},
        (f"{USER}.type_id", 3),
        (f"{USER}.type_id", 4),
    ),
    Case(
        "ka.user.groups",
        ["a", "b"],
        KA_USER,
        (f"{USER}.groups", [{"name": "a"}, {"name": "b"}]),
        None,
    ),
    Case(
        "ka.auth.decision", "allow", KA_USER, (f"{E}.actor.authorizations.0.decision", SAME), None
    ),
    Case(
        "ka.auth.reason", "RBAC", KA_USER, (f"{E}.actor.authorizations.0.policy.desc", SAME), None
    ),
    Case("ka.impuser.name", "bob", {}, (IN_DATA, SAME), (f"{E}.user.name", SAME)),
    Case(
        "ka.sourceips",
        ["203.0.113.24", "10.0.0.7"],
        {},
        (f"{SRC}.ip", "203.0.113.24"),
        (f"{SRC}.intermediate_ips", ["10.0.0.7"]),
    ),
    Case("ka.stage", "Panic", VERB, (IN_DATA, SAME), None),
    Case("ka.response.code", "201", {}, (IN_DATA, SAME), None),
    Case("ka.response.reason", "no", {}, (IN_DATA, SAME), None),
    Case("ka.uri", "/api", VERB, (IN_DATA, SAME), (f"{E}.http_request.url.path", SAME)),
    Case("ka.useragent", "kubectl", VERB, (IN_DATA, SAME), (f"{E}.http_request.user_agent", SAME)),
    Case("ka.target.resource", "pods", TARGET, ("resources.0.type", SAME), None),
    Case(
        "ka.target.subresource",
        "exec",
        {**TARGET, "ka.target.resource": "pods"},
        ("resources.0.type", "pods/exec"),
        None,
    ),
    Case("ka.target.name", "web", {}, ("resources.0.name", SAME), None),
    Case("ka.resp.name", "web", {}, ("resources.0.name", SAME), None),
    Case("ka.target.pod.name", "web", {}, ("resources.0.name", SAME), None),
    Case("ka.target.namespace", "shop", TARGET, ("resources.0.namespace", SAME), None),
    Case("ka.target.namespace", "shop", {}, ("resources.0.namespace", SAME), None),
    Case(
        "ka.cluster.name", "prod", {}, ("resources.0.type", "cluster"), ("resources.0.name", SAME)
    ),
    Case(
        "ka.req.pod.containers.image",
        ["alpine"],
        VERB,
        (f"{REQUEST}.containers.0.image.name", "alpine"),
        None,
    ),
    Case(
        "ka.req.pod.containers.name",
        ["debug"],
        {**VERB, "ka.req.pod.containers.image": ["alpine"]},
        (f"{REQUEST}.containers.0.name", "debug"),
        None,
    ),
    Case(
        "ka.req.pod.host_network",
        "false",
        VERB,
        (f"{REQUEST}.data", {"ka.req.pod.host_network": "false"}),
        None,
    ),
    Case("ka.req.pod.host_network", "x", {}, (f"{E}.data", {"ka.req.pod.host_network": "x"}), None),
    Case(
        "ka.uri.param[command]",
        "cat",
        VERB,
        (f"{REQUEST}.data", {"ka.uri.param[command]": "cat"}),
        None,
    ),
    Case("ka.uri.param[command]", "cat", {}, (f"{E}.data", {"ka.uri.param[command]": "cat"}), None),
]


@each(CASES)
def test_a_field_goes_to_its_attribute(case: Case) -> None:
    check(case)
