"""Kubernetes audit events (`k8s_audit` and its variants for EKS, GKE, AKS, …): `ka.*`.

The audit id goes to `api.request.uid`, as in Security Lake's own EKS source, so that the two join.
"""

from __future__ import annotations

from typing import Any

from schemas.ocsf.releases import Release, is_ip
from schemas.sources.draft import ANY, DATA, Draft, Row, plain, texts

_API = "evidences[].api"
_USER = "evidences[].actor.user"
_AUTHORIZATION = "evidences[].actor.authorizations[]"
_CONTAINERS = "evidences[].api.request.containers[]"
# Without a verb there is no api, so the data goes to the evidence itself.
_DATA = (f"{_API}.request.data", DATA)

_NO_VERB = "data: without a verb."

ROWS: tuple[Row, ...] = (
    Row("ka.verb", (f"{_API}.operation",), 'Service "kubernetes".'),
    Row(
        "ka.auditid",
        (f"{_API}.request.uid", "finding_info.related_events[].uid"),
        "Joins with Security Lake's own EKS audit logs.",
        slots=("request_uid", "event_uid"),
    ),
    Row("ka.response.code", (f"{_API}.response.code", DATA), _NO_VERB, ANY),
    Row("ka.response.reason", (f"{_API}.response.message", DATA), _NO_VERB),
    Row("ka.user.name", (f"{_USER}.name",), "system:… is a System user, except service accounts."),
    Row("ka.user.groups", (f"{_USER}.groups[].name",), "With a user.", ANY),
    Row("ka.auth.decision", (f"{_AUTHORIZATION}.decision",), "With a user."),
    Row("ka.auth.reason", (f"{_AUTHORIZATION}.policy.desc",), "With a user."),
    Row("ka.impuser.name", ("evidences[].user.name", DATA), "Before 1.3: data."),
    Row(
        "ka.sourceips",
        ("evidences[].src_endpoint.ip", "evidences[].src_endpoint.intermediate_ips[]"),
        "ip: the first; intermediate_ips: the rest.",
        ANY,
    ),
    Row("ka.uri", ("evidences[].http_request.url.path", DATA), "Before 1.4: data."),
    Row("ka.useragent", ("evidences[].http_request.user_agent", DATA), "Before 1.4: data."),
    Row("ka.stage", (DATA,)),
    Row("ka.target.resource", ("resources[].type",), "With a name or namespace."),
    Row("ka.target.subresource", ("resources[].type",), "resource/subresource"),
    Row("ka.target.name", ("resources[].name",)),
    Row("ka.resp.name", ("resources[].name",), "If there is no ka.target.name."),
    Row("ka.target.pod.name", ("resources[].name",), "If there is no other name."),
    Row("ka.target.namespace", ("resources[].namespace",)),
    Row("ka.cluster.name", ("resources[].name",), "Another element, type cluster."),
    Row("ka.req.pod.containers.image", (f"{_CONTAINERS}.image.name",), "With a verb.", ANY),
    Row(
        "ka.req.pod.containers.name",
        (f"{_CONTAINERS}.name",),
        "If there is one for each image.",
        ANY,
    ),
    Row("ka.req.*", _DATA, "One JSON object, keyed by Falco field.", ANY),
    Row("ka.uri.param*", _DATA, "In the same object as ka.req.*.", ANY),
)

_IMAGES = "ka.req.pod.containers.image"
_NAMES = "ka.req.pod.containers.name"

#: A pod has a few. Each becomes an object many times the size of its name, so more go to unmapped.
_MOST_CONTAINERS = 1000


def build(draft: Draft, release: Release) -> None:
    """Add the request, who made it and from where, and its objects."""
    fields = draft.fields
    _api(draft)
    _actor(draft, release)
    _endpoint(draft)
    if release.from_1_3 and (name := fields.pop("ka.impuser.name", None)) is not None:
        draft.evidence["user"] = {"name": name}
    # OCSF does not accept an HTTP request as the only evidence.
    if release.modern and draft.evidence:
        _http_request(draft)
    _resources(draft, release)


def _api(draft: Draft) -> None:
    """Add the call. OCSF requires an operation, so without a verb its parts stay unmapped."""
    fields = draft.fields
    audit = fields.pop("ka.auditid", None)
    if audit is not None:
        draft.related += ({"uid": audit, "type": "Kubernetes audit event"},)
    if "ka.verb" not in fields:
        # Keep the arguments as an object, not in unmapped.
        if data := _request_data(draft):
            draft.evidence["data"] = data
        return
    request: dict[str, Any] = {"uid": audit or draft.uid}
    if containers := _containers(draft):
        request["containers"] = containers
    if data := _request_data(draft):
        request["data"] = data
    api: dict[str, Any] = {
        "operation": fields.pop("ka.verb"),
        "service": {"name": "kubernetes"},
        "request": request,
    }
    response: dict[str, Any] = {}
    if "ka.response.code" in fields and (code := draft.integer("ka.response.code")) is not None:
        response["code"] = code
    draft.take(response, (("ka.response.reason", "message"),))
    if response:
        api["response"] = response
    draft.evidence["api"] = api


def _request_data(draft: Draft) -> dict[str, Any]:
    names = [name for name in draft.fields if name.startswith(("ka.req.", "ka.uri.param"))]
    return {name: plain(draft.fields.pop(name)) for name in names}


def _containers(draft: Draft) -> list[dict[str, Any]]:
    images = texts(draft.fields.get(_IMAGES))
    names = texts(draft.fields.get(_NAMES))
    if not images or len(images) > _MOST_CONTAINERS or (names and len(names) != len(images)):
        return []
    del draft.fields[_IMAGES]
    draft.fields.pop(_NAMES, None)
    containers: list[dict[str, Any]] = [
        {"image": {"name": image, "uid": image}} for image in images
    ]
    for container, name in zip(containers, names, strict=False):
        container["name"] = name
    if not names:
        for container, image in zip(containers, images, strict=True):
            container["name"] = image
    return containers


def _actor(draft: Draft, release: Release) -> None:
    """Add the user as the actor; without a user the authorization stays unmapped."""
    fields = draft.fields
    name = fields.pop("ka.user.name", None)
    if name is None:
        return
    user: dict[str, Any] = {"name": name}
    if name.startswith("system:serviceaccount:") and release.modern:
        user["type_id"], user["type"] = 4, "Service"
    elif name.startswith("system:"):
        user["type_id"], user["type"] = 3, "System"
    else:
        user["type_id"], user["type"] = 1, "User"
    draft.observe("evidences[].actor.user.name", 4, name)
    if groups := texts(fields.get("ka.user.groups")):
        user["groups"] = [{"name": group} for group in groups]
        del fields["ka.user.groups"]
    actor: dict[str, Any] = {"user": user}
    authorization: dict[str, Any] = {}
    draft.take(authorization, (("ka.auth.decision", "decision"),))
    if (reason := fields.pop("ka.auth.reason", None)) is not None:
        authorization["policy"] = {"name": "Kubernetes authorization", "desc": reason}
    if authorization:
        actor["authorizations"] = [authorization]
    draft.evidence["actor"] = actor


def _endpoint(draft: Draft) -> None:
    addresses = texts(draft.fields.get("ka.sourceips"))
    if not addresses or not all(map(is_ip, addresses)):
        return
    del draft.fields["ka.sourceips"]
    endpoint: dict[str, Any] = {"ip": addresses[0]}
    if addresses[1:]:
        endpoint["intermediate_ips"] = addresses[1:]
    draft.evidence["src_endpoint"] = endpoint
    draft.observe("evidences[].src_endpoint.ip", 2, addresses[0])


def _http_request(draft: Draft) -> None:
    request: dict[str, Any] = {}
    if (uri := draft.fields.pop("ka.uri", None)) is not None:
        request["url"] = {"path": uri}
    if (agent := draft.fields.pop("ka.useragent", None)) is not None:
        request["user_agent"] = agent
        draft.observe("evidences[].http_request.user_agent", 16, agent)
    if request:
        draft.evidence["http_request"] = request


def _resources(draft: Draft, release: Release) -> None:
    fields = draft.fields
    name = draft.first("ka.target.name", "ka.resp.name", "ka.target.pod.name")
    if name is not None:
        kind = fields.pop("ka.target.resource", None)
        if kind is not None and "ka.target.subresource" in fields:
            kind = f"{kind}/{fields.pop('ka.target.subresource')}"
        namespace = fields.pop("ka.target.namespace", None)
        draft.resource(release, 1, type=kind, name=name, namespace=namespace)
    elif (namespace := fields.pop("ka.target.namespace", None)) is not None:
        kind = fields.pop("ka.target.resource", None)
        draft.resource(release, 1, type=kind, name=namespace, namespace=namespace)
    if (cluster := fields.pop("ka.cluster.name", None)) is not None:
        draft.resource(release, 3, type="cluster", name=cluster)
