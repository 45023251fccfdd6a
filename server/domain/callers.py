"""Callers and their API keys: who makes a call, what they may do, and how they prove it.

A key is a prefix by which people and secret scanners recognize it, an id that is not secret, and 256 random bits. Only
its SHA-256 is stored: random bits cannot be guessed, so a slower hash would only cost each call time.
"""

import hashlib
import hmac
import re
import secrets
import time
from datetime import datetime
from enum import StrEnum
from typing import Self

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


KEY_PREFIX = "paykey"

_ID_BYTES = 8
_SECRET_BYTES = 32
_LENGTH = len(KEY_PREFIX) + 1 + 2 * _ID_BYTES + 1 + 2 * _SECRET_BYTES
_ID = slice(len(KEY_PREFIX) + 1, len(KEY_PREFIX) + 1 + 2 * _ID_BYTES)
_KEY_ID = re.compile(rf"[0-9a-f]{{{2 * _ID_BYTES}}}")


@value()
class NewApiKey:
    """A key that was just made: the only place, and the only time, that its ``text`` is known."""

    key_id: str
    text: str
    digest: bytes

    @classmethod
    def make(cls) -> Self:
        """Make a key."""
        key_id = secrets.token_hex(_ID_BYTES)
        text = f"{KEY_PREFIX}_{key_id}_{secrets.token_hex(_SECRET_BYTES)}"
        return cls(key_id, text, _digest(text))

    def __repr__(self) -> str:
        """Return it without its text."""
        return f"NewApiKey({self.key_id!r})"


@value()
class ApiKey:
    """What is kept of a key that was not revoked. ``expire_time`` is in UTC; None is never."""

    key_id: str
    digest: bytes
    caller: Caller
    expire_time: datetime | None

    def opens_for(self, text: str) -> bool:
        """Tell whether ``text`` is this key, and is in force now. It takes the same time for every wrong text."""
        if not hmac.compare_digest(_digest(text), self.digest):
            return False
        return self.expire_time is None or time.time() < self.expire_time.timestamp()


def key_id_of(text: str) -> str | None:
    """Return the id in a key's text; None when it does not have the form of a key."""
    return text[_ID] if len(text) == _LENGTH and text.startswith(KEY_PREFIX) else None


def is_key_id(text: str) -> bool:
    """Tell whether ``text`` could be the id of a key."""
    return _KEY_ID.fullmatch(text) is not None


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
