"""Encodings, compression and line ends of CSV files, and files that are not CSV."""

import codecs
import gzip
import io
import os
import threading
import zipfile
from collections.abc import Callable

import pytest

from tools.transfer.files.csv_records import Record, RecordReader
from tools.transfer.files.errors import CsvError, DamagedFile

COLUMNS = ("payment_id", "method")
TEXT = 'payment_id,method\r\n1,"Ünï 💸"\r\n2,b\r\n'
ROWS = [(2, ["1", "Ünï 💸"]), (3, ["2", "b"])]


def read(data: bytes) -> list[tuple[int, list[str]]]:
    return [(it.line, it.fields) for it in RecordReader(io.BytesIO(data), COLUMNS) if isinstance(it, Record)]


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
        TEXT.encode("utf-16-le"),
        TEXT.encode("utf-16-be"),
        codecs.BOM_UTF32_LE + TEXT.encode("utf-32-le"),
        codecs.BOM_UTF32_BE + TEXT.encode("utf-32-be"),
        TEXT.encode("utf-32-le"),
        TEXT.encode("utf-32-be"),
    ],
)
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_unicode_encodings_and_gzip_are_detected(data: bytes, compress: Callable[[bytes], bytes]) -> None:
    assert read(compress(data)) == ROWS


def test_gzip_members_that_were_appended_are_read() -> None:
    first, second = TEXT[:20].encode(), TEXT[20:].encode()

    assert read(gzip.compress(first) + gzip.compress(second)) == ROWS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("payment_id,method\r1,a\r2,b\r", [(2, ["1", "a"]), (3, ["2", "b"])]),
        ("payment_id,method\r1,a\r2,b", [(2, ["1", "a"]), (3, ["2", "b"])]),
        ('payment_id,method\r1,"a\nb"\r2,"c\rd"\r', [(2, ["1", "a\nb"]), (4, ["2", "c\rd"])]),
        ("payment_id,method\r1,a\n2,b\r\n3,c", [(2, ["1", "a"]), (3, ["2", "b"]), (4, ["3", "c"])]),
        ("payment_id,method\n1,a\r\n2,b\n", [(2, ["1", "a"]), (3, ["2", "b"])]),
        ("payment_id,method\r\r\n1,a\r\r\n2,b\r\r\n", [(2, ["1", "a"]), (3, ["2", "b"])]),
        ('payment_id,method\r\n1,"a\rb"\r\n', [(2, ["1", "a\rb"])]),
    ],
)
def test_line_ends_of_all_systems_are_read(text: str, expected: list[tuple[int, list[str]]]) -> None:
    assert read(text.encode()) == expected


def test_a_slow_pipe_is_read_like_a_file() -> None:
    reader, writer = os.pipe()
    data = gzip.compress(TEXT.encode("utf-16"))

    def write() -> None:
        for byte in data:
            os.write(writer, bytes([byte]))
        os.close(writer)

    thread = threading.Thread(target=write)
    thread.start()
    with os.fdopen(reader, "rb") as file:
        rows = [it.fields for it in RecordReader(file, COLUMNS) if isinstance(it, Record)]
    thread.join()

    assert rows == [fields for _, fields in ROWS]


def zip_of(*names: str, content: bytes = b"x") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, content)
    return file.getvalue()


OPEN_DOCUMENT = zip_of("mimetype", content=b"application/vnd.oasis.opendocument.spreadsheet")


@pytest.mark.parametrize(
    ("data", "kind", "advice"),
    [
        (zip_of("[Content_Types].xml", "xl/workbook.xml"), r"an Excel workbook \(.xlsx\)", "save it as CSV UTF-8"),
        (zip_of("docProps/app.xml"), r"an Excel workbook \(.xlsx\)", "save it as CSV UTF-8"),
        (OPEN_DOCUMENT, r"an OpenDocument spreadsheet \(.ods\)", "save it as CSV UTF-8"),
        (zip_of("Index/Document.iwa"), "a Numbers spreadsheet", "save it as CSV UTF-8"),
        (zip_of("payments.csv"), "a ZIP archive", "extract"),
        (zip_of(), "a ZIP archive", "extract"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), r"an Excel workbook \(.xls\)", "save it as CSV UTF-8"),
        (b"%PDF-1.7\n%\xe2\xe3", "a PDF document", "import a CSV file"),
        (b"PAR1\x15\x04", "a Parquet file", "to CSV"),
        (b"BZh91AY&SY", "compressed with bzip2", "decompress it first"),
        (b"\xfd7zXZ\x00\x00", "compressed with xz", "decompress it first"),
        (b"\x28\xb5\x2f\xfd\x04", "compressed with Zstandard", "decompress it first"),
        (b"7z\xbc\xaf\x27\x1c\x00", "a 7-Zip archive", "extract"),
        (b"Rar!\x1a\x07\x01", "a RAR archive", "extract"),
        (b"SQLite format 3\x00", "an SQLite database", "import a CSV file"),
        (b"{\\rtf1\\ansi", r"a text document \(.rtf\)", "import a CSV file"),
        (b"\n<!DOCTYPE html><html>", "an HTML page", "download the CSV file itself"),
        (b"\xef\xbb\xbf<HTML>", "an HTML page", "download the CSV file itself"),
        ('<?xml version="1.0"?>'.encode("utf-16"), "an XML document", "import a CSV file"),
        (b'[{"payment_id": 1}]', "a JSON document", "import a CSV file"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_another_kind_of_file_is_rejected_by_name(
    data: bytes, kind: str, advice: str, compress: Callable[[bytes], bytes]
) -> None:
    with pytest.raises(CsvError, match=f"the file is {kind}, not CSV: .*{advice}"):
        read(compress(data))


def test_a_file_that_is_compressed_twice_is_rejected() -> None:
    with pytest.raises(CsvError, match="with gzip twice"):
        read(gzip.compress(gzip.compress(TEXT.encode())))


@pytest.mark.parametrize("length", [2, 12, 30, -9, -1])
def test_incomplete_gzip_is_rejected(length: int) -> None:
    with pytest.raises(CsvError, match="damaged or incomplete"):
        read(gzip.compress(TEXT.encode())[:length])


def test_damage_after_the_start_of_the_file_is_reported_after_the_records_before_it() -> None:
    text = "payment_id,method\n" + "".join(f"{i},{'x' * (i % 97)}\n" for i in range(1, 20_000))
    reader = RecordReader(io.BytesIO(gzip.compress(text.encode(), 0)[:-5_000]), COLUMNS)

    lines: list[int] = []
    with pytest.raises(DamagedFile, match="the gzip data is damaged or incomplete"):
        lines.extend(record.line for record in reader)

    assert lines == list(range(2, lines[-1] + 1))


@pytest.mark.parametrize("damage", [b"x", b"\x00\xdcy\x00"])
def test_invalid_utf_16_is_rejected(damage: bytes) -> None:
    with pytest.raises(DamagedFile, match="not valid UTF-16"):
        read(TEXT.encode("utf-16") + damage)


def test_bytes_in_another_encoding_are_kept_for_the_reject_file() -> None:
    ((_, fields),) = read("payment_id,method\n1,caf\u00e9\n".encode("cp1252"))

    assert fields == ["1", "caf\udce9"]
