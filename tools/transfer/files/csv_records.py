"""Stream the records of a delimited text file, with line numbers, and recover from broken records.

Supports RFC 4180 and its common variants: comma, semicolon, tab or vertical bar, detected from the header; quoted
fields that contain line breaks; lines that end in LF or CRLF; UTF-8 with or without a byte order mark.
"""

import csv
import io
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from tools.errors import ToolError

DELIMITERS = (",", ";", "\t", "|")

_MAX_FIELD_LENGTH = 4096
"""In characters; longer than any column. It bounds how much an unclosed quote swallows."""

_MAX_LINE_LENGTH = 1 << 17
"""In characters. A longer line has a field that is too long or too many fields, so its rest can be skipped."""

_UTF_16_BYTE_ORDER_MARKS = ("\udcff\udcfe", "\udcfe\udcff")
"""Decoded as UTF-8 with surrogateescape."""


class CsvError(ToolError):
    """A file cannot be imported or exported."""


@dataclass(slots=True)
class Record:
    """The fields of a record, as many as in the header, and the number of its first line, counted from 1."""

    line: int
    fields: list[str]


@dataclass(frozen=True, slots=True)
class BrokenRecord:
    """A line that is not a valid record. ``text`` is the line, without its line end."""

    line: int
    text: str
    reason: str


class RecordReader:
    """Reads the header of a file and iterates over its records.

    Bytes that are not UTF-8 become lone surrogates (PEP 383), which are invalid in all fields.
    """

    def __init__(self, file: BinaryIO, columns: Collection[str], delimiter: str | None = None) -> None:
        """Read the header. If ``delimiter`` is None, it is detected by the names in ``columns``.

        Raises:
            CsvError: the file is empty or in UTF-16, or the delimiter cannot be detected.
        """
        csv.field_size_limit(_MAX_FIELD_LENGTH)
        self._file = file
        self._lines = _Lines(io.TextIOWrapper(file, "utf-8-sig", "surrogateescape", newline="\n"))
        header = next((line for line in self._lines if line.strip()), None)
        if header is None:
            raise CsvError("the file is empty; its first line must name the columns")
        if header.startswith(_UTF_16_BYTE_ORDER_MARKS):
            raise CsvError("the file is in UTF-16; it must be in UTF-8")
        self.delimiter = delimiter or _delimiter_of(header, columns)
        self.header = _names(header, self.delimiter)

    def __iter__(self) -> Iterator[Record | BrokenRecord]:
        """Yield the records in order; empty lines are skipped.

        A broken record of several lines is treated as one line with a stray quote, and the lines after it are read
        again.
        """
        lines = self._lines
        width = len(self.header)
        parser = csv.reader(lines, delimiter=self.delimiter, strict=True)
        while True:
            lines.start_record()
            line = lines.number + 1
            try:
                fields = next(parser, None)
            except csv.Error as error:
                yield BrokenRecord(line, lines.unread_all_but_first(), _reason(error))
                continue
            if fields is None:
                return
            if len(fields) == width:
                yield Record(line, fields)
            elif fields:
                reason = f"{len(fields)} fields; the header has {width}"
                yield BrokenRecord(line, lines.unread_all_but_first(), reason)

    @property
    def bytes_read(self) -> int:
        """The number of bytes read from the file, including read-ahead; 0 if it is not seekable, such as a pipe."""
        return self._file.tell() if self._file.seekable() else 0


class _Lines:
    """Iterates over the lines of a text and counts them; lines of the current record can be unread."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self._unread: deque[str] = deque()
        self._record: list[str] = []
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._unread.popleft() if self._unread else self._read()
        if not line:
            raise StopIteration
        self._record.append(line)
        self.number += 1
        return line

    def start_record(self) -> None:
        self._record.clear()

    def unread_all_but_first(self) -> str:
        """Return the first line of the current record, without its line end, and unread the other lines."""
        first, *others = self._record
        self._unread.extendleft(reversed(others))
        self.number -= len(others)
        return first.rstrip("\r\n")

    def _read(self) -> str:
        """Read a line, and skip the rest of it if it is too long; return an empty string at the end."""
        line = rest = self._text.readline(_MAX_LINE_LENGTH)
        while len(rest) == _MAX_LINE_LENGTH and not rest.endswith("\n"):
            rest = self._text.readline(_MAX_LINE_LENGTH)
        return line


def _delimiter_of(header: str, columns: Collection[str]) -> str:
    """Return the delimiter with which the header has the most known columns."""
    counts = {delimiter: len(set(columns).intersection(_names(header, delimiter))) for delimiter in DELIMITERS}
    best = max(DELIMITERS, key=counts.__getitem__)
    if not counts[best]:
        raise CsvError(f"the first line has no known column; it must have some of {', '.join(columns)}")
    return best


def _names(header: str, delimiter: str) -> list[str]:
    try:
        (fields,) = csv.reader([header], delimiter=delimiter, strict=True)
    except (csv.Error, ValueError):
        return []
    return [field.strip().lower() for field in fields]


def _reason(error: csv.Error) -> str:
    """Return the reason in words that do not depend on Python's version."""
    if "field limit" in str(error):
        return f"a field has more than {_MAX_FIELD_LENGTH:,} characters, or a quote is not closed"
    if "new-line" in str(error):
        return "the line contains a carriage return"
    return "invalid quotes: nothing may follow the closing quote of a field, and quotes inside it must be doubled"
