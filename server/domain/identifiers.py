"""Request ids, which make a call safe to repeat (AIP-155), and references, by which people name a payment."""

import functools
import hashlib
import os
from collections.abc import Callable
from datetime import date, datetime
from typing import Self

from server.domain.errors import InvalidValue
from server.domain.value import value

_POOL_BYTES = 4096


class _Pool:
    """The system's random bytes, fetched many at a time: asking for few costs as much as a charge's other parts."""

    def __init__(self) -> None:
        self._bytes = b""
        self._used = 0

    def take(self, count: int) -> bytes:
        if self._used + count > len(self._bytes):
            self._bytes = os.urandom(_POOL_BYTES)
            self._used = 0
        self._used += count
        return self._bytes[self._used - count : self._used]


_pool = _Pool()


def random_hex(byte_count: int) -> str:
    """Return ``byte_count`` random bytes, from the system's source for secrets, as twice as many hexadecimal digits."""
    return _pool.take(byte_count).hex()


MAX_REQUEST_ID_LENGTH = 255
_GENERATED_BYTES = 16


@value()
class RequestKey:
    """Names one intended charge or refund of one caller.

    ``generated`` tells that the caller gave no request_id, so that the service made one: the call cannot be a repeat.
    """

    caller: str
    request_id: str
    generated: bool

    @classmethod
    def of(cls, caller: str, request_id: str | None) -> Self:
        """Make the key of a call; None stands for a request_id that was not given.

        Raises:
            InvalidValue: the request_id is not 1 to 255 printable ASCII characters.
        """
        if request_id is None:
            return cls(caller, random_hex(_GENERATED_BYTES), generated=True)
        if not (0 < len(request_id) <= MAX_REQUEST_ID_LENGTH and request_id.isascii() and request_id.isprintable()):
            raise InvalidValue(f"must be 1 to {MAX_REQUEST_ID_LENGTH} printable ASCII characters, or left out")
        return cls(caller, request_id, generated=False)


def derived_request_id(key: str, part: str, position: int) -> str:
    """Derive the request_id of one item of a batch: the item at ``position`` in the field ``part``.

    The key is hashed because it may already be as long as a request_id can be, and so that a derived request_id never
    equals ``key`` itself. Request_ids are stored forever, so this format must never change.
    """
    return f"{hashlib.sha256(key.encode()).hexdigest()}.{part}[{position}]"


_SUFFIX_BYTES = 10
"""80 random bits: among 10^9 payments with one prefix, the chance of any collision is below one in a million."""


def reference_maker(prefix: str) -> Callable[[datetime], str]:
    """Return a function that makes a new reference for a payment of a given time.

    ``prefix`` starts each of them; ``{date}`` in it stands for the payment's day (``YYYYMMDD``, UTC). A dash and 20
    upper-case hexadecimal digits follow, as in ``ECI20250910-1A2B3C4D5E6F708192A3``.
    """

    @functools.lru_cache(maxsize=2)
    def prefix_of(day: date) -> str:
        return prefix.format(date=f"{day:%Y%m%d}")

    def new_reference(create_time: datetime) -> str:
        return f"{prefix_of(create_time.date())}-{random_hex(_SUFFIX_BYTES).upper()}"

    return new_reference
