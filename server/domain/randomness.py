"""Random names that nobody can guess."""

import os

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
