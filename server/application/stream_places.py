"""How many streams may be open at the same time: in all, and of one caller."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

from server.domain.errors import TooManyWatches


class StreamPlaces:
    """The places that open streams hold."""

    def __init__(self, at_most: int, at_most_each: int | None = None) -> None:
        """Have ``at_most`` places, of which one caller may hold ``at_most_each``: a quarter, unless it is given."""
        self._at_most = at_most
        self._at_most_each = max(1, math.ceil(at_most / 4)) if at_most_each is None else at_most_each
        self._held: dict[str, int] = {}
        self.taken = 0

    @contextmanager
    def hold(self, caller: str) -> Iterator[None]:
        """Hold a place of ``caller`` for as long as this lasts.

        Raises:
            TooManyWatches: all places are taken, or as many as one caller may hold.
        """
        held = self._held.get(caller, 0)
        if self.taken >= self._at_most:
            raise TooManyWatches(f"{self._at_most} streams are open, as many as there may be; try again later")
        if held >= self._at_most_each:
            raise TooManyWatches(
                f"{held} streams of this caller are open, as many as one caller may have; end one, or try again later"
            )
        self._held[caller] = held + 1
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1
            self._held[caller] -= 1
            if not self._held[caller]:
                del self._held[caller]
