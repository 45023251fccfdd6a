"""The context of one call over ASGI: what its handler reads of the request, and how it responds."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn

import grpc
from starlette.types import Scope, Send

from server.transport.grpc.asgi.compression import deflate_for
from server.transport.grpc.asgi.messages import framed
from server.transport.grpc.asgi.request import RequestHead
from server.transport.grpc.asgi.running import RunningCall
from server.transport.grpc.asgi.status import CallEnded, Metadata, metadata_headers, status_headers
from server.transport.pipeline.certificates import FORWARDED_CERTIFICATE, certificates_of_envoy

_HEADERS = [(b"content-type", b"application/grpc")]


class AsgiContext:
    """The ``CallContext`` of a call over ASGI."""

    __slots__ = (
        "_call",
        "_compress",
        "_head",
        "_scope",
        "_send",
        "_serialize",
        "_started",
        "_trailers",
    )

    def __init__(
        self,
        scope: Scope,
        head: RequestHead,
        send: Send,
        call: RunningCall,
        serialize: Callable[[Any], bytes] | None,
    ) -> None:
        """Respond through ``send``, with messages that ``serialize`` serializes, if any.

        They are compressed like the request, as grpc-go does.
        """
        self._scope = scope
        self._head = head
        self._send = send
        self._call = call
        self._serialize = serialize
        self._compress = deflate_for(head.encoding)
        self._started = False
        self._trailers: Metadata = ()
        if head.timeout_seconds is not None:
            call.deadline_seconds = time.monotonic() + head.timeout_seconds

    def invocation_metadata(self) -> Sequence[tuple[str, str | bytes]]:
        """Return the metadata that the client sent."""
        return self._head.metadata

    def peer(self) -> str:
        """Return the client's address, as gRPC writes it."""
        client = self._scope["client"]
        if client is None:
            return ""
        host, port = client
        return f"ipv6:%5B{host}%5D:{port}" if ":" in host else f"ipv4:{host}:{port}"

    def auth_context(self) -> Mapping[str, Iterable[bytes]]:
        """Return the client's certificate, if it has one."""
        for key, value in self._head.metadata:
            if key == FORWARDED_CERTIFICATE and isinstance(value, str):
                return {"x509_pem_cert": tuple(certificates_of_envoy(value))}
        return {}

    def time_remaining(self) -> float | None:
        """Return the seconds until the deadline, or None."""
        if self._head.timeout_seconds is None:
            return None
        return max(0.0, self._call.deadline_seconds - time.monotonic())

    def set_trailing_metadata(self, trailing_metadata: Metadata, /) -> None:
        """Set the metadata that is sent with an OK status."""
        self._trailers = trailing_metadata

    async def write(self, message: Any, /) -> None:  # noqa: ANN401 - messages of any RPC
        """Send a response of a stream, when the client has room for it."""
        try:
            await self._send_message(self._framed(message), more_body=True)
        except OSError:
            # Handlers end here as they do when grpcio cancels them.
            self._call.is_client_gone = True
            raise asyncio.CancelledError from None

    async def abort(self, code: grpc.StatusCode, details: str = "", trailing_metadata: Metadata = ()) -> NoReturn:
        """End the call with an error."""
        raise CallEnded(code, details, trailing_metadata)

    async def respond(self, message: Any) -> None:  # noqa: ANN401 - messages of any RPC
        """Send the response of a unary call, and the status OK."""
        await self._send_message(self._framed(message), more_body=False)
        await self._send_trailers([(b"grpc-status", b"0"), *metadata_headers(self._trailers)])

    async def finish(self) -> None:
        """End a stream with the status OK."""
        headers = [(b"grpc-status", b"0"), *metadata_headers(self._trailers)]
        await self._end(headers)

    async def fail(self, ended: CallEnded) -> None:
        """End the call with an error status."""
        await self._end(status_headers(ended.code, ended.message, ended.trailers))

    async def _end(self, headers: list[tuple[bytes, bytes]]) -> None:
        if self._started:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
            await self._send_trailers(headers)
        else:
            await send_status(self._send, headers)

    async def _send_trailers(self, headers: list[tuple[bytes, bytes]]) -> None:
        await self._send({"type": "http.response.trailers", "headers": headers})

    async def _send_message(self, payload: bytes, *, more_body: bool) -> None:
        if not self._started:
            self._started = True
            headers = _HEADERS if self._compress is None else [*_HEADERS, (b"grpc-encoding", self._head.encoding)]
            await self._send({"type": "http.response.start", "status": 200, "headers": headers, "trailers": True})
        sent = self._send({"type": "http.response.body", "body": payload, "more_body": more_body})
        # Shielded like ``receive``. The last part is never waited for.
        await (asyncio.shield(sent) if more_body else sent)

    def _framed(self, message: Any) -> bytes:  # noqa: ANN401 - messages of any RPC
        data: bytes = message if self._serialize is None else self._serialize(message)
        if self._compress is None:
            return framed(data, is_compressed=False)
        return framed(self._compress(data), is_compressed=True)


async def send_status(send: Send, headers: list[tuple[bytes, bytes]]) -> None:
    """Send a response that has only a status (Trailers-Only in the protocol)."""
    await send({"type": "http.response.start", "status": 200, "headers": [*_HEADERS, *headers]})
    await send({"type": "http.response.body", "body": b""})
