"""Cells of files for spreadsheets: text that a spreadsheet neither runs as a formula nor turns into a number.

A spreadsheet runs a cell that begins with ``=``, ``+``, ``-`` or ``@`` as a formula (CSV injection, CWE-1236), and
keeps only 15 digits of a number. An apostrophe before such text makes it plain text, as OWASP recommends.

These files are for reading only, because spreadsheets also change times when they save a file. An import recognizes
them by the name of their time column.
"""

import re
from collections.abc import Sequence

_TIMES = frozenset({"created_at", "forgotten_at"})
_MARK = "created_at (UTC)"
"""The name of a column that only these files have."""

_NUMBERS = frozenset(
    {
        "payment_id",
        "order_id",
        "refund_id",
        "amount",
        "refunded",
        "refunded_amount",
        "requested_amount",
    }
)
"""Columns that the database stores as numbers. All others, except times, may contain text from callers."""

_MAX_DIGITS = 15

_FORMULA = re.compile("(?:^|(?<=[;\t\r\n]))(?=[\\s\"'\0]*[=+\\-@\uff1d\uff0b\uff0d\uff20])|^(?=[\t\r\n\0])")
"""A place where a formula begins: at the start of the text, or after a semicolon, tab or line break, where spreadsheets
in some languages split fields. The signs may be full-width.
"""

_CHANGED_NUMBER = re.compile(r"0[0-9]+|[0-9]{16,}|[0-9]+(\.[0-9]+)?[eE][+-]?[0-9]+")
"""Text that a spreadsheet would change if it read it as a number."""


def column_names(columns: Sequence[str]) -> list[str]:
    """Return the header of a file for spreadsheets."""
    return [f"{column} (UTC)" if column in _TIMES else column for column in columns]


def is_for_spreadsheets(header: Sequence[str]) -> bool:
    """Return whether a file with this header, in which ``_`` replaces spaces, was written for spreadsheets."""
    return _MARK.lower().replace(" ", "_") in header


def cell(column: str, value: str | None) -> str | None:
    """Return the cell of a value that the database returned as text."""
    if not value or column in _TIMES:
        return value
    if column in _NUMBERS:
        return value if len(value.lstrip("-")) <= _MAX_DIGITS else f"'{value}"
    if _CHANGED_NUMBER.fullmatch(value):
        return f"'{value}"
    return _FORMULA.sub("'", value)
