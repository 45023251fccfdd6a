"""Calls in progress: how many there are, how many there may be, and when the last has ended."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from server.domain.errors import Overloaded, ShuttingDown


class CallsInProgress:
    """Counts calls, up to a bound."""

    def __init__(self, at_most: int) -> None:
        """Let in ``at_most`` calls at the same time."""
        self._at_most = at_most
        self._count = 0
        self._closed = False
        self._none = asyncio.Event()
        self._none.set()

    @contextmanager
    def one(self) -> Iterator[None]:
        """Count one call, for as long as it lasts.

        Raises:
            ShuttingDown: no more are let in.
            Overloaded: there are as many as there may be.
        """
        if self._closed:
            raise ShuttingDown("the service is shutting down; try again, another replica may answer")
        if self._count >= self._at_most:
            raise Overloaded(f"{self._at_most} calls are in progress, as many as are taken on at once; try again soon")
        self._count += 1
        self._none.clear()
        try:
            yield
        finally:
            self._count -= 1
            if not self._count:
                self._none.set()

    def close(self) -> None:
        """Let in no more."""
        self._closed = True

    async def ended(self) -> None:
        """Wait until there is none."""
        await self._none.wait()
