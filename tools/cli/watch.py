"""``payments watch`` prints the changes to payments as they happen."""

import sys
from typing import Annotated

import typer
from payments_client import PaymentsClient

from tools.cli.options import AsJson
from tools.cli.output import print_event, print_json
from tools.cli.service_options import calls_service

_MAX_OUTAGE_SECONDS = 60.0
"""How long the service may be unreachable before the command fails."""


@calls_service
def command(
    client: PaymentsClient,
    *,
    resume_token: Annotated[
        str, typer.Option(help="Resume token that an earlier watch printed, to start after it.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Show every change to a payment as it happens, until Ctrl-C.

    On exit, prints the token to resume from. With --json, each line has its own token.
    """
    token = resume_token
    try:
        for update in client.watch_payments(resume_token=resume_token, timeout_seconds=_MAX_OUTAGE_SECONDS):
            if update.event is not None and as_json:
                print_json(update)
            elif update.event is not None:
                print_event(update.event)
            sys.stdout.flush()
            token = update.resume_token
    except KeyboardInterrupt:
        pass  # the way to end the command
    finally:
        if token:
            print(f"To resume: payments watch --resume-token {token}", file=sys.stderr)
