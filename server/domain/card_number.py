"""Detection of card numbers. The service needs none, but a caller may send one by mistake.

A number counts as a card number if it has the length and prefix of a card network (ISO/IEC 7812), a valid Luhn check
digit, and no letter or digit next to it. Some numbers that are not card numbers match as well.
"""

import re

REDACTED = "[card number]"
"""The text that replaces a card number."""

_CANDIDATE = re.compile(
    r"(?<![0-9A-Za-z])(?:\d{13,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{4}|3\d{3}([ -])\d{6}\2\d{4,5})(?![0-9A-Za-z])", re.ASCII
)
_NETWORKS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"  # Visa
    r"|5[1-5]\d{14}|2[2-7]\d{14}"  # Mastercard
    r"|3[47]\d{13}"  # American Express
    r"|3[068]\d{12}|3[0689]\d{14}"  # Diners Club
    r"|35\d{14}"  # JCB
    r"|6\d{15}|6\d{18}|5[06-8]\d{14}|5[06-8]\d{11}|5[06-8]\d{17}"  # Discover, RuPay, UnionPay, Maestro
    r"|8[12]\d{14}",  # RuPay
    re.ASCII,
)


def has_card_number(text: str) -> bool:
    """Return whether ``text`` contains something that looks like a card number."""
    return any(_is_card_number(match[0]) for match in _CANDIDATE.finditer(text))


def without_card_numbers(text: str) -> str:
    """Return ``text`` with everything that looks like a card number replaced by ``REDACTED``."""
    return _CANDIDATE.sub(lambda match: REDACTED if _is_card_number(match[0]) else match[0], text)


def _is_card_number(text: str) -> bool:
    digits = text.replace(" ", "").replace("-", "")
    return _NETWORKS.fullmatch(digits) is not None and _luhn_sum(digits) % 10 == 0


def _luhn_sum(digits: str) -> int:
    doubles = (2 * int(digit) for digit in digits[-2::-2])
    return sum(map(int, digits[::-2])) + sum(it - 9 if it > 9 else it for it in doubles)  # noqa: PLR2004 - the sum of two digits
