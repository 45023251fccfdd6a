"""gRPC calls whose requests are sent frame by frame, as fast as flow control allows, and not always whole."""

import asyncio
import re
import struct
from collections.abc import Iterable
from typing import Self

import grpc

from tests.support.drivers import http2_peer
from tests.support.drivers.http2_peer import frame, request_headers

_HEADER_TABLE_SIZE, _DEFAULT_WINDOW_BYTES = 1, 65_535
_FRAME_HEADER_BYTES = 9
_HUFFMAN_GRPC_STATUS = bytes.fromhex("9acac8b21234da8f")
"""The name ``grpc-status`` as HTTP/2 compresses it (RFC 7541, appendix B). No server compresses the short value."""

_STATUS = re.compile(rb"(?:\x0bgrpc-status|\x88" + re.escape(_HUFFMAN_GRPC_STATUS) + rb")[\x01\x02](\d{1,2})")
_CODES = {code.value[0]: code.name for code in grpc.StatusCode}

RESET, CLOSED = "RESET", "CLOSED"
"""Outcomes of calls without a status: the server reset the stream, or closed the connection."""

MAX_CHUNK_BYTES = 16_384
"""The size of the largest frame that every server accepts."""


def chunks_of(data: bytes) -> Iterable[bytes]:
    """Split data into the payloads of frames."""
    return (data[start : start + MAX_CHUNK_BYTES] for start in range(0, len(data), MAX_CHUNK_BYTES))


def prefix(length: int, *, is_compressed: bool = False) -> bytes:
    """Return the prefix of a message of ``length`` bytes."""
    return struct.pack(">?I", is_compressed, length)


class RawCall:
    """A call. ``outcome`` becomes the name of its status, ``RESET`` or ``CLOSED``. ``responses`` counts data frames."""

    def __init__(self, stream: int) -> None:
        """Start on a stream."""
        self.stream = stream
        self.window_bytes = 0
        self.sent_bytes = 0
        self.responses = 0
        self.outcome: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.answered = asyncio.Event()

    def end(self, outcome: str) -> None:
        """Set the outcome, if there is none yet."""
        if not self.outcome.done():
            self.outcome.set_result(outcome)
        self.answered.set()


class RawConnection:
    """An HTTP/2 connection for raw calls."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Send the connection preface, and settings that make the server send names of headers as they are."""
        self._reader, self._writer = reader, writer
        self._window_bytes = self._initial_window_bytes = _DEFAULT_WINDOW_BYTES
        self._calls: dict[int, RawCall] = {}
        self._next_stream = 1
        self._has_changed = asyncio.Event()
        self._is_closed = False
        self.had_settings = asyncio.Event()
        writer.write(http2_peer.PREFACE + frame(http2_peer.SETTINGS, struct.pack(">HI", _HEADER_TABLE_SIZE, 0)))
        self._task = asyncio.create_task(self._receive())

    @classmethod
    async def open(cls, port: int, source: str = "127.0.0.1") -> Self:
        """Connect to a local port from a local address, and wait for the server's settings."""
        connection = cls(*await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0)))
        await connection.had_settings.wait()
        return connection

    def start(self, path: str, metadata: dict[str, str] | None = None) -> RawCall:
        """Start a call, and send nothing of its message yet."""
        call = RawCall(self._next_stream)
        self._next_stream += 2
        call.window_bytes = self._initial_window_bytes
        self._calls[call.stream] = call
        if self._is_closed:
            call.end(CLOSED)
            return call
        headers = request_headers(path, metadata)
        self._writer.write(frame(http2_peer.HEADERS, headers, flags=http2_peer.END_HEADERS, stream=call.stream))
        return call

    async def send(self, call: RawCall, chunks: Iterable[bytes], *, ends: bool = True) -> None:
        """Send parts of the request until all are sent or the call has an outcome, and end the request if ``ends``."""
        for chunk in chunks:
            while min(call.window_bytes, self._window_bytes) < len(chunk) and not call.outcome.done():
                self._has_changed.clear()
                await self._has_changed.wait()
            if call.outcome.done():
                return
            call.window_bytes -= len(chunk)
            self._window_bytes -= len(chunk)
            call.sent_bytes += len(chunk)
            self._writer.write(frame(http2_peer.DATA, chunk, stream=call.stream))
            try:
                await self._writer.drain()
            except OSError:
                return
        if ends:
            self._writer.write(frame(http2_peer.DATA, flags=http2_peer.END_STREAM, stream=call.stream))

    async def close(self) -> None:
        """Close the connection."""
        self._task.cancel()
        self._writer.close()

    async def _receive(self) -> None:
        try:
            while True:
                header = await self._reader.readexactly(_FRAME_HEADER_BYTES)
                kind, flags, stream = struct.unpack(">BBI", header[3:])
                payload = await self._reader.readexactly(int.from_bytes(header[:3], "big"))
                self._handle(kind, flags, stream & 0x7FFF_FFFF, payload)
        except (OSError, asyncio.IncompleteReadError):
            self._is_closed = True
            for call in self._calls.values():
                call.end(CLOSED)
        self._has_changed.set()
        self.had_settings.set()

    def _handle(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        call = self._calls.get(stream)
        if kind == http2_peer.SETTINGS and not flags & http2_peer.ACK:
            self._use_settings(payload)
            self._writer.write(frame(http2_peer.SETTINGS, flags=http2_peer.ACK))
            self.had_settings.set()
        elif kind == http2_peer.PING and not flags & http2_peer.ACK:
            self._writer.write(frame(http2_peer.PING, payload, flags=http2_peer.ACK))
        elif kind == http2_peer.WINDOW_UPDATE and stream == 0:
            self._window_bytes += int.from_bytes(payload, "big")
        elif call is not None:
            self._handle_of_call(call, kind, payload)
        self._has_changed.set()

    def _handle_of_call(self, call: RawCall, kind: int, payload: bytes) -> None:
        if kind == http2_peer.WINDOW_UPDATE:
            call.window_bytes += int.from_bytes(payload, "big")
        elif kind == http2_peer.DATA and payload:
            call.responses += 1
            call.answered.set()
            for stream in (0, call.stream):
                self._writer.write(frame(http2_peer.WINDOW_UPDATE, struct.pack(">I", len(payload)), stream=stream))
        elif kind == http2_peer.HEADERS and (status := _STATUS.search(payload)) is not None:
            call.end(_CODES[int(status[1])])
        elif kind == http2_peer.RST_STREAM:
            call.end(RESET)

    def _use_settings(self, payload: bytes) -> None:
        for start in range(0, len(payload), 6):
            name, value = struct.unpack(">HI", payload[start : start + 6])
            if name == http2_peer.INITIAL_WINDOW_SIZE:
                for call in self._calls.values():
                    call.window_bytes += value - self._initial_window_bytes
                self._initial_window_bytes = value
