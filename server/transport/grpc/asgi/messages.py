"""Length-prefixed messages: read those of a request, and frame those of a response."""

import asyncio

import grpc
from starlette.types import Receive

from server.transport.grpc.asgi.compression import NewInflater, too_large
from server.transport.grpc.asgi.request_memory import SMALL_BYTES, HeldMemory
from server.transport.grpc.asgi.status import CallEnded

_PREFIX_BYTES = 5
"""The flag that says whether the message is compressed, and its length in 4 bytes."""

_UNCOMPRESSED, _COMPRESSED = 0, 1

_DONE = object()


class ClientGone(Exception):
    """The client cancelled the call, or its connection ended."""


class RequestMessages:
    """The messages of a request, read as they are needed, so that HTTP/2 flow control holds back what is not."""

    def __init__(self, receive: Receive, max_bytes: int, new_inflater: NewInflater | None, memory: HeldMemory) -> None:
        """Read from ``receive`` messages of at most ``max_bytes`` each, and hold ``memory`` for a large one."""
        self._receive = receive
        self._max_bytes = max_bytes
        self._new_inflater = new_inflater
        self._memory = memory
        self._received = bytearray()
        self._has_ended = False

    async def only(self) -> bytes:
        """Return the message of a request that must have exactly one.

        Raises:
            CallEnded: the request has no message, several, or one that breaks a limit or the protocol.
            ClientGone: the client is gone.
        """
        self._memory.grow_to(0)
        message = await self.next()
        if message is None:
            raise CallEnded(grpc.StatusCode.INTERNAL, "the request has no message")
        if self._received or (not self._has_ended and await self.next() is not None):
            raise CallEnded(grpc.StatusCode.INTERNAL, "the request of this RPC must have one message")
        self._memory.keep()
        return message

    async def next(self) -> bytes | None:
        """Return the next message, or None after the last one.

        Raises:
            CallEnded: the message breaks a limit or the protocol, or there is no memory for it.
            ClientGone: the client is gone.
        """
        received = self._received
        while len(received) < _PREFIX_BYTES:
            if self._has_ended:
                if received:
                    raise _incomplete()
                return None
            received += await self._piece()
        is_compressed, length = self._prefix()
        if is_compressed:
            return await self._compressed(length)
        end = _PREFIX_BYTES + length
        if len(received) < end:
            return await self._long(end)
        message = bytes(memoryview(received)[_PREFIX_BYTES:end])
        del received[:end]
        return message

    async def _long(self, end: int) -> bytes:
        """Return a message that ends at ``end`` and has not yet arrived.

        Its parts are joined at the end, because a buffer that grows is copied to a larger place again and again, and
        what it leaves is not given back to the system.
        """
        received = self._received
        parts = [bytes(memoryview(received)[_PREFIX_BYTES:])]
        size = len(received)
        while size < end:
            if self._has_ended:
                raise _incomplete()
            piece = await self._piece()
            parts.append(piece)
            size += len(piece)
            if size > SMALL_BYTES:
                self._memory.grow_to(size)
        received[:] = b"" if size == end else parts[-1][end - size :]
        if received:
            parts[-1] = parts[-1][: end - size]
        return b"".join(parts)

    def __aiter__(self) -> "RequestMessages":
        """Return the messages themselves."""
        return self

    async def __anext__(self) -> bytes:
        """Return the next message. The memory of the one before it is released."""
        self._memory.release()
        message = await self.next()
        if message is None:
            raise StopAsyncIteration
        self._memory.keep()
        return message

    async def _piece(self) -> bytes:
        # Shielded, because pyvoy sets the result of what it returned even if that was cancelled.
        event = await asyncio.shield(self._receive())
        if event["type"] == "http.disconnect":
            raise ClientGone
        self._has_ended = not event.get("more_body", False)
        piece: bytes = event.get("body", b"")
        return piece

    def _prefix(self) -> tuple[bool, int]:
        """Return whether the message that follows is compressed, and its length.

        Raises:
            CallEnded: the message is too large, so that the rest of it is not even received.
        """
        if self._received[0] > _COMPRESSED:
            raise CallEnded(grpc.StatusCode.INTERNAL, "the first byte of a message must be 0 or 1")
        length = int.from_bytes(self._received[1:_PREFIX_BYTES], "big")
        if length > self._max_bytes:
            raise too_large(self._max_bytes)
        return self._received[0] == _COMPRESSED, length

    async def _compressed(self, length: int) -> bytes:
        """Return a compressed message of ``length`` bytes. It is inflated as it arrives, so a bomb is never stored."""
        if self._new_inflater is None:
            raise CallEnded(grpc.StatusCode.INTERNAL, "a message is compressed, but grpc-encoding does not say how")
        inflater = self._new_inflater(self._max_bytes)
        received = self._received
        del received[:_PREFIX_BYTES]
        while True:
            piece = bytes(memoryview(received)[:length])
            del received[: len(piece)]
            length -= len(piece)
            steps = inflater.add(piece)
            if next(steps, _DONE) is not _DONE:
                async with self._memory.inflating:
                    for _ in steps:
                        await asyncio.sleep(0)
            if inflater.size_bytes > SMALL_BYTES:
                self._memory.grow_to(inflater.size_bytes)
            if not length:
                return inflater.finish()
            if self._has_ended:
                raise _incomplete()
            received += await self._piece()


def _incomplete() -> CallEnded:
    return CallEnded(grpc.StatusCode.INTERNAL, "the request ends in the middle of a message")


def framed(message: bytes, *, is_compressed: bool) -> bytes:
    """Return a message with its prefix."""
    return b"%c%b%b" % (_COMPRESSED if is_compressed else _UNCOMPRESSED, len(message).to_bytes(4, "big"), message)
