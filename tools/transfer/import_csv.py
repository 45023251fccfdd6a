"""Import payments and refunds from CSV files.

A file is streamed and loaded in batches. Each batch is loaded in one transaction while the next one is read. A second
run completes one that was stopped, because it recognizes the stored rows. Rejected rows are written to a reject file
with their line number, field and reason. All others are loaded.
"""

from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from pathlib import Path
from typing import BinaryIO

from server.config.settings import Settings
from tools.database.empty_tables import require_empty_tables
from tools.database.migration_records import open_migrated
from tools.progress import ProgressDisplay
from tools.transfer.files.csv_records import BrokenRecord, Record, RecordReader
from tools.transfer.files.records import (
    PAYMENT_COLUMNS,
    REFUND_COLUMNS,
    InvalidRecord,
    RecordConverter,
    is_refunds,
    payment_converter,
    refund_converter,
)
from tools.transfer.files.reject_file import RejectFile
from tools.transfer.tables.batches import BatchResult, Line, Outcome, TableLoader
from tools.transfer.tables.payment_loader import PaymentLoader
from tools.transfer.tables.refund_loader import RefundLoader
from tools.transfer.tables.transactions import RetryingTransactions

DEFAULT_BATCH_ROWS = 5_000
MAX_BATCH_ROWS = 5_000
"""Larger batches are no faster, and hold locks for longer."""

_MAX_BATCH_CHARACTERS = 1 << 20
"""Well below any ``max_allowed_packet``, even if every character is escaped and takes four bytes."""


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How to import files.

    If ``delimiter`` is None, it is detected from the header. Times without an offset are in ``zone``. ``if_empty``
    imports only into a database without payments.
    """

    delimiter: str | None = None
    batch_rows: int = DEFAULT_BATCH_ROWS
    zone: tzinfo = UTC
    overwrite: bool = False
    dry_run: bool = False
    if_empty: bool = False


@dataclass(slots=True)
class Report:
    """The number of records in a file, and how many of them had each outcome, were overwritten or rejected.

    ``example_reject`` describes one of the rejected records.
    """

    read: int = 0
    counts: Counter[Outcome] = field(default_factory=Counter)
    overwritten: int = 0
    rejected: int = 0
    example_reject: str = ""


def import_csv(
    settings: Settings, file: BinaryIO, rejects: Path, options: ImportOptions, *, progress: ProgressDisplay
) -> Report:
    """Import a file of payments or of refunds, depending on its header.

    Rejected lines are written to ``rejects``, which is created only if there are any. If DatabaseConnectionError,
    DatabaseBusy, MySQLError, OSError or DamagedFile is raised, the batches before it have been loaded. After any other
    error, nothing has been loaded.

    Raises:
        DamagedFile: the rest of the file cannot be read.
        CsvError: the file or its header is invalid.
        TablesNotEmpty: ``options.if_empty`` is set, and the database has payments.
        SchemaOutdated: the database is not migrated.
    """
    reader = RecordReader(file, (*PAYMENT_COLUMNS, *REFUND_COLUMNS), options.delimiter)
    if has_refunds := is_refunds(reader.header):
        converter = refund_converter(reader.header, options.zone)
    else:
        converter = payment_converter(reader.header, settings.default_currency, options.zone)
    with open_migrated(settings, report=progress.print_line) as connection, connection.cursor() as cursor:
        if options.if_empty:
            require_empty_tables(cursor)
    report = Report()
    with (
        closing(RetryingTransactions(settings, progress.print_line, only_if_empty=options.if_empty)) as transactions,
        closing(RejectFile(rejects, reader.header, reader.delimiter)) as reject_file,
    ):
        loader: TableLoader
        if has_refunds:
            loader = RefundLoader(transactions, dry_run=options.dry_run)
        else:
            loader = PaymentLoader(
                transactions, converter.columns, overwrite=options.overwrite, dry_run=options.dry_run
            )
        batches = _batches(reader, converter, reject_file, report, options.batch_rows)
        # Close the generator first, even after an interrupt, because that waits for the batch in progress.
        with closing(_load(batches, loader)) as results:
            for result in results:
                report.counts += result.counts
                report.overwritten += result.overwritten
                for line, problems in result.rejects:
                    reject_file.add(line.number, line.fields, problems)
                progress.update(report.read, reader.bytes_read)
        report.rejected = reject_file.count
        report.example_reject = reject_file.example
    return report


def _load(batches: Iterable[list[Line]], loader: TableLoader) -> Generator[BatchResult, None, None]:
    """Load each batch while the next one is read; yield the results in order."""
    with ThreadPoolExecutor(1, "load") as thread:
        loading: Future[BatchResult] | None = None
        for lines in batches:
            prepared = loader.prepare(lines)
            if loading is not None:
                yield loading.result()
            loading = thread.submit(loader.load, lines, prepared)
        if loading is not None:
            yield loading.result()


def _batches(
    records: Iterable[Record | BrokenRecord],
    converter: RecordConverter,
    rejects: RejectFile,
    report: Report,
    batch_rows: int,
) -> Iterator[list[Line]]:
    lines: list[Line] = []
    characters = 0
    for record in records:
        report.read += 1
        if isinstance(record, BrokenRecord):
            rejects.add_broken(record)
            continue
        try:
            row = converter.convert(record.fields)
        except InvalidRecord as error:
            rejects.add(record.line, record.fields, error.problems)
            continue
        lines.append(Line(record.line, record.fields, row))
        characters += sum(map(len, record.fields))
        if len(lines) >= batch_rows or characters > _MAX_BATCH_CHARACTERS:
            yield lines
            lines = []
            characters = 0
    if lines:
        yield lines
