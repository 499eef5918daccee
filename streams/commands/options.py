"""Options that several commands share, and the settings that they default to."""

from typing import TYPE_CHECKING, Annotated

import typer

from streams.errors import Misconfigured

if TYPE_CHECKING:
    from streams.settings.settings import Settings

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Partitions = Annotated[
    list[int] | None, typer.Option(min=0, metavar="N", help="Only this partition; can be repeated.")
]
Principal = Annotated[
    str | None,
    typer.Option(metavar="ACCOUNT", help="Account of the workers. Default: lake.account_id."),
]
ExternalId = Annotated[
    str | None, typer.Option(metavar="ID", help="External id. Default: lake.external_id.")
]


def load_settings(context: typer.Context) -> "Settings":
    """Return the settings from the environment and the file that `--config` names."""
    from streams.settings.load import load

    return load(context.obj)


def account_of(settings: "Settings", given: str | None) -> str:
    """Return the AWS account of the workers: what `--principal` gives, or the setting."""
    account = given or settings.lake.account_id
    if not (len(account) == 12 and account.isascii() and account.isdigit()):
        raise Misconfigured(
            f"{account!r} is not an AWS account id" if account else "no AWS account",
            "give --principal 123456789012, or set FALCOLAKE_LAKE__ACCOUNT_ID",
        )
    return account


def external_id_of(settings: "Settings", given: str | None) -> str:
    """Return the external id of the lake's role: what `--external-id` gives, or the setting."""
    found = given or settings.lake.external_id
    if not found:
        raise Misconfigured(
            "no external id: the role's trust would be open to the whole account",
            "give --external-id, or set FALCOLAKE_LAKE__EXTERNAL_ID; choose a long random string",
        )
    return found


def source_name(prefix: str) -> str:
    """Return the name of the custom source that has a prefix: ext/falco → falco."""
    parts = prefix.split("/")
    return parts[1] if parts[0] == "ext" and len(parts) > 1 else parts[-1]
