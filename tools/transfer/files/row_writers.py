"""Writers of rows to CSV and Parquet files."""

import csv
import importlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any, Protocol, TextIO

from tools.transfer.files import spreadsheet
from tools.transfer.files.errors import CsvError

Fields = Sequence[str | None]
"""A row: the text of each column, or None."""

STANDARD_OUTPUT = Path("-")


class FileFormat(StrEnum):
    """The format of a file."""

    CSV = "csv"
    PARQUET = "parquet"


class RowWriter(Protocol):
    """Writes rows to a file."""

    def write(self, rows: Sequence[Fields]) -> None:
        """Write rows."""

    def close(self) -> None:
        """Write buffered rows."""


@contextmanager
def row_writer(
    path: Path, file_format: FileFormat, columns: Sequence[str], *, for_spreadsheets: bool = False
) -> Iterator[RowWriter]:
    """Write rows of ``columns`` to a file, which gets its name when all of them are written.

    ``STANDARD_OUTPUT`` is written to directly. ``for_spreadsheets`` makes CSV files safe to open in a spreadsheet.

    Raises:
        CsvError: Parquet was requested without pyarrow, or on standard output.
        OSError: the file cannot be written.
    """
    is_parquet = file_format is FileFormat.PARQUET
    csv_writer = _SpreadsheetCsv if for_spreadsheets else _Csv
    if path == STANDARD_OUTPUT:
        if is_parquet:
            raise CsvError("cannot write Parquet to standard output; name a file")
        sys.stdout.reconfigure(encoding="utf-8", newline="")  # type: ignore[union-attr]
        yield csv_writer(sys.stdout, columns)
        sys.stdout.flush()
        return
    with _replacement(path) as file:
        writer = _Parquet(file, columns) if is_parquet else csv_writer(_text(file), columns)
        yield writer
        writer.close()


@contextmanager
def _replacement(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file beside ``path``, which replaces it when the context ends without an error."""
    with NamedTemporaryFile("wb", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            Path(file.name).unlink()
            raise
    Path(file.name).replace(path)


def _text(file: IO[bytes]) -> TextIO:
    return open(file.fileno(), "w", encoding="utf-8", newline="", closefd=False)


class _Csv:
    """RFC 4180: lines end in CRLF, and fields are quoted if necessary. None is an empty field."""

    def __init__(self, file: TextIO, columns: Sequence[str]) -> None:
        self._file = file
        self._rows = csv.writer(file)
        self._rows.writerow(columns)

    def write(self, rows: Sequence[Fields]) -> None:
        self._rows.writerows(rows)

    def close(self) -> None:
        self._file.close()


class _SpreadsheetCsv(_Csv):
    """CSV for spreadsheets: with safe cells, and a byte order mark, without which Excel does not recognize UTF-8."""

    def __init__(self, file: TextIO, columns: Sequence[str]) -> None:
        file.write("\ufeff")
        super().__init__(file, spreadsheet.column_names(columns))
        self._columns = columns

    def write(self, rows: Sequence[Fields]) -> None:
        super().write([tuple(map(spreadsheet.cell, self._columns, row)) for row in rows])


_PARQUET_TYPES: Mapping[str, tuple[str, ...]] = {
    "int64": ("payment_id", "order_id", "refund_id"),
    "decimal": ("amount", "refunded_amount", "requested_amount"),
    "time": ("created_at", "forgotten_at"),
    "bool": ("refunded",),
}
"""All other columns are text."""


class _Parquet:
    """Apache Parquet: integers, decimals with four places, times in UTC to the microsecond, booleans and text."""

    def __init__(self, file: IO[bytes], columns: Sequence[str]) -> None:
        try:
            self._arrow: Any = importlib.import_module("pyarrow")
            self._compute: Any = importlib.import_module("pyarrow.compute")
            parquet: Any = importlib.import_module("pyarrow.parquet")
        except ImportError as error:
            raise CsvError("Parquet requires pyarrow: install the extra `parquet`") from error
        arrow = self._arrow
        types = {
            "int64": arrow.int64(),
            "decimal": arrow.decimal128(19, 4),
            "time": arrow.timestamp("us", tz="UTC"),
            "bool": arrow.bool_(),
        }
        type_of = {column: types[kind] for kind, names in _PARQUET_TYPES.items() for column in names}
        self._schema = arrow.schema([(column, type_of.get(column, arrow.string())) for column in columns])
        self._writer = parquet.ParquetWriter(file, self._schema, compression="zstd")

    def write(self, rows: Sequence[Fields]) -> None:
        columns = zip(*rows, strict=True)
        arrays = [self._array(column, field.type) for column, field in zip(columns, self._schema, strict=True)]
        self._writer.write_batch(self._arrow.record_batch(arrays, schema=self._schema))

    def close(self) -> None:
        self._writer.close()

    def _array(self, column: Fields, kind: Any) -> Any:  # noqa: ANN401 - pyarrow has no types
        text = self._arrow.array(column, self._arrow.string())
        if self._arrow.types.is_timestamp(kind):
            return self._compute.assume_timezone(text.cast(self._arrow.timestamp("us")), "UTC")
        return text.cast(kind)
