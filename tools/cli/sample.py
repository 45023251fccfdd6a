"""``payments sample`` fills a database with plausible payments."""

from typing import Annotated

import typer

from tools.cli.failures import failures_reported
from tools.database.settings import load_tool_settings
from tools.operations.sample_data import DEFAULT_COUNT, DEFAULT_SEED, load_sample_payments
from tools.operations.sample_payments import DEFAULT_MONTHS


def command(
    *,
    count: Annotated[int, typer.Option(min=1, help="how many payments")] = DEFAULT_COUNT,
    seed: Annotated[int, typer.Option(help="start of the chance")] = DEFAULT_SEED,
    months: Annotated[int, typer.Option(min=1, help="how far back")] = DEFAULT_MONTHS,
    if_empty: Annotated[bool, typer.Option("--if-empty", help="do nothing if there are payments")] = False,
) -> None:
    """Add plausible payments, as for a try-out."""
    with failures_reported():
        load_sample_payments(load_tool_settings(), count=count, seed=seed, months=months, only_if_empty=if_empty)
