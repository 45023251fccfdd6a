"""How many streams may be open at the same time: in all, and for one caller."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

from server.domain.errors import TooManyWatches


class StreamLimit:
    """Counts the open streams of each caller."""

    def __init__(self, at_most: int, at_most_each: int | None = None) -> None:
        """Allow ``at_most`` streams, of which one caller may have ``at_most_each``: by default a quarter."""
        self._at_most = at_most
        self._at_most_each = max(1, math.ceil(at_most / 4)) if at_most_each is None else at_most_each
        self._of_caller: dict[str, int] = {}
        self.open_streams = 0

    @contextmanager
    def hold(self, caller: str) -> Iterator[None]:
        """Count one stream of ``caller`` while the context lasts.

        Raises:
            TooManyWatches: as many streams are open as may be, in all or of this caller.
        """
        of_caller = self._of_caller.get(caller, 0)
        if self.open_streams >= self._at_most:
            raise TooManyWatches(f"{self._at_most} streams are open, as many as there may be; try again later")
        if of_caller >= self._at_most_each:
            raise TooManyWatches(
                f"{of_caller} streams of this caller are open, as many as one caller may have; end one, or try again "
                "later"
            )
        self._of_caller[caller] = of_caller + 1
        self.open_streams += 1
        try:
            yield
        finally:
            self.open_streams -= 1
            self._of_caller[caller] -= 1
            if not self._of_caller[caller]:
                del self._of_caller[caller]
