"""The rejected lines of an import, as a file that can be corrected and imported."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from tools.transfer.files.csv_records import BrokenRecord
from tools.transfer.files.records import REJECT_COLUMNS, Problem


class RejectFile:
    """Writes rejected lines: their number, the fields and the reasons, then the fields as they stand.

    A line that is no record stands whole in ``reject_text``. There is no file until a line is rejected.
    """

    def __init__(self, path: Path, header: Sequence[str], delimiter: str) -> None:
        """Write to ``path``, for a file with that header and delimiter."""
        self.path = path
        self.count = 0
        self._places = [place for place, column in enumerate(header) if column not in REJECT_COLUMNS]
        self._columns = [*REJECT_COLUMNS, *(header[place] for place in self._places)]
        self._delimiter = delimiter
        self._file: TextIO | None = None

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._file is not None:
            self._file.close()

    def broken(self, record: BrokenRecord) -> None:
        """Add a line that is no record."""
        self._write([record.line, "", record.reason, record.text, *[""] * len(self._places)])

    def line(self, number: int, fields: Sequence[str], problems: Sequence[Problem]) -> None:
        """Add a record with what is wrong with it."""
        columns = ", ".join(dict.fromkeys(column for column, _ in problems))
        reasons = "; ".join(reason if len(problems) == 1 else f"{column} {reason}" for column, reason in problems)
        self._write([number, columns, reasons, "", *(fields[place] for place in self._places)])

    def _write(self, fields: Sequence[object]) -> None:
        if self._file is None:
            # What was not UTF-8 goes back to the bytes that it was.
            self._file = self.path.open("w", encoding="utf-8", errors="surrogateescape", newline="")
            self._rows = csv.writer(self._file, delimiter=self._delimiter)
            self._rows.writerow(self._columns)
        self._rows.writerow(fields)
        self.count += 1
