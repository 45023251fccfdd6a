"""``payments``: the one command that an installation puts on the path."""

import typer

from server.__main__ import main as serve
from tools import doctor, export_csv, load_csv, migrate, sample_data

app = typer.Typer(
    name="payments",
    help="The payment service: run it, look after its database, bring payments in and out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("serve", help="Run the service until it is told to stop (SIGTERM or Ctrl-C).")(serve)
app.command("migrate")(migrate.command)
app.command("import")(load_csv.command)
app.command("export")(export_csv.command)
app.command("sample")(sample_data.command)
app.command("doctor")(doctor.command)


def main() -> None:
    """Run the command."""
    app()


if __name__ == "__main__":
    main()
