"""Compression of messages. The size of what is inflated is limited, because a kilobyte can inflate to a megabyte."""

import zlib
from collections.abc import Callable

import grpc

from server.transport.grpc.asgi.status import CallEnded

Inflate = Callable[[bytes, int], bytes]
"""Inflates a message to at most a number of bytes; raises ``CallEnded`` if it is larger, or malformed."""

ACCEPTED = b"identity, deflate, gzip"
"""The value of the header ``grpc-accept-encoding``."""

_GZIP_WINDOW, _ZLIB_WINDOW = 31, 15
"""Arguments of zlib for the two formats; gRPC's ``deflate`` is the zlib format (RFC 1950)."""

_WINDOWS = {b"gzip": _GZIP_WINDOW, b"deflate": _ZLIB_WINDOW}

_LEVEL = 1
"""The fastest level. It shrinks lists to a fifth; the highest would take six times as long for an eighth."""


def inflate_for(encoding: bytes | None) -> Inflate | None:
    """Return the function that inflates the messages of a call with this ``grpc-encoding``, or None for ``identity``.

    Raises:
        CallEnded: the encoding is unknown.
    """
    if encoding is None or encoding == b"identity":
        return None
    window = _WINDOWS.get(encoding)
    if window is None:
        message = f"grpc-encoding must be one of {ACCEPTED.decode()}"
        raise CallEnded(grpc.StatusCode.UNIMPLEMENTED, message, (("grpc-accept-encoding", ACCEPTED.decode()),))

    def inflate(data: bytes, max_bytes: int) -> bytes:
        inflater = zlib.decompressobj(window)
        try:
            message = inflater.decompress(data, max_bytes + 1)
        except zlib.error:
            raise CallEnded(grpc.StatusCode.INTERNAL, "a compressed message is malformed") from None
        if len(message) > max_bytes:
            raise too_large(max_bytes)
        if not inflater.eof:
            raise CallEnded(grpc.StatusCode.INTERNAL, "a compressed message is incomplete")
        return message

    return inflate


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
