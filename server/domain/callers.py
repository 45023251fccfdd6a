"""Callers, their roles, and their API keys.

A key consists of a prefix that people and secret scanners recognize, an id that is not secret, and 256 random bits.
Only the SHA-256 digest of a key is stored. A slower hash would add no security, because random bits cannot be guessed,
but would make every call slower.
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
"""The name shared by all callers without credentials. No other caller may have it."""

_NAME = re.compile(r"[!-~]([ -~]{0,253}[!-~])?")


class Role(StrEnum):
    """A permission that a caller can have."""

    CHARGE = "payments.charge"
    REFUND = "payments.refund"
    READ = "payments.read"
    AUDIT = "payments.audit"


CALLING_ROLES = frozenset({Role.CHARGE, Role.REFUND, Role.READ})
"""The roles that let a caller use every RPC. AUDIT also shows the request_ids of other callers."""


@value()
class Caller:
    """An authenticated or anonymous caller.

    Payments and refunds are recorded under the caller's name. A request_id is unique only within its caller.
    """

    name: str
    roles: frozenset[Role]

    def sees_request_ids_of(self, name: str) -> bool:
        """Return whether it may see, and search for, the request_ids of the caller with this name."""
        return name == self.name or Role.AUDIT in self.roles


NOBODY = Caller("", frozenset())
"""The caller of a call that is not authenticated yet."""


def caller_name(text: str) -> str:
    """Return ``text`` if it is a valid name for an authenticated caller.

    Raises:
        InvalidValue: it is not.
    """
    if text == ANONYMOUS:
        raise InvalidValue(f"must not be {ANONYMOUS}, the name reserved for callers without credentials")
    return searched_caller_name(text)


def searched_caller_name(text: str) -> str:
    """Return ``text`` if it can be the name of the caller of a payment, which may be anonymous.

    Raises:
        InvalidValue: it cannot.
    """
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
    """A newly generated key. Its ``text`` exists only here, because only the digest is stored."""

    key_id: str
    text: str
    digest: bytes

    @classmethod
    def generate(cls) -> Self:
        """Generate a key."""
        key_id = secrets.token_hex(_ID_BYTES)
        text = f"{KEY_PREFIX}_{key_id}_{secrets.token_hex(_SECRET_BYTES)}"
        return cls(key_id, text, _digest(text))

    def __repr__(self) -> str:
        """Return the key without its text, which is secret."""
        return f"NewApiKey({self.key_id!r})"


@value()
class ApiKey:
    """A stored key that has not been revoked. ``expire_time`` is in UTC; None means that the key never expires."""

    key_id: str
    digest: bytes
    caller: Caller
    expire_time: datetime | None

    def matches(self, text: str) -> bool:
        """Return whether ``text`` is this key and the key has not expired. The comparison takes constant time."""
        if not hmac.compare_digest(_digest(text), self.digest):
            return False
        return self.expire_time is None or time.time() < self.expire_time.timestamp()


def key_id_of(text: str) -> str | None:
    """Return the id in the text of a key, or None if the text does not have the prefix and length of a key."""
    return text[_ID] if len(text) == _LENGTH and text.startswith(KEY_PREFIX) else None


def is_key_id(text: str) -> bool:
    """Return whether ``text`` has the format of a key id."""
    return _KEY_ID.fullmatch(text) is not None


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
