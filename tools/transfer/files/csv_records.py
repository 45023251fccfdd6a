"""Stream the records of a delimited text file, with line numbers, and recover from broken records.

Supports RFC 4180 and its variants that spreadsheets write: comma, semicolon, tab or vertical bar, detected from the
header, or any other delimiter that a first line such as ``sep=:`` names; quoted fields that contain line breaks; empty
columns after the last one, and rows of delimiters only. ``csv_text`` has the encodings and line ends.
"""

import csv
import re
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, TextIO

from tools.transfer.files.csv_text import READ_ERRORS, damaged_file, open_text
from tools.transfer.files.errors import CsvError

DELIMITERS = (",", ";", "\t", "|")

_MAX_FIELD_LENGTH = 4096
"""In characters; longer than any column. It bounds how much an unclosed quote swallows."""

_MAX_LINE_LENGTH = 1 << 17
"""In characters. A longer line has a field that is too long or too many fields, so its rest can be skipped."""

_FILLER = ' \t\r\n"' + "".join(DELIMITERS)
"""The characters of a line without text."""

_SEPARATOR_LINE = re.compile(r'"?sep=([^\s"]|\t)?', re.IGNORECASE)
"""A first line that tells Excel the delimiter."""


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
            CsvError: the file is empty or not CSV, or the delimiter cannot be detected.
        """
        csv.field_size_limit(_MAX_FIELD_LENGTH)
        self._file = file
        self._lines = _Lines(open_text(file))
        candidates: tuple[str, ...] = DELIMITERS
        header = self._lines.next_with_text()
        if separator := _SEPARATOR_LINE.match(header):
            candidates = (*DELIMITERS, separator[1] or ",")
            header = self._lines.next_with_text()
        if not header:
            raise CsvError("the file is empty; its first line must name the columns")
        self.delimiter = delimiter or _delimiter_of(header, columns, candidates)
        self.header = _names(header, self.delimiter)

    def __iter__(self) -> Iterator[Record | BrokenRecord]:
        """Yield the records in order; lines without text are skipped.

        A broken record of several lines is treated as one line with a stray quote, and the lines after it are read
        again.

        Raises:
            DamagedFile: the rest of the file cannot be read.
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
            # Most records have text in the first field, which is faster to check.
            if len(fields) == width and (fields[0].strip() or not _is_blank(fields)):
                yield Record(line, fields)
            elif _is_blank(fields):
                continue
            elif len(fields) > width and _is_blank(fields[width:]):
                yield Record(line, fields[:width])
            else:
                reason = f"{len(fields)} fields; the header has {width}"
                if len(fields) > width:
                    reason += ": quote fields that contain the delimiter"
                yield BrokenRecord(line, lines.unread_all_but_first(), reason)

    @property
    def bytes_read(self) -> int:
        """The number of bytes read from the file, including read-ahead; 0 if it is not seekable, such as a pipe."""
        return self._file.tell() if self._file.seekable() else 0


class _Lines:
    """Iterates over the lines of a text and counts them; lines of the current record can be unread."""

    def __init__(self, text: TextIO) -> None:
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

    def next_with_text(self) -> str:
        """Return the next line that contains more than delimiters; an empty string at the end."""
        return next((line for line in self if line.strip(_FILLER)), "")

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
        try:
            line = rest = self._text.readline(_MAX_LINE_LENGTH)
            while len(rest) == _MAX_LINE_LENGTH and not rest.endswith(("\n", "\r")):
                rest = self._text.readline(_MAX_LINE_LENGTH)
        except READ_ERRORS as error:
            raise damaged_file(error) from None
        return line


def _delimiter_of(header: str, columns: Collection[str], candidates: Sequence[str]) -> str:
    """Return the delimiter with which the header has the most known columns."""
    counts = {delimiter: len(set(columns).intersection(_names(header, delimiter))) for delimiter in candidates}
    best = max(candidates, key=counts.__getitem__)
    if not counts[best]:
        raise CsvError(f"the first line has no known column; it must have some of {', '.join(columns)}")
    return best


def _names(header: str, delimiter: str) -> list[str]:
    """Return the names of the columns, in lowercase and with ``_`` for spaces, up to the last one with a name."""
    try:
        (fields,) = csv.reader([header], delimiter=delimiter, strict=True)
    except (csv.Error, ValueError):
        return []
    while fields and not fields[-1].strip():
        fields.pop()
    return ["_".join(field.lower().split()) for field in fields]


def _is_blank(fields: Sequence[str]) -> bool:
    return not any(map(str.strip, fields))


def _reason(error: csv.Error) -> str:
    """Return the reason in words that do not depend on Python's version."""
    if "field limit" in str(error):
        return f"a field has more than {_MAX_FIELD_LENGTH:,} characters, or a quote is not closed"
    if "new-line" in str(error):
        return "the line contains a carriage return"
    return "invalid quotes: nothing may follow the closing quote of a field, and quotes inside it must be doubled"
