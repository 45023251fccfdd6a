"""Callers: who makes a call, and what they may do."""

import re
from enum import StrEnum

from server.domain.errors import InvalidValue
from server.domain.value import value

ANONYMOUS = "anonymous"
"""The name of all callers who do not say who they are; nobody else may have it."""

_NAME = re.compile(r"[!-~]([ -~]{0,253}[!-~])?")


class Role(StrEnum):
    """What a caller may be allowed to do."""

    CHARGE = "payments.charge"
    REFUND = "payments.refund"
    READ = "payments.read"


@value()
class Caller:
    """One who calls: request_ids are their own, and payments and refunds are recorded under their name."""

    name: str
    roles: frozenset[Role]


def caller_name(text: str) -> str:
    """Return ``text``, the name of a caller who has proved to be it.

    Raises:
        InvalidValue: no caller can have this name.
    """
    if text == ANONYMOUS:
        raise InvalidValue(f"must not be {ANONYMOUS}, which is the name of those who do not say who they are")
    if not _NAME.fullmatch(text):
        raise InvalidValue("must be 1 to 255 printable ASCII characters, without a space at either end")
    return text
