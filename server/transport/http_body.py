"""Bodies of HTTP requests: read whole, within a size and a time."""

import asyncio
from dataclasses import dataclass

from starlette.requests import Request
from starlette.types import Scope

from server.transport.boundary import BodyTooLarge, BodyTooSlow, ClientGone
from server.transport.http_replies import header


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """How large a body may be, in bytes, and how long it may take to arrive, in seconds."""

    max_bytes: int
    timeout_seconds: float

    def check_announced(self, scope: Scope) -> None:
        """Refuse a body by the length that its request announces, before any of it is read.

        Raises:
            BodyTooLarge: it is over the limit.
        """
        announced = header(scope, b"content-length")
        if announced is not None and announced.isdigit() and int(announced[:20]) > self.max_bytes:
            raise self._too_large()

    async def read(self, request: Request) -> bytes:
        """Return the body of ``request``.

        Raises:
            BodyTooLarge, BodyTooSlow: it is over a limit; the rest of it was not read.
            ClientGone: it did not come whole.
        """
        body = b""
        try:
            async with asyncio.timeout(self.timeout_seconds):
                while True:
                    part = await request.receive()
                    if part["type"] == "http.disconnect":
                        raise ClientGone("the connection was closed before the body was complete")
                    chunk: bytes = part.get("body", b"")
                    body += chunk
                    if len(body) > self.max_bytes:
                        raise self._too_large()
                    if not part.get("more_body", False):
                        return body
        except TimeoutError:
            raise BodyTooSlow(f"the body must arrive within {self.timeout_seconds:g} seconds") from None

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(f"the body must be at most {self.max_bytes} bytes")
