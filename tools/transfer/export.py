"""Export payments and refunds to files.

An export contains the payments that a list with the same filter returns, and their refunds. Both are streamed from one
snapshot. Importing both files into an empty database produces equal tables.
"""

from collections.abc import Iterator
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
                for rows in _chunks(connection, query, columns.index("created_at")):
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


def _chunks(connection: DatabaseConnection, query: listing.Query, time_column: int) -> Iterator[list[Fields]]:
    with connection.cursor(SSCursor) as cursor:
        cursor.execute(query.text, query.values or None)
        while rows := cursor.fetchmany(_CHUNK_ROWS):
            yield [_without_zero_fraction(row, time_column) for row in rows]


def _without_zero_fraction(row: tuple[str | None, ...], time_column: int) -> Fields:
    """Return the row with the fraction removed from a time in whole seconds, as in legacy files."""
    time = row[time_column]
    if time is None or not time.endswith(".000000"):
        return row
    return (*row[:time_column], time[:-7], *row[time_column + 1 :])


def format_of(path: Path) -> FileFormat:
    """Return the format that the name of a file selects."""
    return FileFormat.PARQUET if path.suffix.lower() == ".parquet" else FileFormat.CSV
