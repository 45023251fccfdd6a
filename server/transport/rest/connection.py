"""HTTP/1.1 connections: who is at their other end, and what they may cost.

That is how many there are, how large a head is, and how long it takes.

The parser (llhttp) bounds nothing of it, nor does uvicorn, which waits for ever for the end of a head, and for a client
that takes no reply.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from server.observability.logs import RepeatedWarning
from server.transport.pipeline.certificates import certificate_of_http_peer
from server.transport.rest.gateway.endpoints import CERTIFICATE

_AROUND_HEADER_BYTES = 4
"""The colon, the space, and the end of the line."""

_AROUND_VALUE = b" \t"
"""The whitespace that may surround a header's value and is not part of it (RFC 9110, section 5.5)."""

_CHUNK_COST = 16
"""How many bytes one byte of a body may cost: a chunk of one byte has five around it, and may have a word to say."""


class HeadTooLarge(Exception):
    """A head is larger than is accepted. Mended by an answer; no caller of the parser sees it."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What connections may cost.

    ``head_bytes`` and ``headers`` bound the head of a request, its line and headers; ``head_seconds`` is how long it
    may take to arrive, and ``body_seconds`` how long the rest of a body may, and how long a client may take no part of
    its reply. ``connections`` is how many there may be.
    """

    connections: int
    head_bytes: int
    headers: int
    head_seconds: float
    body_seconds: float


class Connections:
    """All connections of a server: ``protocol`` makes them."""

    def __init__(self, limits: ConnectionLimits, transport: str) -> None:
        """Keep the limits, and what the log calls the server; there is no connection yet."""
        self.limits = limits
        self._transport = transport
        self._refused = RepeatedWarning("connections_refused")

    def protocol(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> "BoundedProtocol":
        """Return what serves a new connection, as uvicorn asks for it."""
        return BoundedProtocol(self, config, server_state, app_state, _loop)

    def count_refused(self) -> None:
        """Count a connection that was refused; the log is told once a second."""
        self._refused.count(transport=self._transport, limit=self.limits.connections)


class BoundedProtocol(HttpToolsProtocol):
    """One connection within its limits."""

    def __init__(
        self,
        all_connections: Connections,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """Expect a connection."""
        super().__init__(config, server_state, app_state, _loop)
        self._all = all_connections
        self._limits = all_connections.limits
        # Of the request that is being read: what came of it since its first part, and what of that is head and body.
        self._arrived_bytes = self._head_bytes = self._body_bytes = 0
        self._headers_count = 0
        self._head_is_too_large = False
        self._head_is_whole = False
        self._is_whole = True
        self._reading_ends_seconds: float | None = None
        self._writing_ends_seconds: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, or refuse a connection that is one too many."""
        super().connection_made(transport)
        certificate = certificate_of_http_peer(transport)
        if certificate is not None:
            self.app_state = {**self.app_state, CERTIFICATE: certificate}
        self._reading_ends_seconds = time.monotonic() + self._limits.head_seconds
        if len(self.connections) > self._limits.connections:
            self._all.count_refused()
            transport.write(_NO_PLACE)
            transport.close()

    def data_received(self, data: bytes) -> None:
        """Take what came, unless it makes the head too large."""
        self._arrived_bytes += len(data)
        super().data_received(data)
        # Counted here too, as the parser keeps to itself what it has of a line or header that does not end.
        beside_body = self._arrived_bytes - self._body_bytes * _CHUNK_COST
        if beside_body > self._limits.head_bytes and not self._is_whole and not self.transport.is_closing():
            if self.cycle is None or self.cycle.response_complete:
                self._refuse_head()
            else:
                self.transport.abort()

    def on_message_begin(self) -> None:
        """Begin a request, with its first byte."""
        super().on_message_begin()
        self._arrived_bytes = self._head_bytes = self._body_bytes = self._headers_count = 0
        self._head_is_whole = self._is_whole = False
        self._reading_ends_seconds = time.monotonic() + self._limits.head_seconds

    def on_url(self, url: bytes) -> None:
        """Take a part of the path."""
        self._count_head(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header without the whitespace around its value, some of which the parser leaves; drop a trailer."""
        self._headers_count += 1
        self._count_head(len(name) + len(value) + _AROUND_HEADER_BYTES)
        if not self._head_is_whole:
            super().on_header(name, value.strip(_AROUND_VALUE))

    def on_headers_complete(self) -> None:
        """End the head: from now on the call has times of its own."""
        self._head_is_whole = True
        self._reading_ends_seconds = None
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request."""
        self._is_whole = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """End the reply; where it came before the end of the request, nobody waits for the rest but this."""
        super().on_response_complete()
        if not self._is_whole:
            self._reading_ends_seconds = time.monotonic() + self._limits.body_seconds

    def pause_writing(self) -> None:
        """Wait until the client takes what it is sent."""
        super().pause_writing()
        self._writing_ends_seconds = time.monotonic() + self._limits.body_seconds

    def resume_writing(self) -> None:
        """Go on, as it does."""
        super().resume_writing()
        self._writing_ends_seconds = None

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request, or one whose head is too large, and end the connection."""
        if self._head_is_too_large:
            self._refuse_head()
        else:
            super().send_400_response(msg)

    def end_if_late(self, now_seconds: float) -> None:
        """End the connection when its client took too long, for a part of its request or of a reply."""
        ends = (self._reading_ends_seconds, self._writing_ends_seconds)
        if any(end is not None and end <= now_seconds for end in ends):
            self.transport.abort()

    def _count_head(self, count: int) -> None:
        """Count bytes of the head.

        Raises:
            HeadTooLarge: they, or the headers, are too many; the parser stops then.
        """
        self._head_bytes += count
        if self._head_bytes > self._limits.head_bytes or self._headers_count > self._limits.headers:
            self._head_is_too_large = True
            raise HeadTooLarge

    def _refuse_head(self) -> None:
        text = f"the head must be at most {self._limits.head_bytes} bytes and {self._limits.headers} headers"
        self.transport.write(_closing_reply("431 Request Header Fields Too Large", text))
        self.transport.close()


def _closing_reply(status: str, text: str, headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(text) + 13}\r\n{headers}"
    return f'{head}connection: close\r\n\r\n{{"detail":"{text}"}}'.encode()


_NO_PLACE = _closing_reply("503 Service Unavailable", "too many connections", "retry-after: 1\r\n")
