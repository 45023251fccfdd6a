"""``payments forget --customer ID`` erases a customer from all payments."""

from typing import Annotated

import typer

from server.domain.errors import InvalidValue
from server.domain.names import name
from tools.cli.failures import ARCHIVER, report_failures
from tools.cli.options import utf8
from tools.database.settings import load_tool_settings
from tools.operations.forget import forget
from tools.progress import show_progress


def command(
    customer: Annotated[str, typer.Option(metavar="ID", callback=utf8, help="The customer_id of the payments.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Erase a customer: the customer_id and the labels of all its payments. Services can keep running.

    This cannot be undone. Amounts, outcomes and external references are kept, and each payment gets an event. Backups,
    exports and consumers of the event stream keep their copies.
    """
    try:
        name(customer)
    except InvalidValue as error:
        raise typer.BadParameter(error.description, param_hint="--customer") from None
    if not yes:
        typer.confirm("Erase the customer_id and the labels of all payments of this customer?", abort=True)
    with report_failures("run the command again to continue", account=ARCHIVER):
        settings = load_tool_settings()
        with show_progress("forget", None) as progress:
            count = forget(settings, customer, progress)
    print(f"erased the customer from {count:,} payments")
