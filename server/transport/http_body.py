"""Bodies of HTTP requests: read whole, within a size and a time."""

import asyncio
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request

from server.transport.boundary import BodyTooLarge, BodyTooSlow, ClientGone


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """How large a body may be, in bytes, and how long it may take to arrive, in seconds."""

    max_bytes: int
    timeout_seconds: float

    def check_announced(self, request: Request) -> None:
        """Refuse a body by the length that its request announces, before any of it is read.

        Raises:
            BodyTooLarge: it is over the limit.
        """
        announced = request.headers.get("content-length", "")
        if announced.isascii() and announced.isdigit() and int(announced[:20]) > self.max_bytes:
            raise self._too_large()

    async def read(self, request: Request) -> bytes:
        """Return the body of ``request``.

        Raises:
            BodyTooLarge, BodyTooSlow: it is over a limit; the rest of it was not read.
            ClientGone: it did not come whole.
        """
        self.check_announced(request)
        body = bytearray()
        try:
            async with asyncio.timeout(self.timeout_seconds):
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > self.max_bytes:
                        raise self._too_large()
        except TimeoutError:
            raise BodyTooSlow(f"the body must arrive within {self.timeout_seconds:g} seconds") from None
        except ClientDisconnect:
            raise ClientGone("the connection was closed before the body was complete") from None
        return bytes(body)

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(f"the body must be at most {self.max_bytes} bytes")
