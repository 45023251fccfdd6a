"""Amounts, ids and times as spreadsheets write them: read if they have one meaning, and otherwise rejected."""

from contextlib import suppress
from datetime import UTC
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.errors import InvalidValue
from tests.fuzz.inputs import examples
from tools.transfer.files import csv_values as values


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("561", "561"),
        (" 561.00 ", "561.00"),
        ("561.5", "561.5"),
        ("561,00", "561.00"),
        ("0,5", "0.5"),
        ("-5,00", "-5.00"),
        ("1,234.56", "1234.56"),
        ("1.234,56", "1234.56"),
        ("1 234,56", "1234.56"),
        ("1\u00a0234,56", "1234.56"),
        ("1\u202f234\u202f567,8", "1234567.8"),
        ("1'234.50", "1234.50"),
        ("1\u2019234", "1234"),
        ("1,00,000.00", "100000.00"),
        ("1,00,000", "100000"),
        ("1,234,567", "1234567"),
        ("1.234.567", "1234567"),
        ("0.500", "0.500"),
        ("1234.500", "1234.500"),
    ],
)
def test_an_amount_with_one_meaning_is_read(text: str, amount: str) -> None:
    assert values.amount(text) == Decimal(amount)


@pytest.mark.parametrize(
    ("text", "meanings"),
    [
        ("1,234", "1.234 or 1234"),
        ("1.234", "1.234 or 1234"),
        ("1.000", "1 or 1000"),
        ("100.000", "100 or 100000"),
        ("-12,345", "-12345 or -12.345"),
    ],
)
def test_an_ambiguous_amount_is_rejected(text: str, meanings: str) -> None:
    with pytest.raises(InvalidValue) as rejected:
        values.amount(text)

    assert rejected.value.description == (
        f"is ambiguous: it may be {meanings}; write it like 561.00, with a point and two decimals"
    )


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "\u20ac561.00",
            "561.00 EUR",
            "$5",
            "Rs. 5",
            "(5.00)",
            "5-",
            "5.61E+02",
            "5%",
            "561,",
            ",5",
            ".5",
            "1,2,3",
        ),
        *("12.34.567", "1,234.567,8", "1.234,567.8", "1 234 56", "1,234 567", "\u0967\u0966", "NaN", "--5", "1" * 50),
    ],
)
def test_text_that_is_not_an_amount_is_rejected(text: str) -> None:
    with pytest.raises(InvalidValue, match=r"must be a number such as 561\.00, without a currency sign"):
        values.amount(text)


LOCALES = [
    (".", ","),
    (",", "."),
    (",", "\u00a0"),
    (",", "\u202f"),
    (",", " "),
    (".", "'"),
    (".", "\u2019"),
    (".", ""),
    (",", ""),
]


@examples(500)
@given(st.decimals(-(10**8), 10**8, places=2) | st.integers(-(10**8), 10**8).map(Decimal), st.sampled_from(LOCALES))
def test_an_amount_in_any_national_format_is_read_correctly_or_rejected(
    amount: Decimal, locale: tuple[str, str]
) -> None:
    point, separator = locale
    text = f"{amount:,}".translate({ord(","): separator, ord("."): point})

    with suppress(InvalidValue):
        assert values.amount(text) == amount


@examples(300)
@given(st.integers(-(10**8), 10**8), st.sampled_from([2, 1, 0]))
def test_a_plain_amount_is_never_ambiguous(minor: int, places: int) -> None:
    amount = round(Decimal(minor) / 100, places)

    assert values.amount(f"{amount:f}") == amount


@pytest.mark.parametrize(
    ("text", "integer"), [("342", 342), ("342.0", 342), ("342.00", 342), ("342,00", 342), ("-3.0", -3)]
)
def test_an_exact_id_is_read(text: str, integer: int) -> None:
    assert values.integer(text) == integer


@pytest.mark.parametrize("text", ["342.5", "342.000", "1234567890123456.0", "1,234", "1e3", "'342", ""])
def test_an_id_that_may_be_inexact_is_rejected(text: str) -> None:
    with pytest.raises(InvalidValue, match="must be a whole number"):
        values.integer(text)


@pytest.mark.parametrize("text", ["1.23E+12", "1,23E+12", "1E+15", "-1.2e+3"])
def test_an_id_that_a_spreadsheet_rounded_is_rejected(text: str) -> None:
    for read in (values.integer, values.unrounded(values.exact_text(100))):
        with pytest.raises(InvalidValue, match="has lost digits, because a spreadsheet has rounded it"):
            read(text)


@pytest.mark.parametrize("text", ["A+B", "E+12", "ECI20250910-1E5", "1E5", "1.2E+12x"])
def test_a_reference_that_resembles_a_rounded_number_is_read(text: str) -> None:
    assert values.unrounded(values.exact_text(100))(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "11/28/2026",
        "28.11.2026",
        "28.11.26 05:28",
        "2/7/2025 5:28",
        "2026/11/28",
        "28-11-2026",
        "46354",
        "46354.5",
        "46354,5",
    ],
)
def test_a_time_in_the_format_of_a_spreadsheet_is_rejected_with_advice(text: str) -> None:
    with pytest.raises(InvalidValue, match="2025-02-07 05:28:54; in a spreadsheet, format the column as yyyy-mm-dd"):
        values.time_in(UTC)(text)


@pytest.mark.parametrize("read", [values.exact_text(100), values.printable_text(100), values.key(100)])
def test_text_that_is_not_utf_8_is_rejected_with_advice(read: values.Read) -> None:
    with pytest.raises(InvalidValue, match="is not in UTF-8: save the file as CSV UTF-8"):
        read("caf\udce9")
