"""Length-prefixed messages: read those of a request, and frame those of a response."""

import asyncio

import grpc
from starlette.types import Receive

from server.transport.grpc.asgi.compression import Inflate, too_large
from server.transport.grpc.asgi.status import CallEnded

_PREFIX_BYTES = 5
"""The flag that says whether the message is compressed, and its length in 4 bytes."""

_UNCOMPRESSED, _COMPRESSED = 0, 1


class ClientGone(Exception):
    """The client cancelled the call, or its connection ended."""


class RequestMessages:
    """The messages of a request, read as they are needed, so that HTTP/2 flow control holds back what is not."""

    def __init__(self, receive: Receive, max_bytes: int, inflate: Inflate | None) -> None:
        """Read from ``receive`` messages of at most ``max_bytes`` each."""
        self._receive = receive
        self._max_bytes = max_bytes
        self._inflate = inflate
        self._received = bytearray()
        self._has_ended = False

    async def only(self) -> bytes:
        """Return the message of a request that must have exactly one.

        Raises:
            CallEnded: the request has no message, several, or one that breaks a limit or the protocol.
            ClientGone: the client is gone.
        """
        message = await self.next()
        if message is None:
            raise CallEnded(grpc.StatusCode.INTERNAL, "the request has no message")
        if self._received or (not self._has_ended and await self.next() is not None):
            raise CallEnded(grpc.StatusCode.INTERNAL, "the request of this RPC must have one message")
        return message

    async def next(self) -> bytes | None:
        """Return the next message, or None after the last one.

        Raises:
            CallEnded: the message breaks a limit or the protocol.
            ClientGone: the client is gone.
        """
        received = self._received
        while True:
            end = self._end_of_message()
            if end is not None and len(received) >= end:
                is_compressed, message = received[0] == _COMPRESSED, bytes(memoryview(received)[_PREFIX_BYTES:end])
                del received[:end]
                return self._inflated(message) if is_compressed else message
            if self._has_ended:
                if received:
                    raise CallEnded(grpc.StatusCode.INTERNAL, "the request ends in the middle of a message")
                return None
            # Shielded, because pyvoy sets the result of what it returned even if that was cancelled.
            event = await asyncio.shield(self._receive())
            if event["type"] == "http.disconnect":
                raise ClientGone
            received += event.get("body", b"")
            self._has_ended = not event.get("more_body", False)

    def __aiter__(self) -> "RequestMessages":
        """Return the messages themselves."""
        return self

    async def __anext__(self) -> bytes:
        """Return the next message."""
        message = await self.next()
        if message is None:
            raise StopAsyncIteration
        return message

    def _end_of_message(self) -> int | None:
        """Return where the message that is being received ends, or None if its length has not arrived yet.

        Raises:
            CallEnded: the message is too large, so that the rest of it is not even received.
        """
        if len(self._received) < _PREFIX_BYTES:
            return None
        if self._received[0] > _COMPRESSED:
            raise CallEnded(grpc.StatusCode.INTERNAL, "the first byte of a message must be 0 or 1")
        length = int.from_bytes(self._received[1:_PREFIX_BYTES], "big")
        if length > self._max_bytes:
            raise too_large(self._max_bytes)
        return _PREFIX_BYTES + length

    def _inflated(self, message: bytes) -> bytes:
        if self._inflate is None:
            raise CallEnded(grpc.StatusCode.INTERNAL, "a message is compressed, but grpc-encoding does not say how")
        return self._inflate(message, self._max_bytes)


def framed(message: bytes, *, is_compressed: bool) -> bytes:
    """Return a message with its prefix."""
    return b"%c%b%b" % (_COMPRESSED if is_compressed else _UNCOMPRESSED, len(message).to_bytes(4, "big"), message)
