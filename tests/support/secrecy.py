"""What no service of the tests may print, and no metric show. ``RunningService`` looks for it in all that it reads."""

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
"""Numbers that the networks publish for tests, or that are made like them. Tests send them where none belongs."""

FORMS = {
    "an API key": re.compile(rf"{KEY_PREFIX}_[0-9a-f]{{16}}_[0-9a-f]{{64}}"),
    "a key of the processor": re.compile(r"\bsk_(test|live)_\w+"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a password in a URL": re.compile(r"\b\w+://[^/\s:@]*:[^/\s@]+@"),
    "a card number of the tests": re.compile("|".join(rf"(?<![0-9A-Za-z]){it}(?![0-9A-Za-z])" for it in CARD_NUMBERS)),
}
"""What a secret looks like, by its name. A new kind of secret has a line here."""

_values: set[str] = set()


def keep_secret(value: str) -> None:
    """Have every service of the tests fail that prints ``value``: a password, say, that this run made."""
    _values.add(value)


def secrets_in(lines: Iterable[str]) -> list[str]:
    """Return what in ``lines`` should not be there, each with its line."""
    return [
        f"{name}: {line}"
        for line in lines
        for name in (
            *(name for name, form in FORMS.items() if form.search(line)),
            *("a secret value" for value in _values if value in line),
        )
    ]
