"""Secrets that must not appear in logs or metrics. ``RunningService`` searches the output of every service for them."""

import re
from collections.abc import Iterable

from server.domain.callers import KEY_PREFIX

CARD_NUMBERS = (
    "4111111111111111",
    "4222222222222",
    "5555555555554444",
    "2223003122003222",
    "378282246310005",
    "6011111111111117",
    "3530111333300000",
    "30569309025904",
    "6521111111111110",
)
"""Test numbers of the card networks, and numbers in the same form. Tests send them in fields for other values."""

PATTERNS = {
    "an API key": re.compile(rf"{KEY_PREFIX}_[0-9a-f]{{16}}_[0-9a-f]{{64}}"),
    "a key of the processor": re.compile(r"\bsk_(test|live)_\w+"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a password in a URL": re.compile(r"\b\w+://[^/\s:@]*:[^/\s@]+@"),
    "a card number of the tests": re.compile("|".join(rf"(?<![0-9A-Za-z]){it}(?![0-9A-Za-z])" for it in CARD_NUMBERS)),
}
"""The pattern of each kind of secret, by its name. Add new kinds of secrets here."""

_values: set[str] = set()


def register_secret(value: str) -> None:
    """Fail every test whose service prints ``value``, such as a generated password."""
    _values.add(value)


def secrets_in(lines: Iterable[str]) -> list[str]:
    """Return the kind of each secret in ``lines``, with its line."""
    return [
        f"{name}: {line}"
        for line in lines
        for name in (
            *(name for name, pattern in PATTERNS.items() if pattern.search(line)),
            *("a secret value" for value in _values if value in line),
        )
    ]
