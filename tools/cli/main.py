"""``payments``: the one command that an installation puts on the path."""

import typer

from server.__main__ import main as serve
from tools.cli import archive, backup, calls, doctor, export, history, import_csv, keys, migrate, sample

_CALLS = "Call a service"
_CARE = "Run a service and look after its database"

app = typer.Typer(
    name="payments",
    help="The payment service: charge, refund and list payments; run it, and look after its database.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("charge", rich_help_panel=_CALLS)(calls.charge)
app.command("refund", rich_help_panel=_CALLS)(calls.refund)
app.command("get", rich_help_panel=_CALLS)(calls.get)
app.command("list", rich_help_panel=_CALLS)(calls.list_payments)
app.command("serve", rich_help_panel=_CARE, help="Run the service until it is told to stop (SIGTERM or Ctrl-C).")(serve)
app.command("migrate", rich_help_panel=_CARE)(migrate.command)
app.command("import", rich_help_panel=_CARE)(import_csv.command)
app.command("export", rich_help_panel=_CARE)(export.command)
app.command("backup", rich_help_panel=_CARE)(backup.backup_command)
app.command("restore", rich_help_panel=_CARE)(backup.restore_command)
app.command("archive", rich_help_panel=_CARE)(archive.archive_command)
app.command("unarchive", rich_help_panel=_CARE)(archive.unarchive_command)
app.command("history", rich_help_panel=_CARE)(history.command)
app.command("sample", rich_help_panel=_CARE)(sample.command)
app.add_typer(keys.app, name="keys", rich_help_panel=_CARE)
app.command("doctor", rich_help_panel=_CARE)(doctor.command)


def main() -> None:
    """Run the command."""
    app()


if __name__ == "__main__":
    main()
