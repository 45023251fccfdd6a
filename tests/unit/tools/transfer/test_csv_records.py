"""Records of CSV files, their line numbers, and recovery from broken records."""

import io

import pytest

from tools.transfer.files.csv_records import BrokenRecord, CsvError, Record, RecordReader

COLUMNS = ("payment_id", "order_id", "method")


def read(data: bytes, delimiter: str | None = None) -> list[Record | BrokenRecord]:
    return list(RecordReader(io.BytesIO(data), COLUMNS, delimiter))


def records(data: bytes) -> list[tuple[int, list[str]]]:
    result = read(data)
    assert all(isinstance(record, Record) for record in result), result
    return [(record.line, record.fields) for record in result if isinstance(record, Record)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_detected_from_the_header(delimiter: str) -> None:
    data = f"payment_id{delimiter}order_id\n1{delimiter}2\n".encode()

    assert records(data) == [(2, ["1", "2"])]


def test_another_delimiter_in_a_field_is_text() -> None:
    assert records(b"payment_id;method\n1;a,b\n") == [(2, ["1", "a,b"])]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("last", [True, False])
def test_byte_order_marks_and_line_ends_make_no_difference(mark: bytes, end: bytes, *, last: bool) -> None:
    data = mark + end.join([b"payment_id,order_id", b"1,2", b"", b"3,4"]) + (end if last else b"")

    assert records(data) == [(2, ["1", "2"]), (4, ["3", "4"])]


def test_column_names_can_have_capitals_and_spaces() -> None:
    assert RecordReader(io.BytesIO(b" Payment_ID , ORDER_ID\n"), COLUMNS).header == ["payment_id", "order_id"]


def test_quoted_fields_can_contain_delimiters_quotes_and_line_ends() -> None:
    data = b'payment_id,method\r\n1,"a,""b""\r\nc"\r\n2,"d"\r\n3,e\r\n'

    assert records(data) == [(2, ["1", 'a,"b"\r\nc']), (4, ["2", "d"]), (5, ["3", "e"])]


def test_an_unclosed_quote_breaks_only_its_own_line() -> None:
    data = b'payment_id,method\n1,a\n2,"b\n3,c\n' + b"".join(b"%d,x\n" % i for i in range(4, 5000))

    result = read(data)

    broken = [record for record in result if isinstance(record, BrokenRecord)]
    assert [(record.line, record.text) for record in broken] == [(3, '2,"b')]
    assert "quote" in broken[0].reason
    good = [(record.line, record.fields[0]) for record in result if isinstance(record, Record)]
    assert good == [(2, "1"), *((i + 1, str(i)) for i in range(3, 5000))]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"1", "1 fields; the header has 2"),
        (b"1,2,3", "3 fields; the header has 2"),
        (b'1,"2"3', "invalid quotes"),
        (b"1,2\r3", "carriage return"),
        (b"1," + b"2" * 5000, "more than 4,096 characters"),
        (b"1," + b"2" * 1_000_000, "more than 4,096 characters"),
    ],
)
def test_a_broken_line_is_reported_with_its_number_and_reason(line: bytes, reason: str) -> None:
    result = read(b"payment_id,order_id\n8,9\n" + line + b"\n10,11\n")

    assert [record.line for record in result] == [2, 3, 4]
    broken = result[1]
    assert isinstance(broken, BrokenRecord)
    assert reason in broken.reason
    assert broken.text == line.decode()[:131_072]
    assert isinstance(result[2], Record)


def test_a_broken_line_among_quoted_lines_is_reported() -> None:
    result = read(b'payment_id,order_id\n"8",9\n1\n"10",11\n')

    assert [(record.line, type(record)) for record in result] == [(2, Record), (3, BrokenRecord), (4, Record)]


def test_records_that_span_read_buffers_are_read_correctly() -> None:
    lines = [f"{i},{'x' * (i % 97)}" for i in range(1, 20_000)]

    result = records(("payment_id,method\n" + "\n".join(lines)).encode())

    assert result == [(i + 1, line.split(",")) for i, line in enumerate(lines, start=1)]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"\n \n", "empty"),
        (b"\xff\xfep\x00a\x00", "UTF-16"),
        (b"1,355,UPI\n", "has no known column"),
    ],
)
def test_empty_utf_16_and_headerless_files_are_rejected_with_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(CsvError, match=reason):
        read(data)
