"""Bring payments and refunds out: ``payments export payments.csv --refunds refunds.csv``.

The payments are those that a list with the same filter shows, the refunds are theirs, and both are of one moment: they
are read in one snapshot, in a stream. ``payments import`` of both files into an empty database gives equal tables.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import pymysql
import typer
from pymysql.cursors import SSCursor

from server.config.settings import Settings, SettingsError
from server.domain.errors import InvalidValue
from server.domain.listing import PaymentFilter
from server.domain.money import Money
from server.domain.payment import PaymentMethod, RefundState, Status
from server.storage.database.access import explain
from server.storage.payments import listing
from tools.cli import options
from tools.database.connection import DatabaseConnection, DatabaseConnectionError, connect
from tools.database.migration_files import MigrationError
from tools.database.migrations import check_migrated
from tools.database.tool_settings import load_tool_settings
from tools.progress import Meter, meter
from tools.transfer.csv_records import CsvError
from tools.transfer.records import PAYMENT_COLUMNS, REFUND_COLUMNS
from tools.transfer.table_files import STANDARD_OUTPUT, Fields, FileFormat, row_writer

_CHUNK_ROWS = 10_000
_WRITE_TIMEOUT_SECONDS = 3_600
"""How long the server waits for a reader that pauses, such as a full pipe; its default of 60 s is short for that."""


def export(  # noqa: PLR0913 - all but three are named
    settings: Settings,
    payment_filter: PaymentFilter,
    payments: Path | None,
    *,
    refunds: Path | None = None,
    file_format: FileFormat | None = None,
    show: Meter,
) -> tuple[int, int]:
    """Write the payments that match, and their refunds, to files; return how many of each.

    A path of None leaves the file out. Without a format, a name that ends in ``.parquet`` has it.

    Raises:
        CsvError: Parquet is asked for without pyarrow, or on standard output.
        MigrationError: the database is not migrated.
        DatabaseConnectionError: no connection.
        pymysql.err.MySQLError: the database failed; there are no new files.
        OSError: a file cannot be written; likewise.
    """
    counts: list[int] = []
    with ExitStack() as stack:
        connection = stack.enter_context(closing(connect(settings, say=show.say, limit_idle_transactions=False)))
        check_migrated(connection)
        _begin_snapshot(connection)
        for path, columns, query in (
            (payments, PAYMENT_COLUMNS, listing.export_payments(payment_filter)),
            (refunds, REFUND_COLUMNS, listing.export_refunds(payment_filter)),
        ):
            count = 0
            if path is not None:
                # Both files are put in place at the end, when both are whole.
                writer = stack.enter_context(row_writer(path, file_format or _format_of(path), columns))
                for rows in _chunks(connection, query, columns.index("created_at")):
                    writer.write(rows)
                    count += len(rows)
                    show.show(sum(counts) + count, 0)
            counts.append(count)
    return counts[0], counts[1]


def _begin_snapshot(connection: DatabaseConnection) -> None:
    connection.decoders = {}  # values stay the text that they are sent as
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION net_write_timeout = %s", (_WRITE_TIMEOUT_SECONDS,))
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")


def _chunks(connection: DatabaseConnection, query: listing.Query, time_place: int) -> Iterator[list[Fields]]:
    with connection.cursor(SSCursor) as cursor:
        cursor.execute(query.text, query.values or None)
        while rows := cursor.fetchmany(_CHUNK_ROWS):
            yield [_whole_seconds(row, time_place) for row in rows]


def _whole_seconds(row: tuple[str | None, ...], place: int) -> Fields:
    """Return the row with a time of whole seconds written without a fraction, as the files of old have it."""
    time = row[place]
    if time is None or not time.endswith(".000000"):
        return row
    return (*row[:place], time[:-7], *row[place + 1 :])


def _format_of(path: Path) -> FileFormat:
    return FileFormat.PARQUET if path.suffix.lower() == ".parquet" else FileFormat.CSV


def command(  # noqa: PLR0913 - the options of a command
    payments: Annotated[
        Path | None, typer.Argument(help="Where payments go; - is standard output, *.parquet is Parquet.")
    ] = None,
    *,
    refunds: Annotated[Path | None, typer.Option(help="Where the refunds of these payments go, likewise.")] = None,
    file_format: Annotated[
        FileFormat | None, typer.Option("--format", help="What the files are, whatever their names say.")
    ] = None,
    order_id: Annotated[int | None, typer.Option(help="Payments of this order.")] = None,
    method: Annotated[list[PaymentMethod] | None, typer.Option(case_sensitive=False, help="May be repeated.")] = None,
    status: Annotated[list[Status] | None, typer.Option(case_sensitive=False, help="May be repeated.")] = None,
    refund_state: Annotated[
        list[RefundState] | None, typer.Option(case_sensitive=False, help="May be repeated.")
    ] = None,
    reference: Annotated[str | None, typer.Option(help="The payment with this reference.")] = None,
    min_amount: Annotated[str | None, typer.Option(metavar="DECIMAL", help="At least this, such as 561.00.")] = None,
    max_amount: Annotated[str | None, typer.Option(metavar="DECIMAL", help="At most this.")] = None,
    currency: Annotated[str | None, typer.Option(help="Of the amount bounds; DEFAULT_CURRENCY if not given.")] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="From this time on, in UTC: 2025-02-07, 2025-02-07T05:28:54Z, or 7d ago."),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Up to and including this time, in UTC; a date includes that whole day."),
    ] = None,
) -> None:
    """Bring payments and refunds out, as CSV or Parquet, all of one moment."""
    if payments is None and refunds is None:
        raise typer.BadParameter("name a file for the payments, or one for the refunds with --refunds")
    if payments == refunds:
        raise typer.BadParameter("must be another file than that of the payments", param_hint="--refunds")
    try:
        settings = load_tool_settings()
        now = datetime.now(UTC)
        bounds_currency = currency or settings.default_currency
        payment_filter = PaymentFilter(
            order_id=order_id,
            methods=frozenset(method or ()),
            statuses=frozenset(status or ()),
            refund_states=frozenset(refund_state or ()),
            reference=reference,
            min_amount=_money("--min-amount", bounds_currency, min_amount),
            max_amount=_money("--max-amount", bounds_currency, max_amount),
            min_create_time=options.time("--since", since, now),
            max_create_time=options.last_time("--until", until, now),
        )
        with meter("export", None) as show:
            counts = export(settings, payment_filter, payments, refunds=refunds, file_format=file_format, show=show)
    except InvalidValue as error:
        raise typer.BadParameter(f"{error.part} {error.description}") from None
    except (SettingsError, DatabaseConnectionError, MigrationError, CsvError) as error:
        sys.exit(str(error))
    except BrokenPipeError:
        sys.exit("standard output was closed before the end")
    except OSError as error:
        sys.exit(f"{error.filename or 'standard output'}: {error.strerror}")
    except pymysql.err.MySQLError as error:
        sys.exit(f"the database failed: {explain(error)}; no file was written")
    except KeyboardInterrupt:
        print("stopped; no file was written", file=sys.stderr)
        raise typer.Exit(130) from None
    print(_summary(payments, refunds, counts), file=sys.stderr)


def _summary(payments: Path | None, refunds: Path | None, counts: Sequence[int]) -> str:
    return "\n".join(
        f"{'standard output' if path == STANDARD_OUTPUT else path}: {count:,} {kind}"
        for path, count, kind in ((payments, counts[0], "payments"), (refunds, counts[1], "refunds"))
        if path is not None
    )


def _money(option: str, currency: str, text: str | None) -> Money | None:
    if text is None:
        return None
    amount = options.amount(option, text)
    try:
        return Money.from_amount(currency, amount)
    except InvalidValue as error:
        raise typer.BadParameter(error.description, param_hint=option) from None


if __name__ == "__main__":
    typer.run(command)
