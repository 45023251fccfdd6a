"""HTTP/1.1 connections, bounded in number, in the size of request heads, and in the time that a client may take.

Neither the parser (llhttp) nor uvicorn has such limits. uvicorn waits forever for the end of a head, and for a client
that does not read its response.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from server.config.rest import RestSettings
from server.transport.headers import too_large_head
from server.transport.pipeline.certificates import certificate_of_http_peer
from server.transport.rest.callers import CERTIFICATE

_HEADER_OVERHEAD_BYTES = 4
"""The colon, the space, and the end of the line."""

_OPTIONAL_WHITESPACE = b" \t"
"""Whitespace that may surround the value of a header and is not part of it (RFC 9110, section 5.5)."""

_MAX_CHUNK_OVERHEAD = 16
"""The most bytes to receive for each byte of a body. A one-byte chunk has five of framing, and may have extensions."""


class HeadTooLarge(Exception):
    """The head of a request exceeds a limit. This stops the parser, and the client gets a 431."""


class BoundedConnection(HttpToolsProtocol):
    """One HTTP/1.1 connection that enforces limits."""

    def __init__(self, settings: RestSettings, count_rejected: Callable[[], None], **uvicorn: Any) -> None:  # noqa: ANN401 - arguments of the base class
        """Create a connection with the limits of ``settings``. If there are too many, call ``count_rejected``."""
        super().__init__(**uvicorn)
        self._limits = settings
        self._count_rejected = count_rejected
        # For the request that is being read: all bytes since it began, the bytes of its head and body, and its headers.
        self._received_bytes = self._head_bytes = self._body_bytes = self._headers_count = 0
        self._head_is_too_large = False
        self._head_is_complete = False
        self._request_is_complete = True
        self._read_deadline_seconds: float | None = None
        self._write_deadline_seconds: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept the connection, or reject it if there are too many."""
        super().connection_made(transport)
        certificate = certificate_of_http_peer(transport)
        if certificate is not None:
            self.app_state = {**self.app_state, CERTIFICATE: certificate}
        self._read_deadline_seconds = time.monotonic() + self._limits.rest_header_timeout_seconds
        if len(self.connections) > self._limits.rest_max_connections:
            self._count_rejected()
            self._close("503 Service Unavailable", "too many connections", "retry-after: 1\r\n")

    def data_received(self, data: bytes) -> None:
        """Parse ``data``, and end the connection if the request has too many bytes outside its body."""
        self._received_bytes += len(data)
        super().data_received(data)
        # Count here too, because the parser does not report an unfinished line or header.
        bytes_outside_body = self._received_bytes - self._body_bytes * _MAX_CHUNK_OVERHEAD
        if (
            bytes_outside_body > self._limits.rest_max_header_bytes
            and not self._request_is_complete
            and not self.transport.is_closing()
        ):
            if self.cycle is None or self.cycle.response_complete:
                self._reject_head()
            else:
                self.transport.abort()

    def on_message_begin(self) -> None:
        """Start the counters and the clock of a request at its first byte."""
        super().on_message_begin()
        self._received_bytes = self._head_bytes = self._body_bytes = self._headers_count = 0
        self._head_is_complete = self._request_is_complete = False
        self._read_deadline_seconds = time.monotonic() + self._limits.rest_header_timeout_seconds

    def on_url(self, url: bytes) -> None:
        """Count a part of the URL."""
        self._count_head(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header, strip whitespace that the parser left around its value, and drop it if it is a trailer."""
        self._headers_count += 1
        self._count_head(len(name) + len(value) + _HEADER_OVERHEAD_BYTES)
        if not self._head_is_complete:
            super().on_header(name, value.strip(_OPTIONAL_WHITESPACE))

    def on_headers_complete(self) -> None:
        """Stop the clock, because after the head, the call has its own time limits."""
        self._head_is_complete = True
        self._read_deadline_seconds = None
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Count a part of the body."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the request is complete."""
        self._request_is_complete = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """End the response. If the request is not complete, limit the time for the rest, because nothing else does."""
        super().on_response_complete()
        if not self._request_is_complete:
            self._read_deadline_seconds = time.monotonic() + self._limits.rest_body_timeout_seconds

    def pause_writing(self) -> None:
        """Start the clock of a client that does not read its response."""
        super().pause_writing()
        self._write_deadline_seconds = time.monotonic() + self._limits.rest_body_timeout_seconds

    def resume_writing(self) -> None:
        """Stop the clock, because the client is reading."""
        super().resume_writing()
        self._write_deadline_seconds = None

    def send_400_response(self, msg: str) -> None:
        """Respond to a malformed request or a head that is too large, and close the connection."""
        if self._head_is_too_large:
            self._reject_head()
        else:
            super().send_400_response(msg)

    def abort_if_late(self, now_seconds: float) -> None:
        """Abort the connection if its client took too long to send its request or to read its response."""
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

    def _reject_head(self) -> None:
        limits = self._limits
        text = too_large_head(limits.rest_max_header_bytes, limits.rest_max_headers)
        self._close("431 Request Header Fields Too Large", text)

    def _close(self, status: str, text: str, headers: str = "") -> None:
        body = f'{{"detail":"{text}"}}'
        head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n{headers}"
        self.transport.write(f"{head}connection: close\r\n\r\n{body}".encode())
        self.transport.close()
