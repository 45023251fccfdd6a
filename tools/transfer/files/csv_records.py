"""Records of a delimited text file, read as a stream, with their line numbers and recovery from broken ones.

RFC 4180 and its usual variants: comma, semicolon, tab or bar, found by the header; quoted fields, which may hold line
breaks; lines that end in LF or CRLF; UTF-8, with or without a byte order mark.
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
"""Characters; no column holds as many. A quote that is never closed swallows no more than this."""

_MAX_LINE_LENGTH = 1 << 17
"""Characters; a longer line has a field that is too long, or too many fields, so that its rest need not be kept."""

_BYTE_ORDER_MARKS_OF_UTF_16 = ("\udcff\udcfe", "\udcfe\udcff")
"""As the undecodable bytes that they are in UTF-8."""


class CsvError(ToolError):
    """The file is not a CSV of payments or refunds."""


@dataclass(slots=True)
class Record:
    """The fields of a record that has as many as the header, and the number of its first line, counted from 1."""

    line: int
    fields: list[str]


@dataclass(frozen=True, slots=True)
class BrokenRecord:
    """A line that is no record. ``text`` is the line as it stands, without its end."""

    line: int
    text: str
    reason: str


class RecordReader:
    """The records of a file, after its header.

    Bytes that are not UTF-8 come as lone surrogates (PEP 383), which no text that is kept may have.
    """

    def __init__(self, file: BinaryIO, columns: Collection[str], delimiter: str | None = None) -> None:
        """Read the header. ``columns`` are the names to find the delimiter by, where ``delimiter`` is None.

        Raises:
            CsvError: the file is empty or in UTF-16, or the delimiter cannot be told.
        """
        csv.field_size_limit(_MAX_FIELD_LENGTH)
        self._file = file
        self._lines = _Lines(io.TextIOWrapper(file, "utf-8-sig", "surrogateescape", newline="\n"))
        header = next((line for line in self._lines if line.strip()), None)
        if header is None:
            raise CsvError("the file is empty; its first line must name the columns")
        if header.startswith(_BYTE_ORDER_MARKS_OF_UTF_16):
            raise CsvError("the file is in UTF-16; it must be in UTF-8")
        self.delimiter = delimiter or _delimiter_of(header, columns)
        self.header = _names(header, self.delimiter)

    def __iter__(self) -> Iterator[Record | BrokenRecord]:
        """Return the records in their order; empty lines are none.

        A record of several lines that is broken is taken for one line with a stray quote: the next lines are read anew.
        """
        lines = self._lines
        width = len(self.header)
        parsed = csv.reader(lines, delimiter=self.delimiter, strict=True)
        while True:
            lines.begin_record()
            line = lines.number + 1
            try:
                fields = next(parsed, None)
            except csv.Error as error:
                yield BrokenRecord(line, lines.give_back_all_but_first(), _reason(error))
                continue
            if fields is None:
                return
            if len(fields) == width:
                yield Record(line, fields)
            elif fields:
                reason = f"{len(fields)} fields; the header has {width}"
                yield BrokenRecord(line, lines.give_back_all_but_first(), reason)

    @property
    def bytes_read(self) -> int:
        """How much of the file has been read, some of it ahead; 0 for one that has no positions, such as a pipe."""
        return self._file.tell() if self._file.seekable() else 0


class _Lines:
    """Lines of a text, with the number of the last one taken; those of the current record can be given back."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self._given_back: deque[str] = deque()
        self._taken: list[str] = []
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._given_back.popleft() if self._given_back else self._read()
        if not line:
            raise StopIteration
        self._taken.append(line)
        self.number += 1
        return line

    def begin_record(self) -> None:
        self._taken.clear()

    def give_back_all_but_first(self) -> str:
        """Return the first line of the current record, without its end; the others come again."""
        first, *others = self._taken
        self._given_back.extendleft(reversed(others))
        self.number -= len(others)
        return first.rstrip("\r\n")

    def _read(self) -> str:
        """Read a line, and pass over the rest of one that is too long; empty at the end."""
        line = rest = self._text.readline(_MAX_LINE_LENGTH)
        while len(rest) == _MAX_LINE_LENGTH and not rest.endswith("\n"):
            rest = self._text.readline(_MAX_LINE_LENGTH)
        return line


def _delimiter_of(header: str, columns: Collection[str]) -> str:
    """Return the delimiter that gives the header the most columns that are known."""
    counts = {delimiter: len(set(columns).intersection(_names(header, delimiter))) for delimiter in DELIMITERS}
    best = max(DELIMITERS, key=counts.__getitem__)
    if not counts[best]:
        raise CsvError(f"the first line names no column that is known; it must have some of {', '.join(columns)}")
    return best


def _names(header: str, delimiter: str) -> list[str]:
    try:
        (fields,) = csv.reader([header], delimiter=delimiter, strict=True)
    except (csv.Error, ValueError):
        return []
    return [field.strip().lower() for field in fields]


def _reason(error: csv.Error) -> str:
    """Return what is wrong, in words that do not depend on Python's."""
    if "field limit" in str(error):
        return f"a field has more than {_MAX_FIELD_LENGTH:,} characters, or a quote is not closed"
    if "new-line" in str(error):
        return "a carriage return stands within the line"
    return "the quotes are wrong: a quoted field ends at its second quote, and a quote in it is written twice"
