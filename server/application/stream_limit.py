"""Limits the number of open streams, in total and for each caller."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

from server.domain.errors import TooManyWatches


class StreamLimit:
    """Counts the open streams of each caller, and limits them."""

    def __init__(self, max_streams: int, max_per_caller: int | None = None) -> None:
        """Allow ``max_streams`` streams, of which one caller may have ``max_per_caller`` (by default, a quarter)."""
        self._max_streams = max_streams
        self._max_per_caller = max(1, math.ceil(max_streams / 4)) if max_per_caller is None else max_per_caller
        self._streams_by_caller: dict[str, int] = {}
        self.open_streams = 0

    @contextmanager
    def hold(self, caller: str) -> Iterator[None]:
        """Count one stream of ``caller`` while the context lasts.

        Raises:
            TooManyWatches: the limit is reached, in total or for this caller.
        """
        streams_of_caller = self._streams_by_caller.get(caller, 0)
        if self.open_streams >= self._max_streams:
            raise TooManyWatches(f"the limit of {self._max_streams} open streams is reached; try again later")
        if streams_of_caller >= self._max_per_caller:
            raise TooManyWatches(
                f"this caller has {streams_of_caller} open streams, which is the limit; close one, or try again later"
            )
        self._streams_by_caller[caller] = streams_of_caller + 1
        self.open_streams += 1
        try:
            yield
        finally:
            self.open_streams -= 1
            self._streams_by_caller[caller] -= 1
            if not self._streams_by_caller[caller]:
                del self._streams_by_caller[caller]
