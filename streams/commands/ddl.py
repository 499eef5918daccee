"""The command `ddl`."""

import re
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from streams.commands.options import load_settings
from streams.errors import Misconfigured
from streams.terminal import print_text

if TYPE_CHECKING:
    from streams.settings.settings import Settings


def ddl(
    context: typer.Context,
    engine: Annotated[
        Literal["athena", "spark", "trino", "clickhouse", "duckdb"],
        typer.Option(help="Whose SQL to print; Glue's tables are Athena's."),
    ],
    table: Annotated[
        str, typer.Option(metavar="NAME", help="Name of the table or view, or database.name.")
    ] = "falco",
    location: Annotated[
        str | None,
        typer.Option(
            metavar="PLACE",
            help="Where the lake is, up to region=. Default: the lake's bucket and prefix.",
        ),
    ] = None,
    region: Annotated[
        list[str] | None,
        typer.Option(metavar="REGION", help="A region in the lake; can be repeated."),
    ] = None,
    account: Annotated[
        list[str] | None,
        typer.Option(metavar="ACCOUNT", help="An account in the lake; can be repeated."),
    ] = None,
    since: Annotated[
        str, typer.Option(metavar="YYYYMMDD", help="First day that Athena and Trino look for.")
    ] = "20200101",
) -> None:
    """Print the table of a lake of your own, for the engine that queries it.

    The columns are those of ocsf.class and ocsf.version. Security Lake makes
    its own table. Nothing is sent to anybody.

    \b
    Examples:
      falcolake ddl --engine athena --table security.falco
      falcolake ddl --engine duckdb --location ./lake | duckdb lake.db
    """
    from streams.lake import ddl as tables

    settings = load_settings(context)
    settings.require_lake()
    if not re.fullmatch(r"\w+(\.\w+){0,2}", table, re.ASCII):
        raise Misconfigured(
            f"{table!r} is not the name of a table",
            "use letters, digits and underscores, with a database before a dot",
        )
    if not re.fullmatch(r"\d{8}", since, re.ASCII):
        raise Misconfigured(f"{since!r} is not a day", "for example --since 20260131")
    lake = tables.Lake(
        (location or _location(settings, engine)).rstrip("/"),
        settings.ocsf.event_class,
        settings.ocsf.version,
        region or [settings.lake.region],
        account or [settings.lake.account_id],
        table,
        since,
    )
    print_text(tables.ENGINES[engine](lake))


def _location(settings: "Settings", engine: str) -> str:
    lake = settings.lake
    if engine != "clickhouse":
        return f"s3://{lake.bucket}/{lake.prefix}"
    if lake.endpoint_url:
        return f"{lake.endpoint_url.rstrip('/')}/{lake.bucket}/{lake.prefix}"
    return f"https://{lake.bucket}.s3.{lake.region}.amazonaws.com/{lake.prefix}"
