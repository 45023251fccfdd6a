"""``payments sample`` fills a database with sample payments."""

from typing import Annotated

import typer

from tools.cli.failures import MIGRATOR, report_failures
from tools.database.settings import load_tool_settings
from tools.operations.sample_data import DEFAULT_COUNT, DEFAULT_SEED, load_sample_payments
from tools.operations.sample_payments import DEFAULT_MONTHS


def command(
    *,
    count: Annotated[int, typer.Option(min=1, help="Number of payments.")] = DEFAULT_COUNT,
    seed: Annotated[int, typer.Option(help="Seed of the random numbers.")] = DEFAULT_SEED,
    months: Annotated[
        int, typer.Option(min=1, help="Spread the payments over this many months up to now.")
    ] = DEFAULT_MONTHS,
    if_empty: Annotated[
        bool, typer.Option("--if-empty", help="Do nothing if the database already has payments, live or archived.")
    ] = False,
) -> None:
    """Add plausible payments and refunds for trying out the service."""
    with report_failures(account=MIGRATOR):
        load_sample_payments(load_tool_settings(), count=count, seed=seed, months=months, only_if_empty=if_empty)
