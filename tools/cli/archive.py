"""``payments archive --before 400d`` moves old payments to the archive; ``payments unarchive ID`` moves them back."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from tools.cli import options
from tools.cli.failures import ARCHIVER, report_failures
from tools.database.settings import load_tool_settings
from tools.operations.archive import DEFAULT_BATCH_PAYMENTS, archive, unarchive
from tools.progress import show_progress

_MIN_AGE = timedelta(days=30)
"""Callers still refund, retry and list younger payments."""


def archive_command(
    *,
    before: Annotated[
        str,
        typer.Option(
            metavar="TIME",
            help="Archive payments created before this time: a date such as 2025-02-07 (00:00 UTC), or an age such as "
            "400d.",
        ),
    ],
    batch_size: Annotated[
        int, typer.Option(min=1, max=5_000, help="Payments per transaction.")
    ] = DEFAULT_BATCH_PAYMENTS,
    pause_seconds: Annotated[
        float | None,
        typer.Option(
            min=0, help="Pause after each transaction. Defaults to the duration of the transaction.", show_default=False
        ),
    ] = None,
) -> None:
    """Move old payments from the live tables to the archive. Services can keep running.

    Pending payments, and payments that have changed since TIME, are not moved.
    """
    now = datetime.now(UTC)
    cutoff = options.parse_time("--before", before, now)
    assert cutoff is not None
    if cutoff > now - _MIN_AGE:
        raise typer.BadParameter(f"must be at least {_MIN_AGE.days} days ago", param_hint="--before")
    consequence = "payments moved so far stay in the archive; run the command again to continue"
    with report_failures(consequence, account=ARCHIVER):
        settings = load_tool_settings()
        with show_progress("archive", None) as progress:
            result = archive(
                settings, cutoff, batch_payments=batch_size, pause_seconds=pause_seconds, progress=progress
            )
    in_use = f"; {result.in_use:,} payments were in use; run the command again to move them" if result.in_use else ""
    print(f"archived: {result.payments:,} payments, {result.refunds:,} refunds, {result.events:,} events{in_use}")


def unarchive_command(
    payment_id: Annotated[list[int], typer.Argument(help="IDs of the payments to move back.")],
) -> None:
    """Move archived payments back to the live tables, so that they can be listed and refunded again."""
    with report_failures(account=ARCHIVER):
        unarchive(load_tool_settings(), payment_id, print)
