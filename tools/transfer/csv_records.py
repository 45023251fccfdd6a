"""Records of a delimited text file, read in a stream: which lines they are on, and what to do when one is broken.

RFC 4180 with its usual kin: comma, semicolon, tab or bar, found by the header; quoted fields, which may hold line
breaks; lines that end in LF or CRLF; UTF-8, with or without a byte order mark.
"""

import csv
import io
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import BinaryIO

DELIMITERS = (",", ";", "\t", "|")

_MAX_FIELD_LENGTH = 4096
"""Characters; no column holds as many. A quote that is never closed swallows no more than this."""

_MAX_LINE_LENGTH = 1 << 17
"""Characters; a longer line has a field that is too long, or too many, so that what follows need not be kept."""

_BLOCK_LENGTH = 1 << 16
"""Characters read at once."""

_BYTE_ORDER_MARKS_OF_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


class CsvError(Exception):
    """The file cannot be read as what it should be; the message says why."""


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
        self._raw = _Raw(file)
        buffered = io.BufferedReader(self._raw, 1 << 18)
        if buffered.peek(2)[:2] in _BYTE_ORDER_MARKS_OF_UTF_16:
            raise CsvError("the file is in UTF-16; it must be in UTF-8")
        self._lines = _Lines(io.TextIOWrapper(buffered, "utf-8-sig", "surrogateescape", newline=""))
        header = next((line for line in self._lines if line.strip()), None)
        if header is None:
            raise CsvError("the file is empty; its first line must name the columns")
        self.delimiter = delimiter or _delimiter_of(header, columns)
        self.header = _names(header, self.delimiter)
        self._lines.forget()

    def __iter__(self) -> Iterator[Record | BrokenRecord]:
        """Return the records in their order; empty lines are none.

        A record of several lines that is broken is taken for one line with a stray quote: the next lines are read anew.
        """
        lines = self._lines
        quoted = csv.reader(lines, delimiter=self.delimiter, strict=True)
        while True:
            plain = lines.take_plain()
            if plain:
                yield from self._plain_records(plain, lines.number - len(plain))
                continue
            line = lines.number + 1
            try:
                fields = next(quoted, None)
            except csv.Error as error:
                yield self._broken(line, _reason(error))
                continue
            if fields is None:
                return
            if len(fields) == len(self.header):
                yield Record(line, fields)
            elif fields:
                yield self._broken(line, self._width_reason(fields))
            lines.forget()

    def _plain_records(self, lines: list[str], lines_before: int) -> Iterator[Record | BrokenRecord]:
        """Return the records of lines without a quote, each of which is one: four times as fast as the general way."""
        width = len(self.header)
        parsed = csv.reader(lines, delimiter=self.delimiter, strict=True)
        while True:
            try:
                for fields in parsed:
                    if len(fields) == width:
                        yield Record(lines_before + parsed.line_num, fields)
                    elif fields:
                        number = parsed.line_num
                        text = lines[number - 1].rstrip("\r")
                        yield BrokenRecord(lines_before + number, text, self._width_reason(fields))
            except csv.Error as error:
                number = parsed.line_num
                yield BrokenRecord(lines_before + number, lines[number - 1].rstrip("\r"), _reason(error))
            else:
                return

    def _width_reason(self, fields: list[str]) -> str:
        return f"{len(fields)} fields; the header has {len(self.header)}"

    @property
    def bytes_read(self) -> int:
        """How much of the file has been read, some of it ahead."""
        return self._raw.bytes_read

    def _broken(self, line: int, reason: str) -> BrokenRecord:
        return BrokenRecord(line, self._lines.give_back_all_but_first().rstrip("\r"), reason)


class _Raw(io.RawIOBase):
    """A file to be read by a ``BufferedReader`` of our own, which must not close it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.bytes_read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        self.bytes_read += len(data)
        return len(data)


class _Lines:
    """Lines of a text, with the number of the last one taken; those of the current record can be given back."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self._rest = ""
        """The beginning of a line whose end is not read yet."""
        self._ready: deque[str] = deque()
        self._is_plain = False
        """Whether no line that is ready has a quote."""
        self._taken: list[str] = []
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if not self._ready and not self._fill():
            raise StopIteration
        line = self._ready.popleft()
        self._taken.append(line)
        self.number += 1
        return line + "\n"

    def take_plain(self) -> list[str]:
        """Return the next lines, without their ends, if none of them has a quote; else, or at the end, nothing."""
        if (not self._ready and not self._fill()) or not self._is_plain:
            return []
        lines = list(self._ready)
        self._ready.clear()
        self.number += len(lines)
        return lines

    def forget(self) -> None:
        """Begin a new record."""
        self._taken.clear()

    def give_back_all_but_first(self) -> str:
        """Return the first line of the current record; the others come again."""
        first, *others = self._taken
        self._ready.extendleft(reversed(others))
        self.number -= len(others)
        self._taken.clear()
        return first

    def _fill(self) -> bool:
        """Read until at least one line is ready; tell whether one is."""
        while not self._ready:
            block = self._text.read(_BLOCK_LENGTH)
            if not block:
                if not self._rest:
                    return False
                block = "\n"
            self._is_plain = '"' not in block and '"' not in self._rest
            lines = (self._rest + block).split("\n")
            lines[0] = lines[0][:_MAX_LINE_LENGTH]
            self._rest = lines.pop()
            self._ready.extend(lines)
        return True


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
