"""Readers of CSV fields, which convert the text of a field to its value.

If the text is not valid, readers raise ``InvalidValue``, which describes the allowed values.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from enum import StrEnum

from server.domain.errors import InvalidValue
from server.domain.payment import CHARGEABLE_METHODS, Status
from server.storage.payments.codec import STATUS_VALUES
from tools.transfer.files.local_times import instant_of, start_of_day

Value = int | str | bytes | Decimal | datetime | None
Read = Callable[[str], Value]

STATUS_WORDS = {Status.PENDING: "PENDING", Status.SUCCEEDED: "SUCCESS", Status.FAILED: "FAILED"}
"""The names of statuses in legacy CSV files."""

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_INTEGER_WITH_DECIMALS = re.compile(r"([+-]?[0-9]{1,15})[.,]0{1,2}")
"""An integer that a program wrote as a floating-point number, which is exact up to 15 digits."""

_ROUNDED = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?[Ee]\+[0-9]{1,3}")
"""A long number as spreadsheets write it, such as 1.23E+12."""

_NUMBER = re.compile(r"[+-]?[0-9]{1,20}(\.[0-9]{1,20})?")
_MAX_AMOUNT_LENGTH = 40
_SPACES_AND_APOSTROPHES = " \u00a0\u202f'\u2019"


def _amount_pattern(point: str, separators: str, *others: str) -> re.Pattern[str]:
    """Return the pattern of amounts with this decimal point, and with groups of three digits or other groupings."""
    groups = rf"[1-9][0-9]{{0,2}}(?P<separator>[{separators}])[0-9]{{3}}(?:(?P=separator)[0-9]{{3}})*"
    return re.compile(rf"(?P<whole>[+-]?(?:{'|'.join(('[0-9]+', groups, *others))}))(?:{point}(?P<decimals>[0-9]+))?")


_AMOUNTS = (
    # In India, the groups before the last one have two digits.
    _amount_pattern(r"\.", "," + _SPACES_AND_APOSTROPHES, "[1-9][0-9]?,(?:[0-9]{2},)*[0-9]{3}"),
    _amount_pattern(",", "." + _SPACES_AND_APOSTROPHES),
)
"""Amounts with a decimal point, and with a decimal comma."""

_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SPREADSHEET_TIME = re.compile(
    r"[0-9]{1,4}[./][0-9]{1,2}[./][0-9]{1,4}\b.*|[0-9]{1,2}-[0-9]{1,2}-[0-9]{2,4}\b.*|[0-9]{5}([.,][0-9]+)?"
)
"""A date in a national format, or the number of days since 1900."""

_FLAGS = {"0": 0, "false": 0, "no": 0, "1": 1, "true": 1, "yes": 1}
_STATUSES = {word: STATUS_VALUES[status] for status, word in STATUS_WORDS.items()} | {"SUCCEEDED": 1}
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_NOT_TEXT = re.compile("[\x00\ud800-\udfff]")
_NOT_UTF_8 = re.compile("[\udc80-\udcff]")
_MAX_INTEGER = 2**63 - 1
_INT64_DIGITS = 19
"""The number of digits of the largest 64-bit integer; every number with fewer digits fits."""

_MIN_TIME = datetime(1000, 1, 1)  # noqa: DTZ001 - naive and in UTC, like the column
"""The earliest time that the column is guaranteed to hold."""


def optional(read: Read) -> Read:
    """Return a reader that reads an empty field as None."""
    return lambda text: read(text) if text else None


def integer(text: str) -> int:
    """Read a 64-bit integer."""
    if len(text) < _INT64_DIGITS and text.isascii() and text.isdecimal():
        return int(text)
    stripped = text.strip()
    if _INTEGER.fullmatch(stripped):
        value = int(stripped)
        if -_MAX_INTEGER <= value <= _MAX_INTEGER:
            return value
    if match := _INTEGER_WITH_DECIMALS.fullmatch(stripped):
        return int(match[1])
    _require_all_digits(stripped)
    raise InvalidValue("must be a whole number")


def decimal(text: str) -> Decimal:
    """Read a decimal number, exactly."""
    stripped = text.strip()
    if _NUMBER.fullmatch(stripped):
        return Decimal(stripped)
    raise InvalidValue("must be a number such as 561.00, with a point before the decimals")


def amount(text: str) -> Decimal:
    """Read an exact amount of money. A decimal comma and thousands separators are accepted if they have one meaning.

    ``561,00`` can only mean 561.00, but ``1,234`` is 1.234 in some countries and 1234 in others.
    """
    stripped = text.strip()
    if _NUMBER.fullmatch(stripped) and stripped[-4:-3] != ".":
        return Decimal(stripped)
    readings = set()
    if len(stripped) <= _MAX_AMOUNT_LENGTH:
        for pattern in _AMOUNTS:
            if match := pattern.fullmatch(stripped):
                whole = re.sub("[^0-9+-]", "", match["whole"])
                readings.add(Decimal(f"{whole}.{match['decimals'] or 0}"))
    if len(readings) == 1:
        return readings.pop()
    if readings:
        meanings = " or ".join(f"{reading.normalize():f}" for reading in sorted(readings))
        raise InvalidValue(f"is ambiguous: it may be {meanings}; write it like 561.00, with a point and two decimals")
    raise InvalidValue("must be a number such as 561.00, without a currency sign, an exponent or brackets")


def exported_amount(text: str) -> Decimal:
    """Read an amount in an exported file, where a point is a decimal point even before three decimals: see ``amount``.

    If a spreadsheet has saved the file again, the amount may have another form.
    """
    stripped = text.strip()
    return Decimal(stripped) if _NUMBER.fullmatch(stripped) else amount(stripped)


def flag(text: str) -> int:
    """Read a boolean as 0 or 1."""
    value = _FLAGS.get(text.strip().lower())
    if value is None:
        raise InvalidValue("must be 0 or 1")
    return value


def status(text: str) -> int | None:
    """Read a status as the status columns store it."""
    word = text if text in _STATUSES else text.strip().upper()
    if word in _STATUSES:
        return _STATUSES[word]
    raise InvalidValue("must be SUCCESS, FAILED or PENDING")


def time_in(zone: tzinfo) -> Callable[[str], datetime]:
    """Return a reader of times, whose values are naive and in UTC, like the columns.

    Times without an offset are in ``zone``. A date is the first moment of that day.
    """

    def time(text: str) -> datetime:
        stripped = text.strip()
        if _TIME.fullmatch(stripped):
            with suppress(ValueError, OverflowError):
                value = datetime.fromisoformat(stripped)
                if value.tzinfo is not None:
                    value = value.astimezone(UTC)
                elif zone is not UTC:
                    value = start_of_day(value, zone) if is_date(stripped) else instant_of(value, zone)
                value = value.replace(tzinfo=None)
                if value >= _MIN_TIME:
                    return value
        message = "must be a time such as 2025-02-07 05:28:54"
        if _SPREADSHEET_TIME.fullmatch(stripped):
            message += "; in a spreadsheet, format the column as yyyy-mm-dd hh:mm:ss"
        raise InvalidValue(message)

    return time


def is_date(text: str) -> bool:
    """Return whether the text is a date without a time of day."""
    return _DATE.fullmatch(text) is not None


def printable_text(max_length: int) -> Read:
    """Return a reader of text of 1 to ``max_length`` characters, without control characters.

    It rejects numbers that a spreadsheet has rounded.
    """

    def read(text: str) -> str:
        stripped = text.strip()
        # isprintable() is much cheaper than the pattern, and sufficient for nearly all text.
        if 0 < len(stripped) <= max_length and stripped.isprintable() and "+" not in stripped:
            return stripped
        _require_all_digits(stripped)
        if not 0 < len(stripped) <= max_length or _UNPRINTABLE.search(stripped):
            _require_utf_8(text)
            raise InvalidValue(f"must be 1 to {max_length} characters, in UTF-8 and without control characters")
        return stripped

    return read


def exact_text(max_length: int) -> Read:
    """Return a reader of text of at most ``max_length`` characters, which it does not change."""

    def read(text: str) -> str:
        if len(text) > max_length or _NOT_TEXT.search(text):
            _require_utf_8(text)
            raise InvalidValue(f"must be at most {max_length} characters, in UTF-8")
        return text

    return read


def key(max_bytes: int) -> Read:
    """Return a reader of 1 to ``max_bytes`` bytes, for columns that are compared byte by byte."""

    def read(text: str) -> bytes:
        if _NOT_TEXT.search(text) or not 0 < len(text.encode()) <= max_bytes:
            _require_utf_8(text)
            raise InvalidValue(f"must be 1 to {max_bytes} bytes, in UTF-8")
        return text.encode()

    return read


def unrounded(read: Read) -> Read:
    """Return a reader that also rejects numbers that a spreadsheet has rounded, because they are no longer unique."""

    def read_unrounded(text: str) -> Value:
        if "+" in text:
            _require_all_digits(text.strip())
        return read(text)

    return read_unrounded


def chargeable_method(text: str) -> str:
    """Read a method that a charge can request."""
    if text not in CHARGEABLE_METHODS:
        raise InvalidValue(f"must be one of {', '.join(CHARGEABLE_METHODS)}")
    return text


def member_of(members: type[StrEnum]) -> Read:
    """Return a reader of the values of an enum."""

    def read(text: str) -> str:
        if text not in set(members):
            raise InvalidValue(f"must be one of {', '.join(members)}")
        return text

    return read


def _require_all_digits(text: str) -> None:
    if _ROUNDED.fullmatch(text):
        raise InvalidValue(
            "has lost digits, because a spreadsheet has rounded it: open the original file with this column as text"
        )


def _require_utf_8(text: str) -> None:
    if _NOT_UTF_8.search(text):
        raise InvalidValue("is not in UTF-8: save the file as CSV UTF-8, or convert it with iconv")
