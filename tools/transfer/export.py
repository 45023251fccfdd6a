"""Export payments and refunds to files.

The payments are those that a list with the same filter shows, with their refunds. Both are read as streams in one
snapshot. An import of both files into an empty database gives equal tables.
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
from tools.progress import Meter
from tools.transfer.files.records import PAYMENT_COLUMNS, REFUND_COLUMNS
from tools.transfer.files.row_writers import Fields, FileFormat, row_writer

_CHUNK_ROWS = 10_000
_WRITE_TIMEOUT_SECONDS = 3_600
"""How long the server waits for a reader that pauses, such as a full pipe; its default of 60 s is short for that."""


def export(  # noqa: PLR0913 - all but three are named
    settings: DatabaseSettings,
    payment_filter: PaymentFilter,
    payments: Path | None,
    *,
    refunds: Path | None = None,
    file_format: FileFormat | None = None,
    show: Meter,
) -> tuple[int, int]:
    """Write the matching payments and their refunds to files, and return how many there are of each.

    A path of None leaves the file out. Without a format, a name that ends in ``.parquet`` means Parquet. When this
    raises, there are no new files.

    Raises:
        CsvError: Parquet is asked for without pyarrow, or on standard output.
        SchemaOutdated: the database is not migrated.
    """
    counts: list[int] = []
    with ExitStack() as stack:
        connection = stack.enter_context(open_migrated(settings, say=show.say, limit_idle_transactions=False))
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
    """Return the row with a time of whole seconds written without a fraction, as in legacy files."""
    time = row[place]
    if time is None or not time.endswith(".000000"):
        return row
    return (*row[:place], time[:-7], *row[place + 1 :])


def _format_of(path: Path) -> FileFormat:
    return FileFormat.PARQUET if path.suffix.lower() == ".parquet" else FileFormat.CSV
