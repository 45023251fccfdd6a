"""Cells of files for spreadsheets: no formulas, and no lost digits."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.inputs import examples
from tools.transfer.files import spreadsheet
from tools.transfer.files.records import PAYMENT_COLUMNS, REFUND_COLUMNS

TEXT_COLUMNS = (
    *("method", "status", "reference", "currency", "requested_method", "caller", "request_id", "reason"),
    *("external_reference", "customer_id", "labels", "failure", "failure_code", "processor_reference"),
    *("simulated_source", "source_mark", "dispute_status", "dispute"),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t'=1"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        (" =1", "' =1"),
        ('"=1', "'\"=1"),
        ("'=1", "''=1"),
        ("\uff1d1", "'\uff1d1"),
        ("a;=1", "a;'=1"),
        ("a\n=1", "a\n'=1"),
        ('a;"=1', "a;'\"=1"),
        ("1234567890123456", "'1234567890123456"),
        ("0012", "'0012"),
        ("12E5", "'12E5"),
        ("1.5e+3", "'1.5e+3"),
    ],
)
def test_text_that_a_spreadsheet_would_run_or_change_becomes_plain_text(text: str, expected: str) -> None:
    assert [spreadsheet.cell(column, text) for column in TEXT_COLUMNS] == [expected] * len(TEXT_COLUMNS)


@pytest.mark.parametrize(
    "text", ["", "UPI", "ECI20250910-ID9VVN", "a = b", "a;b - c", "a-b@c", "123456789012345", "0", "1E"]
)
def test_other_text_is_unchanged(text: str) -> None:
    assert spreadsheet.cell("reference", text) == text


@pytest.mark.parametrize(
    ("column", "number", "expected"),
    [
        ("payment_id", "9007199254740993", "'9007199254740993"),
        ("payment_id", "900719925474099", "900719925474099"),
        ("order_id", "-123456789012345", "-123456789012345"),
        ("order_id", "-1234567890123456", "'-1234567890123456"),
        ("amount", "-5.00", "-5.00"),
        ("amount", "99999999.99", "99999999.99"),
        ("created_at", "2025-02-07 05:28:54.123456", "2025-02-07 05:28:54.123456"),
        ("reference", None, None),
    ],
)
def test_numbers_stay_numbers_unless_they_would_lose_digits(
    column: str, number: str | None, expected: str | None
) -> None:
    assert spreadsheet.cell(column, number) == expected


@examples(500)
@given(st.text(st.sampled_from("=+-@ \t\r\n;,|\"'ax1\0\uff1d")), st.sampled_from(",;\t"))
def test_no_cell_begins_with_a_formula_for_any_delimiter_of_the_spreadsheet(text: str, delimiter: str) -> None:
    file = io.StringIO(newline="")
    csv.writer(file).writerow(["1", spreadsheet.cell("reason", text)])

    rows = csv.reader(io.StringIO(file.getvalue(), newline=""), delimiter=delimiter)

    for row in rows:
        for field in row:
            assert (
                not field.lstrip("\"' \t\r\n\0").startswith(tuple("=+-@\uff1d")) or field.lstrip('" \t\r\n')[0] == "'"
            )


def test_the_columns_of_numbers_are_those_of_the_files() -> None:
    assert {*PAYMENT_COLUMNS, *REFUND_COLUMNS} - {*TEXT_COLUMNS, *spreadsheet._TIMES} == spreadsheet._NUMBERS


@pytest.mark.parametrize("columns", [PAYMENT_COLUMNS, REFUND_COLUMNS])
def test_a_file_for_spreadsheets_is_recognized_by_its_header(columns: tuple[str, ...]) -> None:
    names = spreadsheet.column_names(columns)

    assert "created_at (UTC)" in names
    assert spreadsheet.is_for_spreadsheets([name.lower().replace(" ", "_") for name in names])
    assert not spreadsheet.is_for_spreadsheets(columns)
