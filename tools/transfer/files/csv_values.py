"""Readers of CSV fields: each takes the text of a field and returns its value.

Every reader raises ``InvalidValue``, whose description says what is allowed.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, tzinfo
from decimal import Decimal

from server.domain.errors import InvalidValue
from server.domain.payment import CHARGEABLE_METHODS, Status
from server.storage.payments.codec import STATUS_VALUES
from tools.transfer.files.local_times import instant_of, start_of_day

Value = int | str | bytes | Decimal | datetime | None
Read = Callable[[str], Value]

STATUS_WORDS = {Status.PENDING: "PENDING", Status.SUCCEEDED: "SUCCESS", Status.FAILED: "FAILED"}
"""The legacy CSV's words."""

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_NUMBER = re.compile(r"[+-]?[0-9]{1,20}(\.[0-9]{1,20})?")
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_FLAGS = {"0": 0, "false": 0, "no": 0, "1": 1, "true": 1, "yes": 1}
_STATUSES = {word: STATUS_VALUES[status] for status, word in STATUS_WORDS.items()} | {"SUCCEEDED": 1}
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_NOT_TEXT = re.compile("[\x00\ud800-\udfff]")
_MAX_INTEGER = 2**63 - 1
_SURE_DIGITS = 19
"""With fewer digits, a number has less than 64 bits."""

_MIN_TIME = datetime(1000, 1, 1)  # noqa: DTZ001 - as the column has it, in UTC without saying so
"""The first one that the column is sure to hold."""


def optional(read: Read) -> Read:
    """Return a reader for which an empty field is no value."""
    return lambda text: read(text) if text else None


def integer(text: str) -> int:
    """Read a whole number of 64 bits."""
    if len(text) < _SURE_DIGITS and text.isascii() and text.isdecimal():
        return int(text)
    stripped = text.strip()
    if _INTEGER.fullmatch(stripped):
        value = int(stripped)
        if -_MAX_INTEGER <= value <= _MAX_INTEGER:
            return value
    raise InvalidValue("must be a whole number")


def decimal(text: str) -> Decimal:
    """Read a decimal number, exactly."""
    stripped = text.strip()
    if _NUMBER.fullmatch(stripped):
        return Decimal(stripped)
    raise InvalidValue("must be a number such as 561.00, with a point before the decimals")


def flag(text: str) -> int:
    """Read a yes or no."""
    value = _FLAGS.get(text.strip().lower())
    if value is None:
        raise InvalidValue("must be 0 or 1")
    return value


def status(text: str) -> int | None:
    """Read a status, as the status columns hold it."""
    word = text if text in _STATUSES else text.strip().upper()
    if word in _STATUSES:
        return _STATUSES[word]
    raise InvalidValue("must be SUCCESS, FAILED or PENDING")


def time_in(zone: tzinfo) -> Callable[[str], datetime]:
    """Return a reader of times, whose values are in UTC and have no time zone, as the columns do.

    Times without an offset are in ``zone``. A date alone is the first moment of that day.
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
        raise InvalidValue("must be a time such as 2025-02-07 05:28:54")

    return time


def is_date(text: str) -> bool:
    """Tell whether a time is a date alone."""
    return _DATE.fullmatch(text) is not None


def printable_text(most: int) -> Read:
    """Return a reader of text of 1 to ``most`` characters, without control characters."""

    def read(text: str) -> str:
        stripped = text.strip()
        # The first question is much the cheaper, and nearly all text answers it.
        if 0 < len(stripped) <= most and stripped.isprintable():
            return stripped
        if not 0 < len(stripped) <= most or _UNPRINTABLE.search(stripped):
            raise InvalidValue(f"must be 1 to {most} characters, in UTF-8 and without control characters")
        return stripped

    return read


def exact_text(most: int) -> Read:
    """Return a reader of at most ``most`` characters, kept as they are."""

    def read(text: str) -> str:
        if len(text) > most or _NOT_TEXT.search(text):
            raise InvalidValue(f"must be at most {most} characters, in UTF-8")
        return text

    return read


def key(most: int) -> Read:
    """Return a reader of 1 to ``most`` bytes, which are compared byte for byte."""

    def read(text: str) -> bytes:
        if _NOT_TEXT.search(text) or not 0 < len(text.encode()) <= most:
            raise InvalidValue(f"must be 1 to {most} bytes, in UTF-8")
        return text.encode()

    return read


def chargeable_method(text: str) -> str:
    """Read a method that a charge can name."""
    if text not in CHARGEABLE_METHODS:
        raise InvalidValue(f"must be one of {', '.join(CHARGEABLE_METHODS)}")
    return text
