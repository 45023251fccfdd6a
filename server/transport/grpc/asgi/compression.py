"""Compression of messages. The size of what is inflated is limited, because a kilobyte can inflate to a megabyte."""

import functools
import zlib
from collections.abc import Callable, Iterator

import grpc

from server.transport.grpc.asgi.status import CallEnded

ACCEPTED = b"identity, deflate, gzip"
"""The value of the header ``grpc-accept-encoding``."""

_GZIP_WINDOW, _ZLIB_WINDOW = 31, 15
"""Arguments of zlib for the two formats; gRPC's ``deflate`` is the zlib format (RFC 1950)."""

_WINDOWS = {b"gzip": _GZIP_WINDOW, b"deflate": _ZLIB_WINDOW}

_LEVEL = 1
"""The fastest level. It shrinks lists to a fifth; the highest would take six times as long for an eighth."""


_STEP_BYTES = 1 << 16
"""How much is inflated at a time, which takes about 0.1 ms."""


class Inflater:
    """Inflates one message as its parts arrive."""

    def __init__(self, window: int, max_bytes: int) -> None:
        """Inflate it to at most ``max_bytes``. ``window`` is zlib's argument for the format."""
        self._inflater = zlib.decompressobj(window)
        self._max_bytes = max_bytes
        self._message = bytearray()

    @property
    def size_bytes(self) -> int:
        """The size of what has been inflated."""
        return len(self._message)

    def add(self, data: bytes) -> Iterator[None]:
        """Inflate the next part in steps, and yield between them, so that other calls can have a turn.

        Raises:
            CallEnded: the message is malformed, or larger than allowed.
        """
        while True:
            try:
                inflated = self._inflater.decompress(data, _STEP_BYTES)
            except zlib.error:
                raise CallEnded(grpc.StatusCode.INTERNAL, "a compressed message is malformed") from None
            self._message += inflated
            if len(self._message) > self._max_bytes:
                raise too_large(self._max_bytes)
            data = self._inflater.unconsumed_tail
            if not data and len(inflated) < _STEP_BYTES:
                return
            yield

    def finish(self) -> bytes:
        """Return the message.

        Raises:
            CallEnded: it is incomplete.
        """
        if not self._inflater.eof:
            raise CallEnded(grpc.StatusCode.INTERNAL, "a compressed message is incomplete")
        return bytes(self._message)


NewInflater = Callable[[int], Inflater]
"""Returns an inflater for a message of at most this many bytes."""


def inflater_for(encoding: bytes | None) -> NewInflater | None:
    """Return what inflates the messages of a call with this ``grpc-encoding``, or None for ``identity``.

    Raises:
        CallEnded: the encoding is unknown.
    """
    if encoding is None or encoding == b"identity":
        return None
    window = _WINDOWS.get(encoding)
    if window is None:
        message = f"grpc-encoding must be one of {ACCEPTED.decode()}"
        raise CallEnded(grpc.StatusCode.UNIMPLEMENTED, message, (("grpc-accept-encoding", ACCEPTED.decode()),))
    return functools.partial(Inflater, window)


def deflate_for(encoding: bytes | None) -> Callable[[bytes], bytes] | None:
    """Return the function that compresses responses as the requests of a call are, or None if those are not."""
    window = None if encoding is None else _WINDOWS.get(encoding)
    if window is None:
        return None

    def deflate(message: bytes) -> bytes:
        deflater = zlib.compressobj(_LEVEL, wbits=window)
        return deflater.compress(message) + deflater.flush()

    return deflate


def too_large(max_bytes: int) -> CallEnded:
    """Return the error for a message of more than ``max_bytes``, before or after it is inflated."""
    return CallEnded(grpc.StatusCode.RESOURCE_EXHAUSTED, f"a message must be at most {max_bytes:,} bytes")
