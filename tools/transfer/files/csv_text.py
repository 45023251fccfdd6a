"""Open a CSV file as text: decompress gzip, detect the encoding and the line ends, and reject other kinds of files.

The names of columns are ASCII. Zero bytes among the first bytes therefore reveal UTF-16 and UTF-32 without a byte order
mark.
"""

import codecs
import gzip
import io
import re
import zlib
from typing import TYPE_CHECKING, BinaryIO

from tools.transfer.files.errors import CsvError, DamagedFile

if TYPE_CHECKING:
    from _typeshed import SupportsRead, WriteableBuffer

_HEAD_BYTES = 1 << 16
"""More than the first line of any file, even if a spreadsheet added thousands of empty columns."""

_GZIP = b"\x1f\x8b"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")

_SAVE_AS_CSV = "open it in a spreadsheet and save it as CSV UTF-8"
_DECOMPRESS = "decompress it first, or compress it with gzip, which can be imported"
_GET_CSV = "import a CSV file"
_FORMATS = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook (.xls)", _SAVE_AS_CSV),
    (b"PAR1", "a Parquet file", "export the payments again, to CSV"),
    (b"%PDF-", "a PDF document", _GET_CSV),
    (b"{\\rtf", "a text document (.rtf)", _GET_CSV),
    (b"SQLite format 3\0", "an SQLite database", _GET_CSV),
    (b"BZh", "compressed with bzip2", _DECOMPRESS),
    (b"\xfd7zXZ\0", "compressed with xz", _DECOMPRESS),
    (b"\x28\xb5\x2f\xfd", "compressed with Zstandard", _DECOMPRESS),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "extract the CSV file from it"),
    (b"Rar!\x1a\x07", "a RAR archive", "extract the CSV file from it"),
)
"""The first bytes of files that are not CSV, the kind of file, and what to do."""

_ZIP_FORMATS = (
    (b"application/vnd.oasis.opendocument.spreadsheet", "an OpenDocument spreadsheet (.ods)", _SAVE_AS_CSV),
    (b"Index/", "a Numbers spreadsheet", _SAVE_AS_CSV),
    (b"[Content_Types].xml", "an Excel workbook (.xlsx)", _SAVE_AS_CSV),
    (b"docProps/", "an Excel workbook (.xlsx)", _SAVE_AS_CSV),
    (b"xl/", "an Excel workbook (.xlsx)", _SAVE_AS_CSV),
    (b"", "a ZIP archive", "extract the CSV file from it"),
)
"""Bytes that a ZIP archive of each kind contains, the kind of file, and what to do."""

_TEXT_FORMATS = (
    (("<!doctype html", "<html"), "an HTML page", "download the CSV file itself"),
    (("<?xml",), "an XML document", _GET_CSV),
    (("{", "["), "a JSON document", _GET_CSV),
)

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""UTF-32 comes first, because its mark in little endian begins with that of UTF-16."""

_ENCODINGS_BY_ZERO_BYTES = {
    "x000": "utf-32-le",
    "000x": "utf-32-be",
    "x0x0": "utf-16-le",
    "0x0x": "utf-16-be",
}
"""The encodings of ASCII text, by which of the first four bytes are zero."""

_LINE_END = re.compile("\r*\n|\r")

READ_ERRORS = (UnicodeError, gzip.BadGzipFile, EOFError, zlib.error)
"""The errors of reading text that cannot be decoded or decompressed."""


def open_text(file: BinaryIO) -> io.TextIOWrapper:
    """Detect the compression, encoding and line ends of a file, and return its text, with unchanged line ends.

    Bytes that are not UTF-8 become lone surrogates (PEP 383). Reading the text may raise ``READ_ERRORS``.

    Raises:
        CsvError: the file is not CSV.
    """
    head = file.read(_HEAD_BYTES)
    stream: SupportsRead[bytes] = file
    if head.startswith(_GZIP):
        stream = gzip.GzipFile(fileobj=io.BufferedReader(_Rewound(head, file)))
        try:
            head = stream.read(_HEAD_BYTES)
        except READ_ERRORS as error:
            raise CsvError(str(damaged_file(error))) from None
        if head.startswith(_GZIP):
            raise CsvError("the file is compressed with gzip twice: decompress it once")
    _reject_binary_formats(head)
    encoding = _encoding_of(head)
    start = head.decode(encoding, "ignore")
    _reject_text_formats(start)
    return io.TextIOWrapper(
        io.BufferedReader(_Rewound(head, stream)),
        encoding,
        "surrogateescape" if encoding == "utf-8-sig" else "strict",
        newline=_line_end_of(start),
    )


def damaged_file(error: Exception) -> DamagedFile:
    """Return the error of a file that one of ``READ_ERRORS`` made unreadable."""
    if isinstance(error, UnicodeDecodeError):
        return DamagedFile(f"the file is not valid {error.encoding.upper()}")
    return DamagedFile("the gzip data is damaged or incomplete")


class _Rewound(io.RawIOBase):
    """A stream with the first bytes that were read from it put back. Unlike ``seek``, it also works for a pipe."""

    def __init__(self, head: bytes, rest: "SupportsRead[bytes]") -> None:
        self._head = memoryview(head)
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        target = memoryview(buffer).cast("B")
        data: bytes | memoryview
        if self._head:
            data, self._head = self._head[: len(target)], self._head[len(target) :]
        else:
            data = self._rest.read(len(target))
        target[: len(data)] = data
        return len(data)


def _reject_binary_formats(head: bytes) -> None:
    for magic, kind, advice in _FORMATS:
        if head.startswith(magic):
            raise _not_csv(kind, advice)
    if head.startswith(_ZIP):
        raise next(_not_csv(kind, advice) for content, kind, advice in _ZIP_FORMATS if content in head)


def _reject_text_formats(start: str) -> None:
    for beginnings, kind, advice in _TEXT_FORMATS:
        if start.lstrip("\ufeff \t\r\n")[:20].lower().startswith(beginnings):
            raise _not_csv(kind, advice)


def _not_csv(kind: str, advice: str) -> CsvError:
    return CsvError(f"the file is {kind}, not CSV: {advice}")


def _encoding_of(head: bytes) -> str:
    for mark, encoding in _BYTE_ORDER_MARKS:
        if head.startswith(mark):
            return encoding
    zero_bytes = "".join("x" if byte else "0" for byte in head[:4])
    return _ENCODINGS_BY_ZERO_BYTES.get(zero_bytes, "utf-8-sig")


def _line_end_of(start: str) -> str:
    """Return the ``newline`` for ``io.TextIOWrapper``: an empty string, for any kind, if the first line ends in CR.

    Otherwise LF, which also ends lines in CRLF.
    """
    match = _LINE_END.search(start)
    return "" if match is not None and match[0] == "\r" else "\n"
