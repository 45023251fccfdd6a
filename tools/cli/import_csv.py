"""``payments import payments.csv refunds.csv`` imports payments and refunds from CSV files."""

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
from tools.cli.failures import MIGRATOR, report_failures
from tools.database.connection import print_line
from tools.database.empty_tables import TablesNotEmpty
from tools.database.settings import load_tool_settings
from tools.progress import show_progress
from tools.transfer.files.csv_records import DELIMITERS
from tools.transfer.files.errors import CsvError, DamagedFile
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
        typer.Argument(
            metavar="FILE",
            help="CSV files, optionally compressed with gzip, payments before their refunds; - for stdin.",
        ),
    ],
    *,
    delimiter: Annotated[
        str | None,
        typer.Option(help="Field delimiter: one character, or 'tab'. Detected from the header if not given."),
    ] = None,
    batch_rows: Annotated[
        int, typer.Option(min=1, max=MAX_BATCH_ROWS, help="Rows per transaction.")
    ] = DEFAULT_BATCH_ROWS,
    time_zone: Annotated[str, typer.Option(help="Time zone of times without an offset, such as Asia/Kolkata.")] = "UTC",
    rejects: Annotated[
        Path | None,
        typer.Option(help="File for rejected lines. Defaults to FILE.rejects.csv. Allowed with a single FILE only."),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Also update adopted and imported payments that have been refunded."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Report what an import would do, and change nothing.")
    ] = False,
    if_empty: Annotated[
        bool, typer.Option("--if-empty", help="Do nothing if the database already has payments, live or archived.")
    ] = False,
) -> None:
    """Import payments and refunds from CSV files. Importing a file again changes nothing.

    Payments made by this service never change. Adopted and imported payments get the method,
    requested method, status, time and refunded amount in the file; refunded ones only with
    --overwrite. Lines that disagree with a stored payment on its ID, reference, order, amount,
    currency, caller or request_id are rejected.

    Exit codes: 0 if all lines were imported, 1 if the import failed, 2 for incorrect usage, 3 if
    some lines were rejected.
    """
    if rejects is not None:
        _check_rejects(rejects, files)
    options = ImportOptions(
        _parse_delimiter(delimiter), batch_rows, _parse_time_zone(time_zone), overwrite, dry_run, if_empty
    )
    code = ExitCode.LOADED
    with report_failures("complete batches stay imported; run the command again to continue", account=MIGRATOR):
        settings = load_tool_settings()
        for path in files:
            try:
                report = _import(settings, path, rejects, options)
            except TablesNotEmpty as error:
                print_line(f"{path}: {error}")
                break
            if report.rejected:
                code = ExitCode.SOME_REJECTED
            # The first file filled the tables, so the check would reject the remaining files.
            options = replace(options, if_empty=False)
    raise typer.Exit(code)


def _check_rejects(rejects: Path, files: Sequence[Path]) -> None:
    if len(files) > 1:
        raise typer.BadParameter("is allowed with a single FILE only", param_hint="--rejects")
    if rejects.exists() and files[0].exists() and rejects.samefile(files[0]):
        raise typer.BadParameter("must not be the imported file", param_hint="--rejects")


def _import(settings: Settings, path: Path, rejects: Path | None, options: ImportOptions) -> Report:
    is_standard_input = path == _STANDARD_INPUT
    name = "standard input" if is_standard_input else str(path)
    reject_path = rejects or Path("stdin.rejects.csv" if is_standard_input else f"{path}.rejects.csv")
    with ExitStack() as stack:
        file = sys.stdin.buffer if is_standard_input else stack.enter_context(path.open("rb"))
        progress = stack.enter_context(show_progress(name, path.stat().st_size if path.is_file() else None))
        try:
            report = import_csv(settings, file, reject_path, options, progress=progress)
        except DamagedFile as error:
            raise CsvError(f"{name}: {error}; complete batches before the damage stay imported") from None
        except CsvError as error:
            raise CsvError(f"{name}: {error}") from None
    print_line(_summary(name, report, options))
    if report.rejected:
        print_line(f"for example, {report.example_reject}")
        print_line(f"rejected lines and their reasons: {reject_path}")
    return report


def _summary(name: str, report: Report, options: ImportOptions) -> str:
    counts = ", ".join(f"{report.counts[outcome]:,} {outcome}" for outcome in Outcome)
    dry_run = " (dry run)" if options.dry_run else ""
    end = "" if report.counts[Outcome.INSERTED] or report.counts[Outcome.UPDATED] else "; nothing changed"
    if options.overwrite:
        payments = f"{report.overwritten:,} {'payment' if report.overwritten == 1 else 'payments'}"
        end += f"; --overwrite {'would change' if options.dry_run else 'changed'} {payments}"
    return f"{name}{dry_run}: {report.read:,} lines: {counts}, {report.rejected:,} rejected{end}"


def _parse_delimiter(text: str | None) -> str | None:
    if text is None or text in DELIMITERS:
        return text
    if text.lower() in {"tab", "\\t"}:
        return "\t"
    if len(text) != 1 or not text.isprintable() or text in {'"', " "} or text.isalnum():
        raise typer.BadParameter("must be one character, such as ;, or the word tab", param_hint="--delimiter")
    return text


def _parse_time_zone(name: str) -> tzinfo:
    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        msg = "must be the name of a time zone in the IANA database, such as Asia/Kolkata"
        raise typer.BadParameter(msg, param_hint="--time-zone") from None
