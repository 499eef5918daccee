"""Builds the mapping from the settings, for the worker and for `falcolake map` alike."""

from schemas.mapping import Mapping, Options
from schemas.sources.dropping import Drop
from schemas.sources.place import Place
from streams.errors import Misconfigured
from streams.settings.settings import Settings


def build_mapping(settings: Settings) -> Mapping:
    """Return the mapping. Raises Misconfigured for a class or version that it does not have."""
    options = Options(
        region=settings.lake.region,
        account_id=settings.lake.account_id,
        event_class=settings.ocsf.event_class,
        ocsf_version=settings.ocsf.version,
        minimum_priority=settings.mapping.minimum_priority,
        location=settings.mapping.location,
        product_version=settings.mapping.product_version,
        tenant_uid=settings.mapping.tenant_uid,
        place=_place(settings),
        drop=tuple(Drop(**each.model_dump()) for each in settings.mapping.drop or ()),
        fields=tuple((settings.mapping.fields or {}).items()),
    )
    try:
        return Mapping(options)
    except ValueError as error:
        raise Misconfigured(
            str(error),
            "correct the MAPPING__ settings: 'falcolake settings' shows where each is from",
        ) from error


def _place(settings: Settings) -> Place:
    """Return where Falco runs; in AWS, the lake's account and region unless others are set."""
    mapping, lake = settings.mapping, settings.lake
    account_id, region = mapping.cloud_account_id, mapping.cloud_region
    if mapping.cloud == "AWS":
        account_id = account_id or (lake.account_id if lake.account_id.isdigit() else None)
        region = region or lake.region or None
    cluster = mapping.cluster
    return Place(
        mapping.cloud,
        account_id,
        region,
        cluster.name if cluster else None,
        cluster.uid if cluster else None,
    )
