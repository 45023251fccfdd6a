"""``payments import payments.csv refunds.csv`` loads CSV files of payments and refunds."""

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, tzinfo
from enum import IntEnum
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from server.config.settings import Settings
from tools.cli.failures import failures_reported
from tools.database.connection import print_line
from tools.database.empty_tables import TablesNotEmpty
from tools.database.settings import load_tool_settings
from tools.progress import meter
from tools.transfer.files.csv_records import DELIMITERS, CsvError
from tools.transfer.import_csv import DEFAULT_BATCH_ROWS, MAX_BATCH_ROWS, ImportOptions, Report, import_csv
from tools.transfer.tables.batches import Outcome

_STANDARD_INPUT = Path("-")


class ExitCode(IntEnum):
    """The exit codes of a completed import."""

    LOADED = 0
    SOME_REJECTED = 3


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
    options = ImportOptions(_delimiter(delimiter), batch_rows, _zone(time_zone), overwrite, dry_run, if_empty)
    code = ExitCode.LOADED
    with failures_reported("whole batches are loaded: run it again to go on"):
        settings = load_tool_settings()
        for path in files:
            try:
                report = _import(settings, path, rejects, options)
            except TablesNotEmpty as error:
                print_line(f"{path}: {error}")
                break
            if report.rejected:
                code = ExitCode.SOME_REJECTED
            # The first file has filled the table, and the others belong to it.
            options = replace(options, if_empty=False)
    raise typer.Exit(code)


def _check_rejects(rejects: Path, files: Sequence[Path]) -> None:
    if len(files) > 1:
        raise typer.BadParameter("is for one file only", param_hint="--rejects")
    if rejects.exists() and files[0].exists() and rejects.samefile(files[0]):
        raise typer.BadParameter("must not be the file that is imported", param_hint="--rejects")


def _import(settings: Settings, path: Path, rejects: Path | None, options: ImportOptions) -> Report:
    is_standard_input = path == _STANDARD_INPUT
    name = "standard input" if is_standard_input else str(path)
    reject_path = rejects or Path("stdin.rejects.csv" if is_standard_input else f"{path}.rejects.csv")
    with ExitStack() as stack:
        file = sys.stdin.buffer if is_standard_input else stack.enter_context(path.open("rb"))
        show = stack.enter_context(meter(name, path.stat().st_size if path.is_file() else None))
        try:
            report = import_csv(settings, file, reject_path, options, show=show)
        except CsvError as error:
            raise CsvError(f"{name}: {error}") from None
    print_line(_sentence(name, report, options))
    if report.rejected:
        print_line(f"the rejected lines, with reasons: {reject_path}")
    return report


def _sentence(name: str, report: Report, options: ImportOptions) -> str:
    counts = ", ".join(f"{report.counts[outcome]:,} {outcome}" for outcome in Outcome)
    verb = "would be: " if options.dry_run else ""
    end = "" if report.counts[Outcome.INSERTED] or report.counts[Outcome.UPDATED] else "; nothing changed"
    if options.overwrite:
        payments = f"{report.overwritten:,} {'payment' if report.overwritten == 1 else 'payments'}"
        end += f"; --overwrite {'would change' if options.dry_run else 'changed'} {payments}"
    return f"{name}: {report.read:,} lines: {verb}{counts}, {report.rejected:,} rejected{end}"


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
