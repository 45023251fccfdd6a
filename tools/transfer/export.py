"""Export payments and refunds to files.

An export contains the payments that a list with the same filter returns, and their refunds. Both are streamed from one
snapshot. Importing both files into an empty database produces equal tables.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from pymysql.cursors import SSCursor

from server.config.database import DatabaseSettings
from server.domain.listing import PaymentFilter
from server.storage.payments import listing
from tools.database.connection import DatabaseConnection
from tools.database.migration_records import open_migrated
from tools.progress import ProgressDisplay
from tools.transfer.files.records import PAYMENT_COLUMNS, REFUND_COLUMNS
from tools.transfer.files.row_writers import Fields, FileFormat, row_writer

_CHUNK_ROWS = 10_000
_WRITE_TIMEOUT_SECONDS = 3_600
"""How long the server waits for a slow reader, such as a full pipe. Its default of 60 s is too short for that."""


def export(  # noqa: PLR0913 - all but three are named
    settings: DatabaseSettings,
    payment_filter: PaymentFilter,
    payments: Path | None,
    *,
    refunds: Path | None = None,
    file_format: FileFormat | None = None,
    for_spreadsheets: bool = False,
    progress: ProgressDisplay,
) -> tuple[int, int]:
    """Write the matching payments and their refunds to files, and return the number of each.

    A file whose path is None is not written. Without ``file_format``, names that end in ``.parquet`` select Parquet.
    ``for_spreadsheets`` makes CSV files safe to open in a spreadsheet; they cannot be imported. If this raises, no
    files are created.

    Raises:
        CsvError: Parquet was requested without pyarrow, or on standard output.
        SchemaOutdated: the database is not migrated.
    """
    counts: list[int] = []
    with ExitStack() as stack:
        connection = stack.enter_context(
            open_migrated(settings, report=progress.print_line, limit_idle_transactions=False)
        )
        _begin_snapshot(connection)
        for path, columns, query in (
            (payments, PAYMENT_COLUMNS, listing.export_payments(payment_filter)),
            (refunds, REFUND_COLUMNS, listing.export_refunds(payment_filter)),
        ):
            count = 0
            if path is not None:
                # The files get their names when the stack closes, after both are complete.
                writer = stack.enter_context(
                    row_writer(path, file_format or format_of(path), columns, for_spreadsheets=for_spreadsheets)
                )
                for rows in _chunks(connection, query, columns):
                    writer.write(rows)
                    count += len(rows)
                    progress.update(sum(counts) + count, 0)
            counts.append(count)
    return counts[0], counts[1]


def _begin_snapshot(connection: DatabaseConnection) -> None:
    connection.decoders = {}  # leave values as the text that the server sends
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION net_write_timeout = %s", (_WRITE_TIMEOUT_SECONDS,))
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")


def _chunks(connection: DatabaseConnection, query: listing.Query, columns: Sequence[str]) -> Iterator[list[Fields]]:
    shortened = [
        (columns.index(column), shorten) for column, shorten in _SHORTENED_COLUMNS.items() if column in columns
    ]
    with connection.cursor(SSCursor) as cursor:
        cursor.execute(query.text, query.values or None)
        while rows := cursor.fetchmany(_CHUNK_ROWS):
            yield [_shorten(row, shortened) for row in rows]


def _shorten(row: Sequence[str | None], shortened: Sequence[tuple[int, Callable[[str], str]]]) -> Fields:
    """Return the row with its amounts and times as in legacy files."""
    fields = list(row)
    for place, shorten in shortened:
        text = fields[place]
        if text is not None:
            fields[place] = shorten(text)
    return fields


def _amount(text: str) -> str:
    """Return an amount, which has four decimals, with two, or with more if they are not zero."""
    return text[:-2] if text.endswith("00") else text.removesuffix("0")


def _time(text: str) -> str:
    """Return a time without its fraction if that is zero."""
    return text.removesuffix(".000000")


_SHORTENED_COLUMNS = {
    "amount": _amount,
    "refunded_amount": _amount,
    "requested_amount": _amount,
    "created_at": _time,
    "forgotten_at": _time,
}


def format_of(path: Path) -> FileFormat:
    """Return the format that the name of a file selects."""
    return FileFormat.PARQUET if path.suffix.lower() == ".parquet" else FileFormat.CSV
