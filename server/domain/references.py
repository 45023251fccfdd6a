"""References: the names of payments for people."""

import functools
from collections.abc import Callable
from datetime import date, datetime

from server.domain.randomness import random_hex

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
