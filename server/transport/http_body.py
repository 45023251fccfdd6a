"""Bodies of HTTP requests: read whole, within a size and a time."""

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.types import Scope

from server.transport.boundary import BodyTooLarge, BodyTooSlow, ClientGone
from server.transport.http_replies import header


class BodyLimits:
    """How large a body may be, in bytes, and how long it may take to arrive, in seconds.

    All bodies have the same time, so the one that came first runs out first: one timer, for that one, serves them all.
    A timer for each, as ``asyncio.timeout`` makes it, costs as much as a sixth of a charge.
    """

    def __init__(self, max_bytes: int, timeout_seconds: float) -> None:
        """Keep the limits."""
        self._max_bytes = max_bytes
        self._timeout_seconds = timeout_seconds
        self._reading: dict[asyncio.Task[Any], float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def check_announced(self, scope: Scope) -> None:
        """Refuse a body by the length that its request announces, before any of it is read.

        Raises:
            BodyTooLarge: it is over the limit.
        """
        announced = header(scope, b"content-length")
        if announced is not None and announced.isdigit() and int(announced[:20]) > self._max_bytes:
            raise self._too_large()

    async def read(self, request: Request) -> bytes:
        """Return the body of ``request``, whose announced length was checked.

        Raises:
            BodyTooLarge, BodyTooSlow: it is over a limit; the rest of it was not read.
            ClientGone: it did not come whole.
        """
        task = asyncio.current_task()
        assert task is not None
        self._start_clock(task)
        try:
            return await self._read(request)
        except asyncio.CancelledError:
            # Still among those that are read: somebody else cancelled the call.
            if task in self._reading or task.uncancel():
                raise
            raise BodyTooSlow(f"the body must arrive within {self._timeout_seconds:g} seconds") from None
        finally:
            self._reading.pop(task, None)

    async def _read(self, request: Request) -> bytes:
        body = b""
        while True:
            part = await request.receive()
            if part["type"] == "http.disconnect":
                raise ClientGone("the connection was closed before the body was complete")
            chunk: bytes = part.get("body", b"")
            body += chunk
            if len(body) > self._max_bytes:
                raise self._too_large()
            if not part.get("more_body", False):
                return body

    def _start_clock(self, task: asyncio.Task[Any]) -> None:
        loop = asyncio.get_running_loop()
        self._reading[task] = loop.time() + self._timeout_seconds
        if self._timer is None:
            self._timer = loop.call_later(self._timeout_seconds, self._cancel_late)

    def _cancel_late(self) -> None:
        """Cancel the reads whose time has run out, and come again when the next one's does."""
        loop = asyncio.get_running_loop()
        self._timer = None
        for task, deadline in tuple(self._reading.items()):
            if deadline > loop.time():
                self._timer = loop.call_at(deadline, self._cancel_late)
                return
            del self._reading[task]
            task.cancel()

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(f"the body must be at most {self._max_bytes} bytes")
