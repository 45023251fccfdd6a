"""gRPC: how a call reaches its servicer, and its answer leaves."""

import math
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from server.domain.deadline import Deadline
from server.domain.errors import FieldViolation, InvalidRequest
from server.transport.auth import API_KEY, AUTHORIZATION, credentials_of
from server.transport.boundary import Failure
from server.transport.calls import CALL_ID_KEY, REPLAYED_KEY, Call, CallFailed, Calls, call_id
from server.transport.engines import Refusal
from server.transport.tls import name_of_grpc_peer


def refusals(calls: Calls, *, has_pushback: bool) -> Callable[[], Refusal | None]:
    """Return what tells how a call that comes now is to be refused unseen, if it is."""
    made: tuple[Failure, Refusal] | None = None

    def refusal() -> Refusal | None:
        nonlocal made
        failure = calls.refusal()
        if failure is None:
            return None
        if made is None or made[0] is not failure:
            trailers = _error_trailers((), failure, has_pushback=has_pushback)
            made = failure, Refusal(failure.code, failure.message, trailers)
        return made[1]

    return refusal


Serve = Callable[[bytes, "grpc.aio.ServicerContext[bytes, bytes]"], Awaitable[bytes]]
"""What answers a call: takes its request, and returns its response, both serialized."""


def untraced(_method: MethodDescriptor, serve: Serve) -> Serve:
    """Return ``serve``, with nothing around it."""
    return serve


def rpc_handlers(  # noqa: PLR0913
    service: ServiceDescriptor,
    servicer: object,
    calls: Calls,
    *,
    has_pushback: bool,
    has_certificates: bool,
    around: Callable[[MethodDescriptor, Serve], Serve] = untraced,
) -> dict[str, "grpc.RpcMethodHandler[bytes, bytes]"]:
    """Return the handler of every RPC of ``service`` by its name, each served by the method of ``servicer`` with it.

    ``has_pushback`` tells whether errors that pass have the trailer ``grpc-retry-pushback-ms`` (gRFC A6), and
    ``has_certificates`` whether clients have certificates. ``around`` is put around each.
    """
    refusal = refusals(calls, has_pushback=has_pushback)
    return {
        method.name: grpc.unary_unary_rpc_method_handler(
            around(
                method, _around(method, getattr(servicer, method.name), calls, refusal, has_pushback, has_certificates)
            )
        )
        for method in service.methods
    }


def _around(  # noqa: PLR0913, PLR0917
    method: MethodDescriptor,
    handler: Callable[[Message, Call], Awaitable[Message]],
    calls: Calls,
    refusal: Callable[[], Refusal | None],
    has_pushback: bool,  # noqa: FBT001
    has_certificates: bool,  # noqa: FBT001
) -> Serve:
    request_type = GetMessageClass(method.input_type)

    async def serve(payload: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        if refused := refusal():
            # Before anything else: what is refused must cost next to nothing.
            await context.abort(refused.code, refused.message, refused.trailers)
        metadata: dict[str, Any] = dict(context.invocation_metadata() or ())
        certificate_name = name_of_grpc_peer(context.auth_context()) if has_certificates else None
        credentials = credentials_of(metadata.get(AUTHORIZATION), metadata.get(API_KEY), certificate_name)
        call = Call(call_id(metadata.get(CALL_ID_KEY)), credentials, Deadline.after(context.time_remaining()))
        try:
            with calls.one(method.name, context.peer(), call):
                response = await handler(_parse(request_type, payload), call)
        except CallFailed as failed:
            trailers = _error_trailers(_trailers(call), failed.failure, has_pushback=has_pushback)
            await context.abort(failed.failure.code, failed.failure.message, trailers)
        context.set_trailing_metadata(_trailers(call))
        return response.SerializeToString()

    return serve


def _parse(request_type: type[Message], payload: bytes) -> Message:
    # Here, and not in gRPC's own deserializer, which calls bytes that are no such message an internal error.
    try:
        return request_type.FromString(payload)
    except DecodeError as error:
        name = request_type.DESCRIPTOR.full_name
        raise InvalidRequest((FieldViolation("", f"the request must be a serialized {name}"),)) from error


def _trailers(call: Call) -> tuple[tuple[str, str | bytes], ...]:
    named = (CALL_ID_KEY, call.call_id)
    return (named, (REPLAYED_KEY, "true")) if call.replayed else (named,)


def _error_trailers(
    trailers: tuple[tuple[str, str | bytes], ...], failure: Failure, *, has_pushback: bool
) -> tuple[tuple[str, str | bytes], ...]:
    trailers = (*trailers, ("grpc-status-details-bin", failure.status.SerializeToString()))
    if failure.retry_after_seconds is None or not has_pushback:
        return trailers
    # gRPC clients with a retry policy wait this long before their next attempt (gRFC A6).
    return (*trailers, ("grpc-retry-pushback-ms", str(math.ceil(failure.retry_after_seconds * 1000))))
