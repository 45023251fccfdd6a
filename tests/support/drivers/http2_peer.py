"""An HTTP/2 client that sends individual frames (RFC 9113), including invalid ones that no library would send."""

import socket
import struct
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import NamedTuple, Self

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
ACK, END_STREAM, END_HEADERS = 1, 1, 4
INITIAL_WINDOW_SIZE = 4
_FRAME_HEADER_BYTES = 9


class Frame(NamedTuple):
    """A received frame."""

    kind: int
    flags: int
    stream: int
    payload: bytes


class Http2Peer:
    """A connection on which frames are sent and received one at a time."""

    def __init__(self, port: int, settings: dict[int, int] | None = None, *, timeout_seconds: float = 20) -> None:
        """Connect to a local port, and send the connection preface and the settings."""
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=timeout_seconds)
        payload = b"".join(struct.pack(">HI", name, value) for name, value in (settings or {}).items())
        self._socket.sendall(PREFACE)
        self.send(SETTINGS, payload)

    def send(self, kind: int, payload: bytes = b"", *, flags: int = 0, stream: int = 0) -> None:
        """Send a frame."""
        self.send_raw(frame(kind, payload, flags=flags, stream=stream))

    def send_raw(self, data: bytes) -> None:
        """Send raw bytes: frames or parts of frames."""
        self._socket.sendall(data)

    def request(self, path: str, message: bytes, *, stream: int) -> None:
        """Send a gRPC request on a new stream, whose number must be odd."""
        self.send(HEADERS, request_headers(path), flags=END_HEADERS, stream=stream)
        self.send(DATA, b"\0" + struct.pack(">I", len(message)) + message, flags=END_STREAM, stream=stream)

    def frames(self) -> Iterator[Frame]:
        """Yield the received frames until the server closes the connection. Settings are acknowledged."""
        while True:
            header = self._read(_FRAME_HEADER_BYTES)
            if header is None:
                return
            length = int.from_bytes(header[:3], "big")
            kind, flags, stream = struct.unpack(">BBI", header[3:])
            payload = self._read(length)
            if payload is None:
                return
            if kind == SETTINGS and not flags & ACK:
                self.send(SETTINGS, flags=ACK)
            yield Frame(kind, flags, stream & 0x7FFF_FFFF, payload)

    def _read(self, count: int) -> bytes | None:
        received = b""
        while len(received) < count:
            part = self._socket.recv(count - len(received))
            if not part:
                return None
            received += part
        return received

    def __enter__(self) -> Self:
        """Return the connection."""
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connection."""
        self._socket.close()


def frame(kind: int, payload: bytes = b"", *, flags: int = 0, stream: int = 0) -> bytes:
    """Encode a frame."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def request_headers(path: str, metadata: Mapping[str, str] | None = None) -> bytes:
    """Return the header block of a gRPC request."""
    headers = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "127.0.0.1",
        "content-type": "application/grpc",
        "te": "trailers",
        **(metadata or {}),
    }
    return _literals(headers)


def _literals(headers: dict[str, str]) -> bytes:
    """Encode headers as literals without indexing (RFC 7541, section 6.2.2)."""
    return b"".join(b"\0" + _text(name) + _text(value) for name, value in headers.items())


def _text(text: str) -> bytes:
    assert len(text) < 0x7F
    return bytes([len(text)]) + text.encode()
