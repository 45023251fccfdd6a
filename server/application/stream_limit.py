"""Limits the number of open streams, in total and for each caller."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from server.domain.errors import TooManyWatches


class StreamCounts(Protocol):
    """The numbers of open streams, in total and of each caller."""

    def add(self, caller: str, change: int) -> tuple[int, int]:
        """Count streams of ``caller`` that were opened (1) or closed (-1), and return the new total, and the caller's.

        If several processes count together, the caller's number may be too high, but never too low.
        """


class LocalStreamCounts:
    """The streams of this process."""

    def __init__(self) -> None:
        """Start without streams."""
        self._total = 0
        self._by_caller: dict[str, int] = {}

    def add(self, caller: str, change: int) -> tuple[int, int]:
        """Count streams: see ``StreamCounts``."""
        self._total += change
        of_caller = self._by_caller.get(caller, 0) + change
        if of_caller:
            self._by_caller[caller] = of_caller
        else:
            del self._by_caller[caller]
        return self._total, of_caller


class StreamLimit:
    """Limits the open streams of each caller, and of all. ``open_streams`` is the number in this process."""

    def __init__(
        self, max_streams: int, max_per_caller: int | None = None, *, counts: StreamCounts | None = None
    ) -> None:
        """Allow ``max_streams`` streams, of which one caller may have ``max_per_caller`` (by default, a quarter).

        ``counts`` has the streams that are limited; by default, those of this process.
        """
        self.max_streams = max_streams
        self._max_per_caller = max(1, math.ceil(max_streams / 4)) if max_per_caller is None else max_per_caller
        self._counts = LocalStreamCounts() if counts is None else counts
        self.open_streams = 0

    @contextmanager
    def hold(self, caller: str) -> Iterator[None]:
        """Count one stream of ``caller`` while the context lasts.

        Raises:
            TooManyWatches: the limit is reached, in total or for this caller.
        """
        # Counted before it is checked, so that two processes that open a stream at once never both get the last one.
        total, of_caller = self._counts.add(caller, 1)
        try:
            if total > self.max_streams:
                raise TooManyWatches(f"the limit of {self.max_streams} open streams is reached; try again later")
            if of_caller > self._max_per_caller:
                raise TooManyWatches(
                    f"this caller has {of_caller - 1} open streams, which is the limit; close one, or try again later"
                )
            self.open_streams += 1
            try:
                yield
            finally:
                self.open_streams -= 1
        finally:
            self._counts.add(caller, -1)
