"""The gRPC handlers: pass each call through the pipeline to its servicer, and send back its response or error."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing
from typing import Any

import grpc
import structlog
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from server.domain.deadline import Deadline
from server.domain.errors import FieldViolation, InvalidRequest
from server.transport.grpc.call_context import CallContext
from server.transport.grpc.server import Rejection
from server.transport.grpc.stream_writer import StreamWriter
from server.transport.grpc.trailers import error_trailers
from server.transport.grpc.wire_fields import has_more_fields_than
from server.transport.pipeline.auth import API_KEY, AUTHORIZATION, credentials_of
from server.transport.pipeline.calls import CALL_ID_KEY, REPLAYED_KEY, Call, CallFailed, Calls, call_id_for
from server.transport.pipeline.certificates import certificate_of_grpc_peer
from server.transport.pipeline.cross_site import CrossSiteRule
from server.transport.pipeline.errors import Failure, OriginNotAllowed
from server.transport.pipeline.worker_thread import MAX_INLINE_BYTES, WorkerThread

_MAX_FIELDS = 10_000
"""More fields than any valid request has."""

Serve = Callable[[bytes, CallContext], Awaitable[bytes]]
"""Serves a unary call: takes the serialized request, and returns the serialized response."""

_log = structlog.get_logger(__name__)


def untraced(_method: MethodDescriptor, serve: Serve) -> Serve:
    """Return ``serve`` unchanged."""
    return serve


class RpcHandlers:
    """Connects servicers to gRPC: decodes requests, encodes responses, and reports errors as statuses."""

    def __init__(  # noqa: PLR0913 - each is a separate part
        self,
        calls: Calls,
        stream_writer: StreamWriter,
        worker_thread: WorkerThread,
        *,
        has_client_certificates: bool,
        cross_site: CrossSiteRule,
        decorate: Callable[[MethodDescriptor, Serve], Serve] = untraced,
    ) -> None:
        """Run calls through ``calls``, decode large requests in ``worker_thread``, and write with ``stream_writer``.

        ``has_client_certificates`` says whether clients present certificates. ``cross_site`` is the rule for calls from
        web pages. ``decorate`` decorates the handler of each unary RPC.
        """
        self._calls = calls
        self._stream_writer = stream_writer
        self._worker_thread = worker_thread
        self._has_client_certificates = has_client_certificates
        self._cross_site = cross_site
        self._decorate = decorate
        self._rejection: tuple[Failure, Rejection] | None = None

    def handlers_for(
        self, service: ServiceDescriptor, servicer: object
    ) -> dict[str, "grpc.RpcMethodHandler[bytes, bytes]"]:
        """Return a handler for each RPC of ``service``, which calls the method of ``servicer`` with the RPC's name."""
        return {method.name: self._handler(method, getattr(servicer, method.name)) for method in service.methods}

    def rejection(self) -> Rejection | None:
        """Return how to reject a call that arrives now, before any work is done for it, or None to admit it."""
        failure = self._calls.rejection()
        if failure is None:
            return None
        # The failure stays the same object until it changes, so cache its encoding.
        if self._rejection is None or self._rejection[0] is not failure:
            self._rejection = failure, Rejection(failure.code, failure.message, error_trailers(failure))
        return self._rejection[1]

    def _handler(self, method: MethodDescriptor, serve: Callable[..., Any]) -> "grpc.RpcMethodHandler[bytes, bytes]":
        if method.server_streaming:
            return grpc.unary_stream_rpc_method_handler(self._stream(method, serve))
        return grpc.unary_unary_rpc_method_handler(self._decorate(method, self._unary(method, serve)))

    def _unary(self, method: MethodDescriptor, serve: Callable[[Message, Call], Awaitable[Message]]) -> Serve:
        request_type = GetMessageClass(method.input_type)

        async def answer(payload: bytes, context: CallContext) -> bytes:
            if rejection := self.rejection():
                # Check this first, so that rejecting a call costs next to nothing.
                await context.abort(rejection.code, rejection.message, rejection.trailers)
            metadata, repeated_key = _metadata_of(context)
            call = self._call(context, metadata, repeated_key)
            try:
                with self._calls.run(method.name, context.peer(), call):
                    self._check_cross_site(context, metadata)
                    request = await self._worker_thread.run(
                        len(payload) > MAX_INLINE_BYTES, _parse, request_type, payload
                    )
                    response = await serve(request, call)
            except CallFailed as failed:
                failure = failed.failure
                await context.abort(failure.code, failure.message, (*_trailers(call), *error_trailers(failure)))
            context.set_trailing_metadata(_trailers(call))
            return response.SerializeToString()

        return answer

    def _stream(
        self, method: MethodDescriptor, serve: Callable[[Message, Call], AsyncGenerator[Message, None]]
    ) -> Callable[[bytes, CallContext], Awaitable[None]]:
        request_type = GetMessageClass(method.input_type)

        async def answer(payload: bytes, context: CallContext) -> None:
            if rejection := self.rejection():
                await context.abort(rejection.code, rejection.message, rejection.trailers)
            metadata, repeated_key = _metadata_of(context)
            call = self._call(context, metadata, repeated_key)
            try:
                with self._calls.run(method.name, context.peer(), call, is_stream=True):
                    self._check_cross_site(context, metadata)
                    async with aclosing(serve(_parse(request_type, payload), call)) as responses:
                        async for response in responses:
                            await self._stream_writer.write(context, response.SerializeToString())
            except CallFailed as failed:
                failure = failed.failure
                trailers = (*_trailers(call), *error_trailers(failure))
                await self._stream_writer.abort(context, failure.code, failure.message, trailers)
            context.set_trailing_metadata(_trailers(call))

        return answer

    def _check_cross_site(self, context: CallContext, metadata: Mapping[str, Any]) -> None:
        """Reject and log a call that comes from a web page whose origin is not allowed.

        Raises:
            OriginNotAllowed: it comes from such a page.
        """
        try:
            self._cross_site.check_call(metadata)
        except OriginNotAllowed as error:
            _log.warning("cross_site_refused", peer=context.peer(), origin=error.origin, sec_fetch_site=error.site)
            raise

    def _call(self, context: CallContext, metadata: Mapping[str, Any], repeated_key: str | None) -> Call:
        certificate = certificate_of_grpc_peer(context.auth_context()) if self._has_client_certificates else None
        credentials = credentials_of(metadata.get(AUTHORIZATION), metadata.get(API_KEY), certificate, repeated_key)
        return Call(call_id_for(metadata.get(CALL_ID_KEY)), credentials, Deadline.after(context.time_remaining()))


def _parse(request_type: type[Message], payload: bytes) -> Message:
    if has_more_fields_than(payload, _MAX_FIELDS):
        description = f"the request must have at most {_MAX_FIELDS:,} fields, counting each item of a repeated field"
        raise InvalidRequest((FieldViolation("", description),))
    # gRPC's own deserialization would report malformed bytes as an internal error.
    try:
        return request_type.FromString(payload)
    except DecodeError as error:
        name = request_type.DESCRIPTOR.full_name
        raise InvalidRequest((FieldViolation("", f"the request must be a serialized {name}"),)) from error


def _metadata_of(context: CallContext) -> tuple[dict[str, Any], str | None]:
    """Return the metadata of a call as a dictionary, and the name of a credentials entry that is repeated, or None."""
    entries = context.invocation_metadata() or ()
    metadata: dict[str, Any] = dict(entries)
    return metadata, None if len(metadata) == len(entries) else _repeated_key(entries)


def _repeated_key(metadata: Iterable[tuple[str, object]]) -> str | None:
    """Return the name of a credentials entry that the caller sent more than once, or None."""
    names = [name for name, _ in metadata]
    return next((name for name in (AUTHORIZATION, API_KEY) if names.count(name) > 1), None)


def _trailers(call: Call) -> tuple[tuple[str, str | bytes], ...]:
    call_id_trailer = (CALL_ID_KEY, call.call_id)
    return (call_id_trailer, (REPLAYED_KEY, "true")) if call.replayed else (call_id_trailer,)
