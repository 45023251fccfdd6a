"""Statuses of calls, and their encoding as HTTP headers."""

import base64
from collections.abc import Iterable

import grpc

Metadata = tuple[tuple[str, str | bytes], ...]

_FIRST_PRINTABLE, _LAST_PRINTABLE, _PERCENT = 0x20, 0x7E, 0x25


class CallEnded(Exception):
    """A call ends with an error status, which the caller gets."""

    def __init__(self, code: grpc.StatusCode, message: str, trailers: Metadata = ()) -> None:
        """Store the status."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.trailers = trailers


def status_headers(code: grpc.StatusCode, message: str, metadata: Metadata) -> list[tuple[bytes, bytes]]:
    """Return the headers, or trailers, that carry a status and the metadata sent with it."""
    headers = [(b"grpc-status", b"%d" % code.value[0])]
    if message:
        headers.append((b"grpc-message", _percent_encoded(message)))
    headers.extend(metadata_headers(metadata))
    return headers


def metadata_headers(metadata: Metadata) -> Iterable[tuple[bytes, bytes]]:
    """Yield metadata as headers. The values of keys that end in ``-bin`` are bytes, sent in Base64 without padding."""
    for key, value in metadata:
        encoded = base64.b64encode(value).rstrip(b"=") if isinstance(value, bytes) else value.encode("ascii")
        yield key.encode("ascii"), encoded


def binary_value(key: str, text: bytes) -> bytes:
    """Return the value of a ``-bin`` key, decoded from Base64 with or without padding.

    Raises:
        CallEnded: it is not Base64.
    """
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except ValueError:
        message = f"metadata {key}: the value must be Base64, because the key ends in -bin"
        raise CallEnded(grpc.StatusCode.INVALID_ARGUMENT, message) from None


def _percent_encoded(message: str) -> bytes:
    """Return a message as UTF-8, with every byte that is not printable ASCII, and ``%``, percent-encoded."""
    data = message.encode()
    if message.isascii() and message.isprintable() and "%" not in message:
        return data
    return b"".join(
        b"%c" % byte if _FIRST_PRINTABLE <= byte <= _LAST_PRINTABLE and byte != _PERCENT else b"%%%02X" % byte
        for byte in data
    )
