"""Bring payments and refunds in from CSV files: ``payments import payments.csv refunds.csv``.

A file is read in a stream, and loaded a batch at a time, each in one transaction, while the next one is read. So a run
that was stopped is finished by another: what is there already is seen to be so. A line that cannot be taken goes to a
reject file with its number, the field and the reason; all others are taken.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, tzinfo
from enum import IntEnum
from pathlib import Path
from typing import Annotated, BinaryIO
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pymysql
import typer

from server.config.settings import Settings, SettingsError
from server.storage.database.access import explain
from tools.database.connection import DatabaseConnectionError, connect, print_line
from tools.database.migration_files import MigrationError
from tools.database.migrations import check_migrated
from tools.database.stored_payments import TableNotEmpty, refuse_payments
from tools.database.tool_settings import load_tool_settings
from tools.progress import Meter, meter
from tools.transfer.batch_writer import BatchWriter, DatabaseBusy
from tools.transfer.csv_records import DELIMITERS, BrokenRecord, CsvError, Record, RecordReader
from tools.transfer.lines import BatchResult, Line, Outcome, TableLoader
from tools.transfer.payment_loader import PaymentLoader
from tools.transfer.records import (
    PAYMENT_COLUMNS,
    REFUND_COLUMNS,
    InvalidRecord,
    RecordForm,
    is_refunds,
    payment_form,
    refund_form,
)
from tools.transfer.refund_loader import RefundLoader
from tools.transfer.reject_file import RejectFile

DEFAULT_BATCH_ROWS = 5_000
MAX_BATCH_ROWS = 5_000
"""Larger ones gain nothing, and hold locks for longer."""

_MAX_BATCH_CHARACTERS = 1 << 20
"""Well under any ``max_allowed_packet``, even if every character is escaped and of four bytes."""

_STANDARD_INPUT = Path("-")


class ExitCode(IntEnum):
    """How a run ended."""

    LOADED = 0
    FAILED = 1
    SOME_REJECTED = 3
    INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How files are loaded. ``zone`` is that of times which name none; a ``delimiter`` of None is found.

    ``if_empty`` loads only into a database without payments.
    """

    delimiter: str | None = None
    batch_rows: int = DEFAULT_BATCH_ROWS
    zone: tzinfo = UTC
    overwrite: bool = False
    dry_run: bool = False
    if_empty: bool = False


@dataclass(slots=True)
class Report:
    """The outcome of a file: how many records it had, and how many had each outcome or were rejected."""

    read: int = 0
    counts: Counter[Outcome] = field(default_factory=Counter)
    overwritten: int = 0
    rejected: int = 0

    def sentence(self, name: str, *, overwrite: bool, dry_run: bool) -> str:
        """Return it for people."""
        counts = ", ".join(f"{self.counts[outcome]:,} {outcome}" for outcome in Outcome)
        verb = "would be: " if dry_run else ""
        end = "" if self.counts[Outcome.INSERTED] or self.counts[Outcome.UPDATED] else "; nothing changed"
        if overwrite:
            end += f"; --overwrite {'would change' if dry_run else 'changed'} {_payments(self.overwritten)}"
        return f"{name}: {self.read:,} lines: {verb}{counts}, {self.rejected:,} rejected{end}"


def _payments(count: int) -> str:
    return f"{count:,} {'payment' if count == 1 else 'payments'}"


def load_file(settings: Settings, file: BinaryIO, rejects: Path, options: LoadOptions, *, show: Meter) -> Report:
    """Load a file of payments or of refunds, whose header tells which, into the database.

    Lines that cannot be taken are written to ``rejects``, which there is only if there are any.

    Raises:
        CsvError: the file, or its header, is not what it should be; nothing was loaded.
        TableNotEmpty: there are payments, and ``options.if_empty``; nothing was loaded.
        MigrationError: the database is not migrated.
        DatabaseConnectionError: no connection; whole batches before it are loaded.
        DatabaseBusy: likewise, another session is in the way for too long.
        pymysql.err.MySQLError: likewise, the database fails in another way.
        OSError: the file cannot be read, or ``rejects`` not be written.
    """
    reader = RecordReader(file, (*PAYMENT_COLUMNS, *REFUND_COLUMNS), options.delimiter)
    refunds = is_refunds(reader.header)
    if refunds:
        form = refund_form(reader.header, options.zone)
    else:
        form = payment_form(reader.header, settings.default_currency, options.zone)
    report = Report()
    with closing(connect(settings, say=show.say)) as connection:
        check_migrated(connection)
        if options.if_empty:
            with connection.cursor() as cursor:
                refuse_payments(cursor)
    with ExitStack() as stack:
        writer = BatchWriter(settings, show.say, only_if_empty=options.if_empty)
        stack.callback(writer.close)
        loader: TableLoader
        if refunds:
            loader = RefundLoader(writer, dry_run=options.dry_run)
        else:
            loader = PaymentLoader(writer, form.columns, overwrite=options.overwrite, dry_run=options.dry_run)
        reject_file = stack.enter_context(RejectFile(rejects, reader.header, reader.delimiter))
        pipeline = stack.enter_context(_pipeline(loader))
        for lines in _batches(reader, form, reject_file, report, options.batch_rows):
            _count(report, reject_file, pipeline(lines))
            show.show(report.read, reader.bytes_read)
        _count(report, reject_file, pipeline(None))
        report.rejected = reject_file.count
    return report


def _batches(
    records: Iterable[Record | BrokenRecord], form: RecordForm, rejects: RejectFile, report: Report, batch_rows: int
) -> Iterator[list[Line]]:
    lines: list[Line] = []
    characters = 0
    for record in records:
        report.read += 1
        if isinstance(record, BrokenRecord):
            rejects.broken(record)
            continue
        try:
            row = form.row(record.fields)
        except InvalidRecord as error:
            rejects.line(record.line, record.fields, error.problems)
            continue
        lines.append(Line(record.line, record.fields, row))
        characters += sum(map(len, record.fields))
        if len(lines) >= batch_rows or characters > _MAX_BATCH_CHARACTERS:
            yield lines
            lines = []
            characters = 0
    if lines:
        yield lines


@contextmanager
def _pipeline(loader: TableLoader) -> Iterator[Callable[[Sequence[Line] | None], BatchResult]]:
    """Load each batch that is handed in while the next one is read; return what became of the one before.

    None, handed in last, waits for the last batch. At the end of the context a batch under way has ended too.
    """
    with ThreadPoolExecutor(1, "load") as thread:
        under_way: Future[BatchResult] | None = None

        def hand_in(lines: Sequence[Line] | None) -> BatchResult:
            nonlocal under_way
            prepared = None if lines is None else loader.prepare(lines)
            result = BatchResult() if under_way is None else under_way.result()
            under_way = None if lines is None else thread.submit(loader.load, lines, prepared)
            return result

        yield hand_in


def _count(report: Report, rejects: RejectFile, result: BatchResult) -> None:
    report.counts += result.counts
    report.overwritten += result.overwritten
    rejects.lines(result.rejects)
    report.rejected = rejects.count


def command(  # noqa: PLR0913 - the options of a command
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE", help="CSV files, payments before their refunds; - is standard input."),
    ],
    *,
    delimiter: Annotated[
        str | None,
        typer.Option(help="What separates fields, one character or 'tab'; found by the header if not given."),
    ] = None,
    batch_rows: Annotated[
        int, typer.Option(min=1, max=MAX_BATCH_ROWS, help="Rows in a transaction.")
    ] = DEFAULT_BATCH_ROWS,
    time_zone: Annotated[str, typer.Option(help="The zone of times without an offset, such as Asia/Kolkata.")] = "UTC",
    rejects: Annotated[
        Path | None, typer.Option(help="Where rejected lines go; FILE.rejects.csv if not given. For one file only.")
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Also change adopted and imported payments that were refunded since."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be done.")] = False,
    if_empty: Annotated[
        bool, typer.Option("--if-empty", help="Load nothing if there are payments already, live or archived.")
    ] = False,
) -> None:
    """Bring payments and refunds in from CSV files; a second run changes nothing.

    Payments that this service made are never changed. Of adopted and imported ones, method, status, time and refunds
    are updated; rows that disagree on the id, reference, order or amount of a payment are rejected.

    Exit codes: 0 all lines are loaded, 1 it could not be done, 2 wrong usage, 3 some lines were rejected.
    """
    if rejects is not None:
        _check_rejects(rejects, files)
    options = LoadOptions(_delimiter(delimiter), batch_rows, _zone(time_zone), overwrite, dry_run, if_empty)
    code = ExitCode.LOADED
    try:
        settings = load_tool_settings()
        for path in files:
            report = _load_path(settings, path, rejects, options)
            if report.rejected:
                code = ExitCode.SOME_REJECTED
            # The first file has filled the table, and the others belong to it.
            options = replace(options, if_empty=False)
    except TableNotEmpty as error:
        print_line(f"{path}: {error}")
    except (SettingsError, DatabaseConnectionError, MigrationError) as error:
        print(error, file=sys.stderr)
        code = ExitCode.FAILED
    except CsvError as error:
        print(f"{path}: {error}", file=sys.stderr)
        code = ExitCode.FAILED
    except OSError as error:
        print(f"{error.filename or path}: {error.strerror}", file=sys.stderr)
        code = ExitCode.FAILED
    except (DatabaseBusy, pymysql.err.MySQLError) as error:
        print(f"{path}: the database failed: {explain(error)}; run it again to go on", file=sys.stderr)
        code = ExitCode.FAILED
    except KeyboardInterrupt:
        print(f"{path}: stopped; whole batches are loaded: run it again to go on", file=sys.stderr)
        code = ExitCode.INTERRUPTED
    raise typer.Exit(code)


def _check_rejects(rejects: Path, files: Sequence[Path]) -> None:
    if len(files) > 1:
        raise typer.BadParameter("is for one file only", param_hint="--rejects")
    if rejects.exists() and files[0].exists() and rejects.samefile(files[0]):
        raise typer.BadParameter("must not be the file that is imported", param_hint="--rejects")


def _load_path(settings: Settings, path: Path, rejects: Path | None, options: LoadOptions) -> Report:
    is_standard_input = path == _STANDARD_INPUT
    name = "standard input" if is_standard_input else str(path)
    with ExitStack() as stack:
        file = sys.stdin.buffer if is_standard_input else stack.enter_context(path.open("rb"))
        size = path.stat().st_size if path.is_file() else None
        reject_path = rejects or Path("stdin.rejects.csv" if is_standard_input else f"{path}.rejects.csv")
        with meter(name, size) as show:
            report = load_file(settings, file, reject_path, options, show=show)
    print_line(report.sentence(name, overwrite=options.overwrite, dry_run=options.dry_run))
    if report.rejected:
        print_line(f"the rejected lines, with reasons: {reject_path}")
    return report


def _delimiter(text: str | None) -> str | None:
    if text is None or text in DELIMITERS:
        return text
    if text.lower() in {"tab", "\\t"}:
        return "\t"
    if len(text) != 1 or not text.isprintable() or text in {'"', " "} or text.isalnum():
        raise typer.BadParameter("must be one character such as ; or the word tab", param_hint="--delimiter")
    return text


def _zone(name: str) -> tzinfo:
    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        msg = "must be a name of the IANA time zone database, such as Asia/Kolkata"
        raise typer.BadParameter(msg, param_hint="--time-zone") from None


if __name__ == "__main__":
    typer.run(command)
