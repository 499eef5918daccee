"""The command `register`."""

import json
import shlex
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.commands.options import (
    ExternalId,
    Json,
    Principal,
    account_of,
    external_id_of,
    load_settings,
    source_name,
)
from streams.errors import Misconfigured
from streams.terminal import print_json, print_text, say

if TYPE_CHECKING:
    from streams.lake.custom_source import Registration, Source
    from streams.settings.settings import Settings


def register(
    context: typer.Context,
    crawler_role: Annotated[
        str, typer.Option(metavar="ARN", help="Role of the Glue crawler; it must exist.")
    ],
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="Name of the source, at most 20 characters. Default: the end of lake.prefix.",
        ),
    ] = None,
    external_id: ExternalId = None,
    principal: Principal = None,
    region: Annotated[
        str | None, typer.Option(metavar="REGION", help="AWS region. Default: lake.region.")
    ] = None,
    source_version: Annotated[
        str | None, typer.Option(metavar="V", help="Version of the source. Default: none.")
    ] = None,
    toml: Annotated[
        bool, typer.Option("--toml", help="Print the settings as TOML, not as export lines.")
    ] = False,
    as_json: Json = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check and print the request; send nothing.")
    ] = False,
) -> None:
    """Register Falco as a custom source of Amazon Security Lake, and print its settings.

    Run by an administrator of Security Lake, once per region. An existing source is left
    unchanged, and its settings are printed. The event class is the setting ocsf.class. The
    settings go to standard output, as export lines or as TOML for falcolake.toml; messages go
    to standard error.

    \b
    Examples:
      falcolake register falco --external-id my-external-id --dry-run \\
        --crawler-role arn:aws:iam::123456789012:role/falco-crawler
      eval "$(falcolake register falco --external-id my-external-id \\
        --crawler-role arn:aws:iam::123456789012:role/falco-crawler)"
    """
    from schemas.ocsf.releases import IN_SECURITY_LAKE, beyond_security_lake
    from streams.lake import custom_source
    from streams.lake.session import security_lake
    from streams.settings.settings import variable

    settings = load_settings(context)
    registration = custom_source.Registration(
        region=_region(settings, region),
        name=name or source_name(settings.lake.prefix),
        event_class=settings.ocsf.event_class.upper(),
        crawler_role=crawler_role,
        principal=principal or account_of(settings, None),
        external_id=external_id_of(settings, external_id),
        version=source_version,
    )
    if beyond := beyond_security_lake(settings.ocsf.version):
        say(f"Warning: {beyond}. Set {variable('ocsf.version')}={IN_SECURITY_LAKE} or 1.1.0.")
    client = security_lake(registration.region)
    custom_source.check(client, registration)
    if dry_run:
        print_json(registration.request())
        say(f"Nothing was sent to Security Lake in {registration.region}.")
        return
    source = custom_source.register(client, registration)
    found = _lake_settings(source, registration, settings)
    if source.created:
        say(f"{source.name} registered in {registration.region}")
    else:
        say(f"{source.name} was already registered in {registration.region}; nothing changed")
    say(f"location: {source.location or 'unknown'}")
    say(f"role: {source.role_arn or 'unknown'}")
    if as_json:
        print_json(_plain(source) | {"settings": {_variable(key): found[key] for key in found}})
    elif toml:
        lines = [f"{key} = {json.dumps(value)}" for key, value in found.items()]
        print_text("\n".join(["[lake]", *lines]))
    else:
        lines = [f"export {_variable(key)}={shlex.quote(found[key])}" for key in found]
        print_text("\n".join(lines))


def _lake_settings(
    source: "Source", registration: "Registration", settings: "Settings"
) -> dict[str, str]:
    """Return the settings of section `lake` for a source, without those that AWS did not return."""
    bucket, prefix = source.place or ("", "")
    found = {
        "bucket": bucket,
        "prefix": prefix,
        "region": registration.region,
        "account_id": settings.lake.account_id or registration.principal,
        "role_arn": source.role_arn,
        "external_id": registration.external_id if source.role_arn else "",
    }
    return {key: value for key, value in found.items() if value}


def _plain(source: "Source") -> dict[str, Any]:
    return {
        "name": source.name,
        "version": source.version,
        "created": source.created,
        "location": source.location,
        "role_arn": source.role_arn,
        "crawler_arn": source.crawler_arn,
        "table_arn": source.table_arn,
    }


def _variable(key: str) -> str:
    from streams.settings.settings import variable

    return variable(f"lake.{key}")


def _region(settings: "Settings", given: str | None) -> str:
    found = given or settings.lake.region
    if not found:
        raise Misconfigured(
            "no AWS region",
            "give --region, or set FALCOLAKE_LAKE__REGION, for example eu-central-1",
        )
    return found
