"""``payments export payments.csv --refunds refunds.csv`` writes payments and their refunds to files."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from server.domain.errors import InvalidValue
from server.domain.listing import PaymentFilter
from server.domain.money import Money
from server.domain.payment import PaymentMethod, RefundState, Status
from tools.cli import options
from tools.cli.failures import SERVICE, report_failures
from tools.cli.options import (
    Caller,
    Customer,
    ExternalReference,
    MaxAmount,
    MinAmount,
    OrderId,
    ProcessorReference,
    Reference,
    Since,
    Until,
    utf8,
)
from tools.database.settings import load_tool_settings
from tools.progress import show_progress
from tools.transfer.export import export, format_of
from tools.transfer.files.row_writers import STANDARD_OUTPUT, FileFormat


def command(  # noqa: PLR0913 - the options of a command
    payments: Annotated[
        Path | None,
        typer.Argument(help="File for the payments: Parquet if it ends in .parquet, otherwise CSV; - for stdout."),
    ] = None,
    *,
    refunds: Annotated[
        Path | None,
        typer.Option(help="File for the refunds of these payments. Its name selects the format in the same way."),
    ] = None,
    file_format: Annotated[
        FileFormat | None, typer.Option("--format", help="Format of the files, regardless of their names.")
    ] = None,
    spreadsheet: Annotated[
        bool,
        typer.Option(
            "--spreadsheet",
            help="Write CSV that is safe to open in a spreadsheet: formulas in callers' text become plain text. Such a "
            "file cannot be imported.",
        ),
    ] = False,
    order_id: OrderId = None,
    method: Annotated[list[PaymentMethod] | None, options.MethodOption] = None,
    status: Annotated[list[Status] | None, options.StatusOption] = None,
    refund_state: Annotated[list[RefundState] | None, options.RefundStateOption] = None,
    reference: Reference = None,
    external_reference: ExternalReference = None,
    customer: Customer = None,
    caller: Caller = None,
    request_id: Annotated[
        str | None,
        typer.Option(
            callback=utf8,
            help="Only payments whose charge had this idempotency key, of any caller or of the --caller.",
        ),
    ] = None,
    processor_reference: ProcessorReference = None,
    min_amount: MinAmount = None,
    max_amount: MaxAmount = None,
    currency: Annotated[
        str | None, typer.Option(help="Currency of --min-amount and --max-amount. Defaults to DEFAULT_CURRENCY.")
    ] = None,
    since: Since = None,
    until: Until = None,
) -> None:
    """Export a consistent snapshot of payments and refunds to CSV or Parquet files."""
    if payments is None and refunds is None:
        raise typer.BadParameter("name a file for the payments, or one for the refunds with --refunds")
    if payments == refunds:
        raise typer.BadParameter("must not be the file for the payments", param_hint="--refunds")
    paths = filter(None, (payments, refunds))
    if spreadsheet and any((file_format or format_of(path)) is FileFormat.PARQUET for path in paths):
        raise typer.BadParameter("is for CSV files only, not Parquet", param_hint="--spreadsheet")
    with report_failures("no file was written", account=SERVICE):
        settings = load_tool_settings()
        now = datetime.now(UTC)
        bounds_currency = currency or settings.default_currency
        try:
            payment_filter = PaymentFilter(
                order_id=order_id,
                methods=frozenset(method or ()),
                statuses=frozenset(status or ()),
                refund_states=frozenset(refund_state or ()),
                reference=reference,
                external_reference=external_reference,
                customer_id=customer,
                caller=caller,
                request_id=request_id,
                processor_reference=processor_reference,
                min_amount=_money("--min-amount", bounds_currency, min_amount),
                max_amount=_money("--max-amount", bounds_currency, max_amount),
                min_create_time=options.parse_time("--since", since, now),
                max_create_time=options.parse_end_time("--until", until, now),
            )
        except InvalidValue as error:
            raise typer.BadParameter(f"{error.part} {error.description}") from None
        with show_progress("export", None) as progress:
            counts = export(
                settings,
                payment_filter,
                payments,
                refunds=refunds,
                file_format=file_format,
                for_spreadsheets=spreadsheet,
                progress=progress,
            )
    for path, count, kind in zip((payments, refunds), counts, ("payments", "refunds"), strict=True):
        if path is not None:
            print(f"{'standard output' if path == STANDARD_OUTPUT else path}: {count:,} {kind}", file=sys.stderr)


def _money(option: str, currency: str, text: str | None) -> Money | None:
    if text is None:
        return None
    amount = options.parse_amount(option, text)
    try:
        return Money.from_amount(currency, amount)
    except InvalidValue as error:
        raise typer.BadParameter(error.description, param_hint=option) from None
