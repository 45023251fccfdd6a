"""Request ids, which make a call safe to retry (AIP-155), and references, which identify payments to people."""

import functools
import hashlib
import os
from collections.abc import Callable
from datetime import date, datetime
from typing import Self

from server.domain.errors import InvalidValue
from server.domain.value import value

_POOL_BYTES = 4096


class _RandomBytes:
    """Random bytes from the system, read in large chunks because a small read costs as much as the rest of a charge."""

    def __init__(self) -> None:
        self._bytes = b""
        self._used = 0

    def take(self, count: int) -> bytes:
        if self._used + count > len(self._bytes):
            self._bytes = os.urandom(_POOL_BYTES)
            self._used = 0
        self._used += count
        return self._bytes[self._used - count : self._used]


_random_bytes = _RandomBytes()


def random_hex(byte_count: int) -> str:
    """Return ``byte_count`` random bytes from the operating system's secure source, in hexadecimal."""
    return _random_bytes.take(byte_count).hex()


MAX_REQUEST_ID_LENGTH = 255
_GENERATED_BYTES = 16


@value()
class RequestKey:
    """Identifies one intended charge or refund of one caller.

    ``generated`` means that the caller gave no request_id and the service generated one. Such a call is never a retry.
    """

    caller: str
    request_id: str
    generated: bool

    @classmethod
    def of(cls, caller: str, request_id: str | None) -> Self:
        """Return the key of a call. If the caller gave no ``request_id`` (None), one is generated.

        Raises:
            InvalidValue: the request_id is not 1 to 255 printable ASCII characters.
        """
        if request_id is None:
            return cls(caller, random_hex(_GENERATED_BYTES), generated=True)
        if not (0 < len(request_id) <= MAX_REQUEST_ID_LENGTH and request_id.isascii() and request_id.isprintable()):
            raise InvalidValue(f"must be 1 to {MAX_REQUEST_ID_LENGTH} printable ASCII characters, or left out")
        return cls(caller, request_id, generated=False)


def derive_request_id(key: str, field: str, position: int) -> str:
    """Derive the request_id of a batch item from the ``key`` of its request: the item at ``position`` in ``field``.

    The key is hashed because it may already have the maximum length of a request_id, and so that a derived request_id
    never equals ``key`` itself. Request_ids are stored forever, so this format must never change.
    """
    return f"{hashlib.sha256(key.encode()).hexdigest()}.{field}[{position}]"


_SUFFIX_BYTES = 10
"""80 random bits: among 10^9 payments with the same prefix, the chance of any collision is below one in a million."""


def reference_maker(prefix: str) -> Callable[[datetime], str]:
    """Return a function that generates a reference for a payment with a given time.

    A reference is ``prefix``, a dash, and 20 upper-case hexadecimal digits, such as
    ``ECI20250910-1A2B3C4D5E6F708192A3``. ``{date}`` in the prefix is replaced by the payment's day (``YYYYMMDD``, UTC).
    """

    @functools.lru_cache(maxsize=2)
    def prefix_of(day: date) -> str:
        return prefix.format(date=f"{day:%Y%m%d}")

    def new_reference(create_time: datetime) -> str:
        return f"{prefix_of(create_time.date())}-{random_hex(_SUFFIX_BYTES).upper()}"

    return new_reference
