"""The command `policy`."""

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any

import typer

from streams.commands.options import (
    ExternalId,
    Principal,
    account_of,
    external_id_of,
    load_settings,
    source_name,
)
from streams.errors import Misconfigured
from streams.terminal import print_json, print_text


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
    principal: Principal = None,
    external_id: ExternalId = None,
    eks_issuer: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Trust pods instead: their cluster's OIDC issuer."),
    ] = None,
    namespace: Annotated[
        str, typer.Option(metavar="NAME", help="With --eks-issuer: the pods' namespace.")
    ] = "falco",
    service_account: Annotated[
        str, typer.Option(metavar="NAME", help="With --eks-issuer: the pods' service account.")
    ] = "falcolake",
    read_only: Annotated[
        bool,
        typer.Option("--read-only", help="Permissions to audit, verify and query only."),
    ] = False,
) -> None:
    """Print the IAM documents that workers need, built from the settings.

    \b
    trust        who may assume the lake's role: roles of an account that know
                 the external id, or with --eks-issuer a service account's pods
    permissions  what that role may do: list, get and put under the prefix, and
                 use the key if lake.kms_key_id is set
    assume       for the workers' own role, if lake.role_arn is set
    crawler-trust, crawler-permissions
                 for the role of the Glue crawler
    hints        other steps, in Lake Formation and for subscribers

    Sends nothing to AWS.

    \b
    Examples:
      falcolake policy permissions > permissions.json
      falcolake policy permissions --read-only > reader.json
      falcolake policy trust --external-id my-external-id
      falcolake policy trust --namespace falco --service-account falcolake \\
        --eks-issuer https://oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLE
    """
    from streams.lake import iam

    settings = load_settings(context)
    lake = settings.lake
    if kind is not Kind.CRAWLER_TRUST:  # the only document that no setting shapes
        settings.require_lake()

    def trust() -> iam.Document:
        account = account_of(settings, principal)
        if eks_issuer:
            return iam.trust_eks(account, eks_issuer, namespace, service_account, lake.region)
        return iam.trust_account(account, external_id_of(settings, external_id), lake.region)

    def place() -> iam.Place:
        return iam.Place.of(lake)

    def assume() -> iam.Document:
        if lake.role_arn:
            return iam.may_assume(lake.role_arn)
        raise Misconfigured(
            "not set: FALCOLAKE_LAKE__ROLE_ARN", "set it to the role that the workers assume"
        )

    documents: dict[Kind, Callable[[], Any]] = {
        Kind.TRUST: trust,
        Kind.PERMISSIONS: lambda: (iam.reading if read_only else iam.permissions)(place()),
        Kind.ASSUME: assume,
        Kind.CRAWLER_TRUST: iam.trust_glue,
        Kind.CRAWLER_PERMISSIONS: lambda: iam.crawler_permissions(place()),
        Kind.HINTS: lambda: iam.hints(place(), source_name(lake.prefix)),
    }
    if kind is Kind.HINTS:
        print_text("\n".join(documents[kind]()))
    elif kind is Kind.ALL:
        wanted = [each for each in documents if each is not Kind.ASSUME or lake.role_arn]
        print_json({each.value: documents[each]() for each in wanted})
    else:
        print_json(documents[kind]())
