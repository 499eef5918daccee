"""The commands around a lake: `doctor`, `policy`, `register`. `cli` adds them to its app."""

import json
import shlex
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.errors import Misconfigured
from streams.terminal import print_json, print_text, print_verdict, say

if TYPE_CHECKING:
    from streams.lake.custom_source import Registration, Source
    from streams.settings.settings import Settings

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


LEVELS = ("good", "warning", "bad")


class Kind(StrEnum):
    """What `policy` can print."""

    ALL = "all"
    TRUST = "trust"
    PERMISSIONS = "permissions"
    ASSUME = "assume"
    CRAWLER_TRUST = "crawler-trust"
    CRAWLER_PERMISSIONS = "crawler-permissions"
    HINTS = "hints"


def policy(
    context: typer.Context,
    kind: Annotated[
        Kind, typer.Argument(metavar="WHAT", help="A document, or the hints.", show_default="all")
    ] = Kind.ALL,
    principal: Annotated[
        str | None,
        typer.Option(metavar="ACCOUNT", help="Account of the workers. Default: lake.account_id."),
    ] = None,
    external_id: Annotated[
        str | None, typer.Option(metavar="ID", help="External id. Default: lake.external_id.")
    ] = None,
    eks_issuer: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Trust pods instead: the cluster's OIDC issuer."),
    ] = None,
    namespace: Annotated[
        str, typer.Option(metavar="NAME", help="With --eks-issuer: their namespace.")
    ] = "falco",
    service_account: Annotated[
        str, typer.Option(metavar="NAME", help="With --eks-issuer: their service account.")
    ] = "falcolake",
) -> None:
    """Print the IAM documents that workers need, made from the settings.

    \b
    trust        who may assume the lake's role: an account's roles that know the
                 external id, or with --eks-issuer the pods of a service account
    permissions  what it may do: list, get and put under the prefix; use the key
                 if lake.kms_key_id is set
    assume       for the role that the workers have themselves, if lake.role_arn
                 is set
    crawler-trust, crawler-permissions
                 the role of Glue's crawler
    hints        what else there is to do, in Lake Formation and for subscribers

    Asks nothing of AWS.

    \b
    Examples:
      falcolake policy permissions > permissions.json
      falcolake policy trust --external-id my-external-id
      falcolake policy trust --namespace falco --service-account falcolake \\
        --eks-issuer https://oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLE
    """
    from streams.lake import iam
    from streams.settings.load import load

    settings = load(context.obj)
    lake = settings.lake
    settings.require_lake()
    account = _account(principal or lake.account_id)

    def trust() -> iam.Document:
        if eks_issuer:
            return iam.trust_eks(account, eks_issuer, namespace, service_account, lake.region)
        return iam.trust_account(account, _external_id(settings, external_id), lake.region)

    def assume() -> iam.Document:
        if lake.role_arn:
            return iam.may_assume(lake.role_arn)
        raise Misconfigured(
            "not set: FALCOLAKE_LAKE__ROLE_ARN", "it is the role that the workers are to assume"
        )

    documents: dict[Kind, Callable[[], Any]] = {
        Kind.TRUST: trust,
        Kind.PERMISSIONS: lambda: iam.permissions(lake),
        Kind.ASSUME: assume,
        Kind.CRAWLER_TRUST: iam.trust_glue,
        Kind.CRAWLER_PERMISSIONS: lambda: iam.crawler_permissions(lake),
        Kind.HINTS: lambda: iam.hints(lake, source_name(lake.prefix)),
    }
    if kind is Kind.HINTS:
        print_text("\n".join(documents[kind]()))
    elif kind is Kind.ALL:
        wanted = [each for each in documents if each is not Kind.ASSUME or lake.role_arn]
        print_json({each.value: documents[each]() for each in wanted})
    else:
        print_json(documents[kind]())


def register(
    context: typer.Context,
    crawler_role: Annotated[
        str, typer.Option(metavar="ARN", help="Role of the Glue crawler, made before.")
    ],
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Source, 20 characters. Default: lake.prefix's end."),
    ] = None,
    external_id: Annotated[
        str | None, typer.Option(metavar="ID", help="External id. Default: lake.external_id.")
    ] = None,
    principal: Annotated[
        str | None,
        typer.Option(metavar="ACCOUNT", help="Account of the workers. Default: lake.account_id."),
    ] = None,
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
    """Register Falco as a custom source of Amazon Security Lake, and print the settings for it.

    Done by an administrator of Security Lake, once for each region. A source that is registered
    already is left as it is, and its settings are printed. The event class is that of the setting
    ocsf.class. The settings go to standard output, for a shell to evaluate, or as TOML for
    falcolake.toml; what was done goes to standard error.

    \b
    Examples:
      falcolake register falco --external-id my-external-id --dry-run \\
        --crawler-role arn:aws:iam::123456789012:role/falco-crawler
      eval "$(falcolake register falco --external-id my-external-id \\
        --crawler-role arn:aws:iam::123456789012:role/falco-crawler)"
    """
    from streams.lake import custom_source
    from streams.settings.load import load

    settings = load(context.obj)
    registration = custom_source.Registration(
        region=_region(settings, region),
        name=name or source_name(settings.lake.prefix),
        event_class=settings.ocsf.event_class.upper(),
        crawler_role=crawler_role,
        principal=principal or _account(settings.lake.account_id),
        external_id=_external_id(settings, external_id),
        version=source_version,
    )
    client = custom_source.connect(registration.region)
    custom_source.check(client, registration)
    if dry_run:
        print_json(registration.request())
        say(f"Nothing was sent to Security Lake in {registration.region}.")
        return
    source = custom_source.register(client, registration)
    found = _lake_settings(source, registration, settings)
    did = "registered" if source.created else "was registered before, and is unchanged:"
    say(f"{source.name} {did} in {registration.region}")
    say(f"location: {source.location or 'not told'}\nrole: {source.role_arn or 'not told'}")
    if as_json:
        print_json(_plain(source) | {"settings": {_variable(key): found[key] for key in found}})
    elif toml:
        lines = [f"{key} = {json.dumps(value)}" for key, value in found.items()]
        print_text("\n".join(["[lake]", *lines]))
    else:
        lines = [f"export {_variable(key)}={shlex.quote(found[key])}" for key in found]
        print_text("\n".join(lines))


def doctor(
    context: typer.Context,
    timeout: Annotated[
        float, typer.Option(min=0.1, metavar="SECONDS", help="Longest time for each check.")
    ] = 20,
    as_json: Json = False,
) -> None:
    """Check all that a worker needs, and say what to do where it is not so.

    Settings; Kafka's brokers, topics, retention, rights, group; credentials, clock, bucket, put and
    key of the lake; the staging disk. A line each: good, warning or bad. Puts one empty object into
    the lake, _falcolake_doctor under the prefix, that everything else passes over. Exit code 1 if
    anything is bad.

    \b
    Examples:
      falcolake doctor
      falcolake doctor --json | jq '.checks[] | select(.level != "good")'
    """
    from streams.doctor.doctor import diagnose

    found = []
    for each in diagnose(context.obj, timeout):
        found.append(each)
        if not as_json:
            text = f"{each.message}. Try: {each.remedy}" if each.remedy else each.message
            print_verdict(each.level, each.check, text)
    counts = {level: sum(each.level == level for each in found) for level in LEVELS}
    if as_json:
        print_json(counts | {"checks": [each.plain() for each in found]})
    else:
        print_text(", ".join(f"{counts[level]} {level}" for level in LEVELS))
    raise typer.Exit(1 if counts["bad"] else 0)


def source_name(prefix: str) -> str:
    """Name the custom source that has this prefix: ext/falco → falco."""
    parts = prefix.split("/")
    return parts[1] if parts[0] == "ext" and len(parts) > 1 else parts[-1]


def _lake_settings(
    source: "Source", registration: "Registration", settings: "Settings"
) -> dict[str, str]:
    """Give the settings of section `lake` for a source; what AWS did not tell is left out."""
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
            "no AWS region", "give --region, or set FALCOLAKE_LAKE__REGION, as eu-central-1"
        )
    return found


def _account(account: str) -> str:
    if not (len(account) == 12 and account.isascii() and account.isdigit()):
        raise Misconfigured(
            f"{account!r} is not an AWS account id" if account else "no AWS account",
            "give --principal 123456789012, or set FALCOLAKE_LAKE__ACCOUNT_ID",
        )
    return account


def _external_id(settings: "Settings", given: str | None) -> str:
    found = given or settings.lake.external_id
    if not found:
        raise Misconfigured(
            "no external id: the role's trust would be open to the whole account",
            "give --external-id, or set FALCOLAKE_LAKE__EXTERNAL_ID; choose a long random text",
        )
    return found
