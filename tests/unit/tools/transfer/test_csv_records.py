"""Records of CSV files, their line numbers, and recovery from broken records."""

import csv
import gzip
import io
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.inputs import examples
from tools.transfer.files.csv_records import DELIMITERS, BrokenRecord, Record, RecordReader
from tools.transfer.files.errors import CsvError

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
    data = " Payment_ID , ORDER\u00a0id,Method\n".encode()

    assert RecordReader(io.BytesIO(data), COLUMNS).header == ["payment_id", "order_id", "method"]


@pytest.mark.parametrize(
    ("first_line", "delimiter"),
    [
        ("sep=;", ";"),
        ("SEP=,", ","),
        ('"sep=;"', ";"),
        ("sep=:", ":"),
        ("sep=\t", "\t"),
        ("sep=,", ";"),
        ("sep=;;;", ";"),
    ],
)
def test_a_first_line_for_excel_is_not_the_header(first_line: str, delimiter: str) -> None:
    data = "\r\n".join([first_line, delimiter.join(COLUMNS), delimiter.join("123")]).encode()

    assert records(data) == [(3, ["1", "2", "3"])]


def test_a_given_delimiter_takes_precedence_over_the_first_line() -> None:
    (record,) = read(b"sep=;\npayment_id:method\n1:a;b\n", ":")

    assert isinstance(record, Record)
    assert (record.line, record.fields) == (3, ["1", "a;b"])


def test_empty_columns_after_the_last_one_are_ignored() -> None:
    data = b'payment_id,order_id,,,\n1,2,,,\n3,4\n5,6,"", ,\n7,8,,,,,\n'

    assert records(data) == [(2, ["1", "2"]), (3, ["3", "4"]), (4, ["5", "6"]), (5, ["7", "8"])]


def test_a_value_in_a_column_without_a_name_breaks_the_line() -> None:
    broken = read(b"payment_id,order_id,,\n1,2,,x\n")

    assert [(it.line, it.reason) for it in broken if isinstance(it, BrokenRecord)] == [
        (2, "4 fields; the header has 2: quote fields that contain the delimiter")
    ]


@pytest.mark.parametrize("row", [";;", '"";" ";""', " ; ;\t", ";;;;;", ";", " ", '""', '"\r\n";;'])
def test_rows_without_text_are_skipped(row: str) -> None:
    data = f"payment_id;order_id;method\n1;2;3\n{row}\n4;5;6\n".encode()

    assert [fields for _, fields in records(data)] == [["1", "2", "3"], ["4", "5", "6"]]


def test_a_row_with_only_its_last_field_is_a_record() -> None:
    assert records(b"payment_id,order_id,method\n,,UPI\n") == [(2, ["", "", "UPI"])]


@examples(200)
@given(
    st.lists(st.lists(st.text(max_size=6), min_size=3, max_size=3), max_size=6),
    st.sampled_from(DELIMITERS),
    st.sampled_from(["\r\n", "\n", "\r"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]),
    st.sampled_from([bytes, gzip.compress]),
)
def test_rows_of_any_text_are_read_unchanged(
    rows: list[list[str]], delimiter: str, end: str, encoding: str, compression: Callable[[bytes], bytes]
) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerows([COLUMNS, *rows])

    result = records(compression(file.getvalue().encode(encoding)))

    assert [fields for _, fields in result] == [row for row in rows if any(map(str.strip, row))]


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
        (b"\xef\xbb\xbf", "empty"),
        (b"sep=;\r\n", "empty"),
        (b";;;;\r\n", "empty"),
        (b"1,355,UPI\n", "has no known column"),
    ],
)
def test_empty_and_headerless_files_are_rejected_with_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(CsvError, match=reason):
        read(data)
