"""Containers and Kubernetes workloads of the syscall source → `container` and `resources`."""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import Any

from schemas.falco.values import is_none, labels_of
from schemas.ocsf.releases import Release, fingerprint, is_uuid
from schemas.sources.draft import ANY, Draft, Row, plain, texts

_CONTAINER = "evidences[].container"
_IDS = ("container.id", "container.full_id")
_ONE_LABEL = re.compile(r"container\.label[.\[]")
_ONE_POD_LABEL = re.compile(r"k8s(?:meta)?\.pod\.label[.\[]")
_LABELS = "One text, split at commas; a list; or an object."
_POD_UID = "pod_uuid: if it is a UUID, which it is not for static pods."
_DATA = "One JSON object, keyed by Falco field, of the pod, or of the container without one."
_OTHERS = (
    *("container.privileged", "container.mounts", "container.ip", "container.start_ts"),
    *("container.host_pid", "container.host_network", "container.host_ipc"),
    *("k8s.pod.ip", "k8smeta.pod.ip", "k8s.pod.sandbox_id", "k8s.pod.full_sandbox_id"),
    *("k8s.ns.labels", "k8smeta.ns.labels", "k8smeta.ns.uid"),
)
_WORKLOADS = (
    ("deployment", "Deployment"),
    ("rs", "ReplicaSet"),
    ("rc", "ReplicationController"),
    ("svc", "Service"),
)

ROWS: tuple[Row, ...] = (
    Row(
        "container.id",
        (f"{_CONTAINER}.uid",),
        "If there is no full_id. host: no container, left out, as in name and type.",
    ),
    Row("container.full_id", (f"{_CONTAINER}.uid",)),
    Row("container.name", (f"{_CONTAINER}.name",)),
    Row("container.type", (f"{_CONTAINER}.runtime",)),
    Row("container.image", (f"{_CONTAINER}.image.name",), "If there is no repository."),
    Row("container.image.repository", (f"{_CONTAINER}.image.name",)),
    Row(
        "container.image.id",
        (f"{_CONTAINER}.image.uid",),
        "If missing: the digest, then repository:tag.",
    ),
    Row("container.image.tag", (f"{_CONTAINER}.image.labels[]", f"{_CONTAINER}.image.tag")),
    Row(
        "container.image.digest",
        (f"{_CONTAINER}.hash.value", f"{_CONTAINER}.image.uid"),
        "hash: without the sha256: prefix; uid: if there is no image.id.",
    ),
    Row(
        "container.labels",
        (f"{_CONTAINER}.labels[]", "resources[].data"),
        f"Before 1.4: data. {_LABELS}",
        ANY,
    ),
    *(
        Row(
            field,
            (f"{_CONTAINER}.labels[]", "resources[].data"),
            "As key:value like container.labels. Before 1.4: data.",
        )
        for field in ("container.label.*", "container.label[*")
    ),
    Row("k8s.pod.name", ("resources[].name",), "Type Pod."),
    Row("k8smeta.pod.name", ("resources[].name",), "Type Pod."),
    Row("k8s.pod.uid", ("resources[].uid", f"{_CONTAINER}.pod_uuid"), _POD_UID),
    Row("k8s.pod.id", ("resources[].uid",)),
    Row("k8smeta.pod.uid", ("resources[].uid", f"{_CONTAINER}.pod_uuid"), _POD_UID),
    *(
        Row(f"{meta}.{short}.labels", ("resources[].labels[]",), _LABELS, ANY)
        for meta in ("k8s", "k8smeta")
        for short in ("pod", *(short for short, _ in _WORKLOADS))
    ),
    *(
        Row(f"{meta}.pod.label{mark}*", ("resources[].labels[]",), "As key:value.")
        for meta in ("k8s", "k8smeta")
        for mark in (".", "[")
    ),
    Row("k8s.ns.name", ("resources[].namespace",)),
    Row("k8smeta.ns.name", ("resources[].namespace",)),
    *(
        Row(f"{meta}.{short}.{attribute}", (f"resources[].{to}",), f"Type {kind}.", ANY)
        for short, kind in _WORKLOADS
        for meta, attribute, to in (
            ("k8s", "name", "name"),
            ("k8smeta", "name", "name"),
            ("k8s", "id", "uid"),
            ("k8smeta", "uid", "uid"),
        )
    ),
    *(Row(field, ("resources[].data",), _DATA, ANY) for field in _OTHERS),
)


def build(draft: Draft, release: Release) -> None:
    """Add the container, its image, and the pod and workloads it belongs to."""
    fields = draft.fields
    pod_uid = fields.get("k8s.pod.uid") or fields.get("k8smeta.pod.uid")
    in_pod = "k8s.pod.name" in fields or "k8smeta.pod.name" in fields
    container: dict[str, Any] = {}
    if any(is_none(name, fields[name]) for name in _IDS if name in fields):
        for name in (*_IDS, "container.name", "container.type"):
            if is_none(name, fields.get(name)):
                fields.pop(name, None)
    else:
        container = _container(draft, release)
    if container:
        if in_pod:
            container["orchestrator"] = "Kubernetes"
        if pod_uid and is_uuid(pod_uid):
            container["pod_uuid"] = pod_uid
        _place(draft, release, container)
    _workloads(draft, release, container)


def _place(draft: Draft, release: Release, container: dict[str, Any]) -> None:
    if release.from_1_3:
        path = "evidences[].container"
        draft.evidence["container"] = container
    else:
        path = "evidences[].process.container"
        draft.evidence["process"] = {"container": container}
        draft.profile("container")
    if "uid" in container:
        draft.observe(path + ".uid", 99, container["uid"])
    if "hash" in container:
        draft.observe(path + ".hash.value", 8, container["hash"]["value"])


def _container(draft: Draft, release: Release) -> dict[str, Any]:
    fields = draft.fields
    pop = fields.pop
    container: dict[str, Any] = {}
    if (full := pop("container.full_id", None)) is not None:
        container["uid"] = full
        if "container.id" in fields and full.startswith(fields["container.id"]):
            del fields["container.id"]
    elif (uid := pop("container.id", None)) is not None:
        container["uid"] = uid
    if (name := pop("container.name", None)) is not None:
        container["name"] = name
    if not container:
        return container
    if (runtime := pop("container.type", None)) is not None:
        container["runtime"] = runtime
    digest = fields.get("container.image.digest")
    if digest is not None and (hash_ := fingerprint(digest)):
        container["hash"] = hash_
        del fields["container.image.digest"]
    if image := _image(draft, release, digest):
        container["image"] = image
    if release.modern and (labels := _labels(fields)):
        container["labels"] = labels
    return container


def _labels(fields: dict[str, Any]) -> list[str]:
    return _with_single(fields, fields.pop("container.labels", None), _ONE_LABEL)


def _with_single(fields: dict[str, Any], all_: Any, one: re.Pattern[str]) -> list[str]:
    """Return all labels, then those printed one by one that are not among them."""
    labels = [] if all_ is None else labels_of(all_)
    known = set(labels)
    single = [(name, found.end()) for name in fields if (found := one.match(name))]
    for name, end in single:
        label = f"{name[end:].removesuffix(']')}:{fields.pop(name)}"
        if label not in known:
            known.add(label)
            labels.append(label)
    return labels


def _image(draft: Draft, release: Release, digest: str | None) -> dict[str, Any] | None:
    pop = draft.fields.pop
    fields = draft.fields
    repository = pop("container.image.repository", None)
    tag = fields.get("container.image.tag")
    joined = f"{repository}:{tag}" if repository and tag else None
    name = repository
    if name is None or fields.get("container.image") in (name, joined):
        whole = pop("container.image", None)
        name = name or whole
    uid = pop("container.image.id", None)
    if uid is None and digest is not None:
        uid = digest
        pop("container.image.digest", None)
    uid = uid or joined or name
    if uid is None:
        return None
    image: dict[str, Any] = {"uid": uid}
    if name is not None:
        image["name"] = name
    if tag is not None:
        del fields["container.image.tag"]
        if release.modern:
            image["labels"] = [tag]
        else:
            image["tag"] = tag
    return image


def _data(fields: dict[str, Any]) -> dict[str, Any] | None:
    """Take what OCSF has no attribute for; before 1.4 also the container's labels."""
    names = [name for name in fields if name.startswith("container.label") or name in _OTHERS]
    return {name: plain(fields.pop(name)) for name in names} or None


def _workloads(draft: Draft, release: Release, container: dict[str, Any]) -> None:
    fields = draft.fields
    namespace = fields.get("k8s.ns.name") or fields.get("k8smeta.ns.name")
    uid = draft.first("k8s.pod.uid", "k8smeta.pod.uid", "k8s.pod.id")
    name = draft.first("k8s.pod.name", "k8smeta.pod.name")
    if name is not None or uid is not None:
        given = draft.first("k8s.pod.labels", "k8smeta.pod.labels")
        labels = _with_single(fields, given, _ONE_POD_LABEL)
        draft.resource(
            release,
            3,
            type="Pod",
            name=name,
            namespace=namespace,
            uid=uid,
            labels=labels or None,
            data=_data(fields),
        )
        if uid is not None:
            draft.observe("resources[].uid", 10, uid)
    elif container:
        draft.resource(
            release,
            3,
            type="Container",
            name=container.get("name"),
            namespace=namespace,
            uid=container.get("uid"),
            data=_data(fields),
        )
    for short, kind in _WORKLOADS:
        names = texts(draft.first(f"k8s.{short}.name", f"k8smeta.{short}.name"))
        uids = texts(draft.first(f"k8s.{short}.id", f"k8smeta.{short}.uid"))
        if not names and not uids:
            continue
        given = draft.first(f"k8s.{short}.labels", f"k8smeta.{short}.labels")
        shared: list[str] | None = None if given is None else labels_of(given) or None
        for name, uid in zip_longest(names, uids):
            draft.resource(
                release, 3, type=kind, name=name, namespace=namespace, uid=uid, labels=shared
            )
            shared = None  # of several services it does not say whose they are
            if uid is not None:
                draft.observe("resources[].uid", 10, uid)
    if namespace is not None and draft.resources:
        draft.first("k8s.ns.name", "k8smeta.ns.name")
