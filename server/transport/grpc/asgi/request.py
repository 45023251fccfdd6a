"""The head of a request: what the gRPC protocol says in HTTP headers, and the metadata of the caller."""

import re
from dataclasses import dataclass

import grpc
from starlette.types import Scope

from server.transport.grpc.asgi.status import CallEnded, binary_value

_CONTENT_TYPE = b"application/grpc"
_OTHER_CONTENT_TYPES = re.compile(rb"application/grpc(\+[^;]+)?\s*(;.*)?", re.IGNORECASE)

_TIMEOUT = re.compile(rb"(\d{1,8})([HMSmun])")
_UNIT_SECONDS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}

_OVERHEAD_BYTES = 32
"""What HTTP/2 counts for each header besides its name and value (RFC 9113, section 10.5.1)."""

_ADDED_TO_GRPC_WEB = b"grpc-accept-encoding"
"""A header that Envoy removes from each request, and then adds to those that it translates from gRPC-Web."""

_RESERVED, _BINARY_SUFFIX = b"grpc-", b"-bin"

_NOT_METADATA = frozenset({b"host", b"te", b"content-length"})

_JOINED = b"authorization"
"""A header that Envoy joins with commas if it is repeated. A single value has no comma (RFC 9110, section 11.4)."""


@dataclass(slots=True)
class RequestHead:
    """The head of a request: its metadata, its timeout in seconds, and the encoding of compressed messages.

    ``is_grpc`` says whether the media type is that of gRPC, and ``was_grpc_web`` whether Envoy translated the request
    from gRPC-Web.
    """

    metadata: list[tuple[str, str | bytes]]
    timeout_seconds: float | None = None
    encoding: bytes | None = None
    is_grpc: bool = False
    was_grpc_web: bool = False


def head_of(scope: Scope, max_metadata_bytes: int) -> RequestHead:
    """Return the head of a request, whose headers may have ``max_metadata_bytes``.

    Raises:
        CallEnded: a header is malformed, or they are too large.
    """
    metadata: list[tuple[str, str | bytes]] = []
    head = RequestHead(metadata)
    size_bytes = 0
    for name, value in scope["headers"]:
        size_bytes += len(name) + len(value) + _OVERHEAD_BYTES
        if name == b"content-type":
            head.is_grpc = value == _CONTENT_TYPE or _OTHER_CONTENT_TYPES.fullmatch(value) is not None
        elif name.startswith(_RESERVED):
            _read_reserved(head, name, value)
        elif name.endswith(_BINARY_SUFFIX):
            key = name.decode("ascii")
            metadata.extend((key, binary_value(key, part.strip())) for part in value.split(b","))
        elif name == _JOINED:
            metadata.extend((name.decode(), part.strip().decode("latin-1")) for part in value.split(b","))
        elif name not in _NOT_METADATA:
            metadata.append((name.decode("ascii"), value.decode("latin-1")))
    if size_bytes > max_metadata_bytes:
        message = f"the metadata must be at most {max_metadata_bytes:,} bytes, with {_OVERHEAD_BYTES} for each entry"
        raise CallEnded(grpc.StatusCode.RESOURCE_EXHAUSTED, message)
    return head


def _read_reserved(head: RequestHead, name: bytes, value: bytes) -> None:
    """Read a header whose name the protocol reserves."""
    if name == b"grpc-timeout":
        head.timeout_seconds = _timeout_seconds(value)
    elif name == b"grpc-encoding":
        head.encoding = value
    elif name == _ADDED_TO_GRPC_WEB:
        head.was_grpc_web = True


def _timeout_seconds(value: bytes) -> float:
    match = _TIMEOUT.fullmatch(value)
    if match is None:
        message = "grpc-timeout must be 1 to 8 digits and a unit: H, M, S, m, u or n"
        raise CallEnded(grpc.StatusCode.INVALID_ARGUMENT, message)
    return int(match[1]) * _UNIT_SECONDS[match[2]]
