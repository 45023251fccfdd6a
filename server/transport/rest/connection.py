"""HTTP/1.1 connections: how many there are, how large a head may be, and how long a client may take.

The parser (llhttp) bounds none of it. Neither does uvicorn, which waits forever for the end of a head, and for a client
that does not read its response.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from server.config.rest import RestSettings
from server.transport.pipeline.certificates import certificate_of_http_peer
from server.transport.rest.callers import CERTIFICATE

_AROUND_HEADER_BYTES = 4
"""The colon, the space, and the end of the line."""

_AROUND_VALUE = b" \t"
"""The whitespace that may surround a header's value and is not part of it (RFC 9110, section 5.5)."""

_CHUNK_COST = 16
"""How many bytes one byte of a body may cost: a chunk of one byte has five around it, and may have an extension."""


class HeadTooLarge(Exception):
    """Stops the parser at a head over the limits; the client gets a response."""


class BoundedConnection(HttpToolsProtocol):
    """One connection within the limits of ``settings``."""

    def __init__(self, settings: RestSettings, count_refused: Callable[[], None], **uvicorn: Any) -> None:  # noqa: ANN401 - the arguments of the base class
        """Expect a connection; ``count_refused`` is called if it is one too many."""
        super().__init__(**uvicorn)
        self._limits = settings
        self._count_refused = count_refused
        # Of the request being read: the bytes since its first part, and how many of them are its head and its body.
        self._arrived_bytes = self._head_bytes = self._body_bytes = self._headers_count = 0
        self._head_is_too_large = False
        self._head_is_complete = False
        self._is_complete = True
        self._read_deadline_seconds: float | None = None
        self._write_deadline_seconds: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept the connection, or refuse it if there are too many."""
        super().connection_made(transport)
        certificate = certificate_of_http_peer(transport)
        if certificate is not None:
            self.app_state = {**self.app_state, CERTIFICATE: certificate}
        self._read_deadline_seconds = time.monotonic() + self._limits.rest_header_timeout_seconds
        if len(self.connections) > self._limits.rest_max_connections:
            self._count_refused()
            self._close("503 Service Unavailable", "too many connections", "retry-after: 1\r\n")

    def data_received(self, data: bytes) -> None:
        """Parse ``data``, unless it makes the head too large."""
        self._arrived_bytes += len(data)
        super().data_received(data)
        # Counted here too, because the parser keeps an unfinished line or header to itself.
        beside_body = self._arrived_bytes - self._body_bytes * _CHUNK_COST
        if (
            beside_body > self._limits.rest_max_header_bytes
            and not self._is_complete
            and not self.transport.is_closing()
        ):
            if self.cycle is None or self.cycle.response_complete:
                self._refuse_head()
            else:
                self.transport.abort()

    def on_message_begin(self) -> None:
        """Begin a request with its first byte."""
        super().on_message_begin()
        self._arrived_bytes = self._head_bytes = self._body_bytes = self._headers_count = 0
        self._head_is_complete = self._is_complete = False
        self._read_deadline_seconds = time.monotonic() + self._limits.rest_header_timeout_seconds

    def on_url(self, url: bytes) -> None:
        """Count a part of the path."""
        self._count_head(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header without the whitespace around its value, some of which the parser leaves; drop a trailer."""
        self._headers_count += 1
        self._count_head(len(name) + len(value) + _AROUND_HEADER_BYTES)
        if not self._head_is_complete:
            super().on_header(name, value.strip(_AROUND_VALUE))

    def on_headers_complete(self) -> None:
        """End the head: from now on the call has time limits of its own."""
        self._head_is_complete = True
        self._read_deadline_seconds = None
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Count a part of the body."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request."""
        self._is_complete = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """End the response; if it came before the end of the request, only this limits how long the rest may take."""
        super().on_response_complete()
        if not self._is_complete:
            self._read_deadline_seconds = time.monotonic() + self._limits.rest_body_timeout_seconds

    def pause_writing(self) -> None:
        """Wait until the client reads its response."""
        super().pause_writing()
        self._write_deadline_seconds = time.monotonic() + self._limits.rest_body_timeout_seconds

    def resume_writing(self) -> None:
        """Go on, because it reads."""
        super().resume_writing()
        self._write_deadline_seconds = None

    def send_400_response(self, msg: str) -> None:
        """Respond to bytes that are no request, or to a head that is too large, and close the connection."""
        if self._head_is_too_large:
            self._refuse_head()
        else:
            super().send_400_response(msg)

    def end_if_late(self, now_seconds: float) -> None:
        """End the connection if its client took too long to send its request or to read its response."""
        deadlines = (self._read_deadline_seconds, self._write_deadline_seconds)
        if any(deadline is not None and deadline <= now_seconds for deadline in deadlines):
            self.transport.abort()

    def _count_head(self, count: int) -> None:
        """Count bytes of the head.

        Raises:
            HeadTooLarge: there are too many bytes or headers.
        """
        self._head_bytes += count
        limits = self._limits
        if self._head_bytes > limits.rest_max_header_bytes or self._headers_count > limits.rest_max_headers:
            self._head_is_too_large = True
            raise HeadTooLarge

    def _refuse_head(self) -> None:
        limits = self._limits
        text = f"the head must be at most {limits.rest_max_header_bytes} bytes and {limits.rest_max_headers} headers"
        self._close("431 Request Header Fields Too Large", text)

    def _close(self, status: str, text: str, headers: str = "") -> None:
        body = f'{{"detail":"{text}"}}'
        head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n{headers}"
        self.transport.write(f"{head}connection: close\r\n\r\n{body}".encode())
        self.transport.close()
