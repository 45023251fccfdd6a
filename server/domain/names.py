"""The caller's own names of a payment: an external reference, a customer, and labels. The service never logs them."""

import unicodedata
from collections.abc import Mapping

from server.domain.errors import InvalidValue
from server.domain.value import value

MAX_NAME_LENGTH = 100
MAX_LABELS = 16
MAX_LABEL_KEY_LENGTH = 40
MAX_LABEL_VALUE_LENGTH = 100

Labels = tuple[tuple[str, str], ...]
"""Pairs of a key and a value, sorted by key."""


@value()
class Names:
    """The names that a caller gave to a payment. None means that it gave none."""

    external_reference: str | None = None
    customer_id: str | None = None
    labels: Labels = ()

    def without_customer(self) -> "Names":
        """Return the names that remain after the customer and the labels were erased."""
        return Names(self.external_reference)

    def __repr__(self) -> str:
        """Leave out the names, which may be personal data."""
        return "Names(...)"


NO_NAMES = Names()


def name(text: str) -> str:
    """Return ``text`` if it is a valid external reference or customer. Spaces at its ends are kept.

    Raises:
        InvalidValue: it does not have 1 to 100 characters, or has control characters.
    """
    if not 0 < len(text) <= MAX_NAME_LENGTH or has_control_characters(text):
        raise InvalidValue(f"must be 1 to {MAX_NAME_LENGTH} characters, without control characters")
    return text


def labels(pairs: Mapping[str, str]) -> Labels:
    """Return labels, sorted by key.

    Raises:
        InvalidValue: there are more than 16, or a key or value is too long, or has control characters, or a key is
            empty.
    """
    if len(pairs) > MAX_LABELS:
        raise InvalidValue(f"must have at most {MAX_LABELS} labels")
    for key, text in pairs.items():
        if not 0 < len(key) <= MAX_LABEL_KEY_LENGTH or has_control_characters(key):
            raise InvalidValue(f"keys must be 1 to {MAX_LABEL_KEY_LENGTH} characters, without control characters")
        if len(text) > MAX_LABEL_VALUE_LENGTH or has_control_characters(text):
            raise InvalidValue(
                f"values must be at most {MAX_LABEL_VALUE_LENGTH} characters, without control characters"
            )
    return tuple(sorted(pairs.items()))


def has_control_characters(text: str) -> bool:
    """Return whether ``text`` has control characters, which break tables, files and terminals."""
    return any(unicodedata.category(character) == "Cc" for character in text)
