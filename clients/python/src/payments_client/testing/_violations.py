"""The invalid fields of a request, which are collected and rejected as one error."""

import re
import unicodedata
from collections.abc import Sequence

from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money

from payments_client.testing._errors import invalid_request
from payments_client.testing._money import NANOS_PER_UNIT, total_nanos, violation_of

MAX_NAME_LENGTH = 100
"""The most characters of a reference, or of a name that the caller gives."""

_MAX_IDENTIFIER_LENGTH = 255
_MAX_URL_LENGTH = 2048
_MAX_FILTER_VALUES = 20
_HTTPS_URL = re.compile(r"https://[!-~]+")
_CALLER_NAME = re.compile(r"[!-~]([ -~]{0,253}[!-~])?")
_MIN_SECONDS, _MAX_SECONDS = -62_135_596_800, 253_402_300_799
"""The years 1 to 9999, the range of google.protobuf.Timestamp."""


class Violations:
    """Checks the fields of one request. Each check records a violation if the field is invalid."""

    def __init__(self) -> None:
        """Start without violations."""
        self._violations: list[tuple[str, str]] = []

    def reject_if_any(self) -> None:
        """Reject the request if there are violations."""
        if self._violations:
            raise invalid_request(self._violations)

    def add(self, field: str, description: str) -> None:
        """Record a violation. The description says what is allowed."""
        self._violations.append((field, description))

    def payment_id(self, payment_id: int) -> None:
        """Check the id of a payment."""
        if payment_id < 1:
            self.add("payment_id", "must be 1 or more")

    def page_size(self, size: int) -> None:
        """Check the size of a page."""
        if size < 0:
            self.add("page_size", "must be 0 (which means 50) to 1000")

    def request_id(self, field: str, request_id: str) -> None:
        """Check an idempotency key."""
        length = len(request_id)
        if not (0 < length <= _MAX_IDENTIFIER_LENGTH and request_id.isascii() and request_id.isprintable()):
            self.add(field, f"must be 1 to {_MAX_IDENTIFIER_LENGTH} printable ASCII characters, or left out")

    def length(self, field: str, text: str, max_length: int = MAX_NAME_LENGTH) -> None:
        """Check that a text is not empty and not too long."""
        if not 0 < len(text) <= max_length:
            self.add(field, f"must be 1 to {max_length} characters")

    def name(self, field: str, name: str) -> None:
        """Check a name that the caller gives to an order or a customer."""
        if not name or not is_text(name, MAX_NAME_LENGTH):
            self.add(field, f"must be 1 to {MAX_NAME_LENGTH} characters, without control characters")

    def https_url(self, field: str, url: str) -> None:
        """Check a URL that the payer's browser opens."""
        if len(url) > _MAX_URL_LENGTH or not _HTTPS_URL.fullmatch(url):
            self.add(field, f"must be an https URL of at most {_MAX_URL_LENGTH} characters")

    def caller(self, field: str, name: str) -> None:
        """Check the name of a caller."""
        if not _CALLER_NAME.fullmatch(name):
            self.add(field, "must be 1 to 255 printable ASCII characters, without a space at either end")

    def amount(self, field: str, money: Money, currency: str) -> None:
        """Check an amount, which may be zero or negative, in a currency."""
        if violation := violation_of(money, currency):
            part, description = violation
            self.add(f"{field}.{part}", description)

    def positive_amount(self, field: str, money: Money, currency: str) -> None:
        """Check an amount of more than zero in a currency."""
        if violation_of(money, currency):
            self.amount(field, money, currency)
        elif total_nanos(money) <= 0:
            self.add(field, "must be more than zero")

    def enum_values(self, field: str, numbers: Sequence[int], values: Sequence[tuple[str, int]]) -> None:
        """Check some values of an enum. ``values`` are all its values, of which the first, UNSPECIFIED, is invalid."""
        allowed = {number: name for name, number in values[1:]}
        if len(numbers) > _MAX_FILTER_VALUES:
            self.add(field, f"must have at most {_MAX_FILTER_VALUES} values")
        elif not allowed.keys() >= set(numbers):
            self.add(field, f"must be one of {', '.join(allowed.values())}")

    def time(self, field: str, time: Timestamp) -> None:
        """Check a time."""
        if not _MIN_SECONDS <= time.seconds <= _MAX_SECONDS:
            self.add(f"{field}.seconds", "must be between 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999999999Z")
        if not 0 <= time.nanos < NANOS_PER_UNIT:
            self.add(f"{field}.nanos", "must be between 0 and 999,999,999")


def is_text(text: str, max_length: int) -> bool:
    """Return whether a text is not too long and has no control characters."""
    return len(text) <= max_length and not any(unicodedata.category(character) == "Cc" for character in text)
