"""``payments``: the command that an installation puts on the PATH."""

from importlib.metadata import version
from typing import Annotated

import typer

from tools.cli import (
    archive,
    backup,
    calls,
    doctor,
    export,
    forget,
    history,
    import_csv,
    keys,
    migrate,
    sample,
    serve,
    watch,
)

_CALLS = "Call a service"
_OPERATE = "Run the service and maintain its database"

app = typer.Typer(
    name="payments",
    help="Charge, refund and list payments; run the payment service and maintain its database.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("charge", rich_help_panel=_CALLS)(calls.charge)
app.command("refund", rich_help_panel=_CALLS)(calls.refund)
app.command("get", rich_help_panel=_CALLS)(calls.get)
app.command("events", rich_help_panel=_CALLS)(calls.events)
app.command("list", rich_help_panel=_CALLS)(calls.list_payments)
app.command("watch", rich_help_panel=_CALLS)(watch.command)
app.command("serve", rich_help_panel=_OPERATE)(serve.command)
app.command("migrate", rich_help_panel=_OPERATE)(migrate.command)
app.command("import", rich_help_panel=_OPERATE)(import_csv.command)
app.command("export", rich_help_panel=_OPERATE)(export.command)
app.command("backup", rich_help_panel=_OPERATE)(backup.backup_command)
app.command("restore", rich_help_panel=_OPERATE)(backup.restore_command)
app.command("archive", rich_help_panel=_OPERATE)(archive.archive_command)
app.command("unarchive", rich_help_panel=_OPERATE)(archive.unarchive_command)
app.command("forget", rich_help_panel=_OPERATE)(forget.command)
app.command("history", rich_help_panel=_OPERATE)(history.command)
app.command("sample", rich_help_panel=_OPERATE)(sample.command)
app.add_typer(keys.app, name="keys", rich_help_panel=_OPERATE)
app.command("doctor", rich_help_panel=_OPERATE)(doctor.command)


def _print_version(is_requested: bool) -> None:  # noqa: FBT001 - as Typer calls it
    if is_requested:
        print(f"payments {version('payments-server')}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command."""
    app()


if __name__ == "__main__":
    main()
