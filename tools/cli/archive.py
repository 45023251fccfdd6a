"""``payments archive --before 400d`` moves old payments out; ``payments unarchive ID`` brings some back."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from tools.cli import options
from tools.cli.failures import failures_reported
from tools.database.settings import load_tool_settings
from tools.operations.archive import DEFAULT_BATCH_PAYMENTS, archive, unarchive
from tools.progress import meter

_LEAST_AGE = timedelta(days=30)
"""Younger payments are still refunded, retried and listed."""


def archive_command(
    *,
    before: Annotated[
        str,
        typer.Option(
            metavar="TIME",
            help="Payments made before this: 2025-02-07 (the start of that day in UTC), or 400d, which is days ago.",
        ),
    ],
    batch_size: Annotated[
        int, typer.Option(min=1, max=5_000, help="Payments in one transaction.")
    ] = DEFAULT_BATCH_PAYMENTS,
    pause_seconds: Annotated[
        float | None,
        typer.Option(min=0, help="After each transaction; else as long as it took.", show_default=False),
    ] = None,
) -> None:
    """Move payments out of the live tables that are old, settled, and have not changed since; services may run."""
    now = datetime.now(UTC)
    time_before = options.time("--before", before, now)
    assert time_before is not None
    if time_before > now - _LEAST_AGE:
        raise typer.BadParameter(f"must be at least {_LEAST_AGE.days} days ago", param_hint="--before")
    with failures_reported("what was moved is moved, run it again for the rest"):
        settings = load_tool_settings()
        with meter("archive", None) as show:
            moved = archive(settings, time_before, batch_payments=batch_size, pause_seconds=pause_seconds, show=show)
    in_use = f"; {moved.in_use:,} payments were in use and stay until the next run" if moved.in_use else ""
    print(f"archived: {moved.payments:,} payments, {moved.refunds:,} refunds, {moved.events:,} events{in_use}")


def unarchive_command(
    payment_id: Annotated[list[int], typer.Argument(help="As many as there are to bring back.")],
) -> None:
    """Bring archived payments back into the live tables, so that they are listed and can be refunded again."""
    with failures_reported():
        unarchive(load_tool_settings(), payment_id, print)
