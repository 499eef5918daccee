"""Builds the mapping from the settings, for the worker and for `falcolake map` alike."""

from schemas.mapping import Mapping, Options
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
    )
    try:
        return Mapping(options)
    except ValueError as error:
        raise Misconfigured(
            str(error),
            "correct the MAPPING__ settings: 'falcolake settings' shows where each is from",
        ) from error
