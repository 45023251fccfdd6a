"""Read the bodies of HTTP requests within limits of size and time."""

import asyncio

from starlette.requests import Request
from starlette.types import Scope

from server.transport.headers import header
from server.transport.pipeline.errors import BodyTooLarge, BodyTooSlow, ClientGone
from server.transport.pipeline.time_limit import TimeLimit


class BodyLimits:
    """Limits the size of a body, and the time that it may take to arrive."""

    def __init__(self, max_bytes: int, timeout_seconds: float) -> None:
        """Set the limits."""
        self._max_bytes = max_bytes
        self._time_limit = TimeLimit(timeout_seconds)

    def check_content_length(self, scope: Scope) -> None:
        """Check the Content-Length of a request, before any of its body is read.

        Raises:
            BodyTooLarge: it exceeds the limit.
        """
        length = header(scope, b"content-length")
        if length is not None and length.isdigit() and int(length[:20]) > self._max_bytes:
            raise self._too_large_error()

    async def read(self, request: Request) -> bytes:
        """Return the body of ``request``, whose Content-Length has been checked.

        Raises:
            BodyTooLarge, BodyTooSlow: the body exceeds a limit; the rest of it was not read.
            ClientGone: the client closed the connection before the end of the body.
        """
        task = self._time_limit.start()
        try:
            return await self._read(request)
        except asyncio.CancelledError:
            if not self._time_limit.timed_out(task):
                raise
            raise BodyTooSlow(f"the body must arrive within {self._time_limit.seconds:g} seconds") from None
        finally:
            self._time_limit.stop(task)

    async def _read(self, request: Request) -> bytes:
        body = b""
        while True:
            part = await request.receive()
            if part["type"] == "http.disconnect":
                raise ClientGone("the connection was closed before the body was complete")
            chunk: bytes = part.get("body", b"")
            body += chunk
            if len(body) > self._max_bytes:
                raise self._too_large_error()
            if not part.get("more_body", False):
                return body

    def _too_large_error(self) -> BodyTooLarge:
        return BodyTooLarge(f"the body must be at most {self._max_bytes} bytes")
