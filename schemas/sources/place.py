"""Where Falco runs, and custom fields, by the settings: what alerts seldom or never name.

What an alert names itself wins: its cloud and its cluster are never mixed with the settings'. What
all alerts of a shape share is built once and belongs to the scene. A custom field that finds no
place in a finding stays in `unmapped`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from schemas.falco.values import text
from schemas.ocsf.releases import Release
from schemas.sources.draft import ANY, Draft, Names, Row

_CLUSTER = "cluster"
_RESOURCE = "resources[]."
_ONE_RESOURCE = ("name", "uid", "type", "namespace", "region")
_CLOUD = ("cloud.provider", "cloud.account.uid", "cloud.region")

#: Where a custom field may go → the attributes of the finding, as in `columns.paths`.
TARGETS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "metadata.labels[]": ("metadata.labels[]",),
        "metadata.tenant_uid": ("metadata.tenant_uid",),
        **{name: (name,) for name in _CLOUD},
        **{_RESOURCE + name: (_RESOURCE + name,) for name in _ONE_RESOURCE},
        "resources[].labels[]": ("resources[].labels[]",),
        **{f"{_CLUSTER}.{name}": (_RESOURCE + name,) for name in ("name", "uid")},
    }
)

# The fields whose builders name a cloud or a cluster.
_OF_CLOUDS = ("ct.", "ec2.", "ecr.", "gcp.", "iam.", "s3.")
_OF_CLUSTERS = ("ka.cluster.",)
_OF_KUBERNETES = ("k8s.", "k8smeta.", "ka.")
BEGINNINGS = (*_OF_CLOUDS, *_OF_CLUSTERS, *_OF_KUBERNETES)
"""How the names of fields begin that say where an alert comes from."""
_OF_HOST = frozenset({"syscall", "internal"})

_PARTITIONS = (
    ("cn-", "aws-cn"),
    ("us-gov-", "aws-us-gov"),
    ("us-iso-", "aws-iso"),
    ("us-isob-", "aws-iso-b"),
    ("us-isof-", "aws-iso-f"),
    ("eu-isoe-", "aws-iso-e"),
    ("eusc-", "aws-eusc"),
)


class Place(NamedTuple):
    """The settings that say where Falco runs; None is not set."""

    cloud_provider: str | None = None
    cloud_account_id: str | None = None
    cloud_region: str | None = None
    cluster_name: str | None = None
    cluster_uid: str | None = None


NOWHERE = Place()


class Shared(NamedTuple):
    """What a scene has of the settings, for all of its findings."""

    cloud: dict[str, Any] | None
    cluster: dict[str, str] | None
    in_cluster: bool
    """Whether its alerts are about what runs in Falco's cluster, not about a cloud's API."""


class OfRule(NamedTuple):
    """The custom fields that belong to the rule's part of a finding."""

    labels: tuple[str, ...] = ()
    tenant_uid: str | None = None


NOTHING = OfRule()


class Custom:
    """The settings' place and custom fields, for one release. Immutable."""

    def __init__(self, place: Place, fields: Iterable[tuple[str, str]], release: Release) -> None:
        """Take pairs of a field and its target, which `check` has accepted."""
        self._place = place
        self._release = release
        self._targets = tuple(fields)
        self._cloud = cloud_of(
            place.cloud_provider, place.cloud_account_id, place.cloud_region, release
        )
        self._cluster = _cluster_of(place.cluster_name, place.cluster_uid)
        self._cloud_fields = frozenset(field for field, to in self._targets if to in _CLOUD)
        self._cluster_fields = frozenset(
            field for field, to in self._targets if to.startswith(f"{_CLUSTER}.")
        )

    def __bool__(self) -> bool:
        """Whether anything is set."""
        return bool(self._cloud or self._cluster or self._targets)

    def shared(self, shape: Names, source: str) -> Shared:
        """Return what every alert with fields of these names has of the settings."""
        own_cloud = _any_starts(shape.placing, _OF_CLOUDS) or not self._cloud_fields.isdisjoint(
            shape.names
        )
        own_cluster = _any_starts(shape.placing, _OF_CLUSTERS) or (
            not self._cluster_fields.isdisjoint(shape.names)
        )
        in_cluster = (
            source in _OF_HOST
            or source.startswith("k8s")
            or _any_starts(shape.placing, _OF_KUBERNETES)
        )
        return Shared(
            None if own_cloud else self._cloud,
            None if own_cluster or not in_cluster else self._cluster,
            in_cluster,
        )

    def complete(self, draft: Draft, shared: Shared) -> OfRule:
        """Add the custom fields of an alert, and the settings that its scene does not have."""
        names_cloud = draft.cloud is not None
        rule = self._take(draft) if self._targets else NOTHING
        if shared.cloud is None and draft.cloud is None:
            draft.cloud = self._cloud
        if not shared.in_cluster:
            return rule
        if self._cluster is not None and shared.cluster is None and not _names_cluster(draft):
            add_cluster(draft, self._cluster, self._release)
        if (cloud := draft.cloud or shared.cloud) is not None and not names_cloud:
            locate(draft, cloud)
        return rule

    def _take(self, draft: Draft) -> OfRule:
        found: dict[str, dict[str, str]] = {}
        for field, target in self._targets:
            value = draft.fields.get(field)
            if value is not None:
                found.setdefault(target, {})[field] = (
                    value if value.__class__ is str else text(value)
                )
        if not found:
            return NOTHING
        self._take_cloud(draft, found)
        self._take_cluster(draft, found)
        self._take_resource(draft, found)
        labels = _labels(found.pop("metadata.labels[]", {}), draft)
        tenant = found.pop("metadata.tenant_uid", {})
        return OfRule(tuple(labels), _only(tenant, draft))

    def _take_cloud(self, draft: Draft, found: dict[str, dict[str, str]]) -> None:
        wanted = [found.get(name) for name in _CLOUD]
        if draft.cloud is not None or not any(wanted):
            return
        provider, account, region = (next(iter(each.values())) if each else None for each in wanted)
        place = self._place
        if provider in (None, place.cloud_provider):
            provider = place.cloud_provider
            account, region = account or place.cloud_account_id, region or place.cloud_region
        draft.cloud = cloud_of(provider, account, region, self._release)
        if draft.cloud is not None:
            for each in wanted:
                _only(each or {}, draft)

    def _take_cluster(self, draft: Draft, found: dict[str, dict[str, str]]) -> None:
        if _names_cluster(draft):
            return
        name = _only(found.get(f"{_CLUSTER}.name", {}), draft)
        uid = _only(found.get(f"{_CLUSTER}.uid", {}), draft)
        if cluster := _cluster_of(name, uid):
            add_cluster(draft, cluster, self._release)

    def _take_resource(self, draft: Draft, found: dict[str, dict[str, str]]) -> None:
        if _RESOURCE + "name" not in found and _RESOURCE + "uid" not in found:
            return
        resource: dict[str, Any] = {
            name: _only(found.get(_RESOURCE + name, {}), draft) for name in _ONE_RESOURCE
        }
        labels = _labels(found.get("resources[].labels[]", {}), draft)
        draft.resource(self._release, 3, **resource, labels=labels or None)

    def rows(self, field: str) -> list[Row]:
        """Return where a custom field goes, as a row for each target."""
        return [
            Row(field, TARGETS[target], f"By the settings: {target}.", ANY)
            for name, target in self._targets
            if name == field
        ]


def check(
    fields: Iterable[tuple[str, str]],
    place: Place,
    paths: Iterable[str],
    placed: Mapping[str, tuple[str, ...]],
) -> None:
    """Raise ValueError if custom fields do not fit the schema.

    `paths` are the attributes of the class, `placed` where a field goes without the settings.
    """
    pairs, known = tuple(fields), frozenset(paths)
    targets = {target for _, target in pairs}
    possible = [name for name, attributes in TARGETS.items() if known.issuperset(attributes)]
    for field, target in pairs:
        if target not in possible:
            what = "no custom field can go there" if target in known else "there is no such place"
            raise ValueError(
                f"{field!r} cannot become {target!r}: {what}; choose one of {', '.join(possible)}."
            )
        if to := placed.get(field):
            raise ValueError(f"{field!r} has a place already: {', '.join(to)}.")
    if targets.intersection(_CLOUD) and not (place.cloud_provider or "cloud.provider" in targets):
        raise ValueError(
            "OCSF has no cloud without a provider: set a cloud provider, or a field for"
            " cloud.provider."
        )
    if any(target.startswith(_RESOURCE) for target in targets) and targets.isdisjoint(
        {_RESOURCE + "name", _RESOURCE + "uid"}
    ):
        raise ValueError(
            "OCSF has no resource without a name or uid: choose a field for resources[].name."
        )


def cloud_of(
    provider: str | None, account_id: str | None, region: str | None, release: Release
) -> dict[str, Any] | None:
    """Return the `cloud` object; None without a provider, which OCSF requires."""
    if provider is None:
        return None
    cloud: dict[str, Any] = {"provider": provider}
    if region is not None:
        cloud["region"] = region
    if account_id is not None:
        cloud["account"] = {"uid": account_id, **_account_type(provider, release)}
        if provider == "GCP" and not release.modern:
            cloud["project_uid"] = account_id
    return cloud


def _account_type(provider: str, release: Release) -> dict[str, Any]:
    """Return what an account of a provider is, where OCSF has a name for it."""
    if provider == "AWS":
        return {"type_id": 10, "type": "AWS Account"}
    if provider == "GCP":
        type_id, type_ = (11, "GCP Project") if release.modern else (5, "GCP Account")
        return {"type_id": type_id, "type": type_}
    if provider == "Azure":
        return {"type_id": 13 if release.modern else 99, "type": "Azure Subscription"}
    return {}


def partition_of(region: str) -> str:
    """Return the AWS partition of a region, as ARNs name it."""
    return next((name for start, name in _PARTITIONS if region.startswith(start)), "aws")


def locate(draft: Draft, cloud: dict[str, Any]) -> None:
    """Add to each resource so far where in the cloud it is, unless it says so itself."""
    where: dict[str, Any] = {}
    if "region" in cloud:
        where["region"] = cloud["region"]
        if cloud["provider"] == "AWS":
            where["cloud_partition"] = partition_of(cloud["region"])
    if "account" in cloud:
        where["owner"] = {"account": {"uid": cloud["account"]["uid"]}}
    draft.resources = [where | each for each in draft.resources]


def add_cluster(draft: Draft, cluster: dict[str, str], release: Release) -> None:
    """Add the cluster as a resource."""
    draft.resource(release, 3, **cluster)
    if "uid" in cluster:
        draft.observe("resources[].uid", 10, cluster["uid"])


def _cluster_of(name: str | None, uid: str | None) -> dict[str, str] | None:
    found = {key: value for key, value in (("name", name), ("uid", uid)) if value}
    return {"type": _CLUSTER, **found} if found else None


def _names_cluster(draft: Draft) -> bool:
    return any(each.get("type") == _CLUSTER for each in draft.resources)


def _any_starts(names: Iterable[str], beginnings: tuple[str, ...]) -> bool:
    return any(name.startswith(beginnings) for name in names)


def _only(values: Mapping[str, str], draft: Draft) -> str | None:
    """Take the first of the fields for one attribute, and those of the same value."""
    first: str | None = None
    for field, value in values.items():
        if first is None or value == first:
            first = value
            draft.fields.pop(field, None)
    return first


def _labels(values: Mapping[str, str], draft: Draft) -> list[str]:
    for field in values:
        draft.fields.pop(field, None)
    return [f"{field}:{value}" for field, value in values.items()]
