"""A file of rejected lines, which can be corrected and imported."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from tools.transfer.files.csv_records import DELIMITERS, BrokenRecord
from tools.transfer.files.records import REJECT_COLUMNS, Problem


class RejectFile:
    """Writes rejected lines: the line number, the invalid fields and the reasons, then all fields unchanged.

    A line that is not a valid record is written whole to ``reject_text``. The file is created when the first line is
    rejected. ``example`` describes that line.
    """

    def __init__(self, path: Path, header: Sequence[str], delimiter: str) -> None:
        """Write to ``path``, with the header and delimiter of the imported file."""
        self.path = path
        self.count = 0
        self.example = ""
        self._places = [place for place, column in enumerate(header) if column not in REJECT_COLUMNS]
        self._columns = [*REJECT_COLUMNS, *(header[place] for place in self._places)]
        self._delimiter = delimiter
        self._file: TextIO | None = None

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._file is not None:
            self._file.close()

    def add_broken(self, record: BrokenRecord) -> None:
        """Add a line that is not a valid record."""
        self._write(record.line, "", record.reason, [record.text, *[""] * len(self._places)])

    def add(self, number: int, fields: Sequence[str], problems: Sequence[Problem]) -> None:
        """Add a record with its problems."""
        columns = ", ".join(dict.fromkeys(column for column, _ in problems))
        reasons = "; ".join(reason if len(problems) == 1 else f"{column} {reason}" for column, reason in problems)
        self._write(number, columns, reasons, ["", *(fields[place] for place in self._places)])

    def _write(self, number: int, columns: str, reasons: str, fields: Sequence[str]) -> None:
        if self._file is None:
            # surrogateescape writes bytes that are not UTF-8 unchanged.
            self._file = self.path.open("w", encoding="utf-8", errors="surrogateescape", newline="")
            if self._delimiter not in DELIMITERS:
                self._file.write(f"sep={self._delimiter}\r\n")
            self._rows = csv.writer(self._file, delimiter=self._delimiter)
            self._rows.writerow(self._columns)
            where = f"line {number}, {columns}" if columns else f"line {number}"
            self.example = f"{where}: {reasons}"
        self._rows.writerow([number, columns, reasons, *fields])
        self.count += 1
