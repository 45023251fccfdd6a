"""Read the bodies of HTTP requests, within a size and a time."""

import asyncio

from starlette.requests import Request
from starlette.types import Scope

from server.transport.headers import header
from server.transport.pipeline.errors import BodyTooLarge, BodyTooSlow, ClientGone
from server.transport.pipeline.time_limit import TimeLimit


class BodyLimits:
    """How large a body may be, in bytes, and how long it may take to arrive, in seconds."""

    def __init__(self, max_bytes: int, timeout_seconds: float) -> None:
        """Keep the limits."""
        self._max_bytes = max_bytes
        self._time = TimeLimit(timeout_seconds)

    def check_announced(self, scope: Scope) -> None:
        """Check the Content-Length of a request, before any of its body is read.

        Raises:
            BodyTooLarge: it is over the limit.
        """
        announced = header(scope, b"content-length")
        if announced is not None and announced.isdigit() and int(announced[:20]) > self._max_bytes:
            raise self._too_large()

    async def read(self, request: Request) -> bytes:
        """Return the body of ``request``, whose Content-Length was checked.

        Raises:
            BodyTooLarge, BodyTooSlow: it is over a limit; the rest of it was not read.
            ClientGone: the client closed the connection before the end of it.
        """
        task = self._time.start()
        try:
            return await self._read(request)
        except asyncio.CancelledError:
            if not self._time.has_run_out(task):
                raise
            raise BodyTooSlow(f"the body must arrive within {self._time.seconds:g} seconds") from None
        finally:
            self._time.stop(task)

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

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(f"the body must be at most {self._max_bytes} bytes")
