"""gRPC: how a call reaches its servicer and its answer leaves, and the server that listens."""

from collections.abc import Awaitable, Callable

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from server.config import Settings
from server.domain.deadline import Deadline
from server.domain.errors import FieldViolation, InvalidRequest
from server.transport.boundary import Failure
from server.transport.calls import ANONYMOUS, CALL_ID_KEY, REPLAYED_KEY, Call, CallFailed, Calls, call_id


def service_handler(service: ServiceDescriptor, servicer: object, calls: Calls) -> grpc.GenericRpcHandler:
    """Return the handler of every RPC of ``service``, each served by the method of ``servicer`` with its name."""
    return grpc.method_handlers_generic_handler(
        service.full_name,
        {
            method.name: grpc.unary_unary_rpc_method_handler(_around(method, getattr(servicer, method.name), calls))
            for method in service.methods
        },
    )


def _around(
    method: MethodDescriptor, handler: Callable[[Message, Call], Awaitable[Message]], calls: Calls
) -> Callable[[bytes, grpc.aio.ServicerContext[bytes, bytes]], Awaitable[bytes]]:
    request_type = GetMessageClass(method.input_type)

    async def serve(payload: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        metadata = dict(context.invocation_metadata() or ())
        call = Call(call_id(metadata.get(CALL_ID_KEY)), ANONYMOUS, Deadline.after(context.time_remaining()))
        try:
            with calls.one(method.name, context.peer(), call):
                response = await handler(_parse(request_type, payload), call)
        except CallFailed as failed:
            await context.abort(failed.failure.code, failed.failure.message, _error_trailers(call, failed.failure))
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


def _error_trailers(call: Call, failure: Failure) -> tuple[tuple[str, str | bytes], ...]:
    trailers = (*_trailers(call), ("grpc-status-details-bin", failure.status.SerializeToString()))
    if failure.retry_after_seconds is None:
        return trailers
    # gRPC clients with a retry policy wait this long before their next attempt (gRFC A6).
    return (*trailers, ("grpc-retry-pushback-ms", str(round(failure.retry_after_seconds * 1000))))


def new_server(settings: Settings) -> grpc.aio.Server:
    """Return a gRPC server that serves nothing and listens nowhere yet."""
    return grpc.aio.server(
        options=(
            *_connection_age(settings),
            ("grpc.max_receive_message_length", settings.grpc_max_message_bytes),
            # Two servers on one port would each get some of the calls: the second should fail to start.
            ("grpc.so_reuseport", 0),
            # Clients may keep idle connections alive with a ping every 10 s, and are not taken for attackers.
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        )
    )


def _connection_age(settings: Settings) -> tuple[tuple[str, int], ...]:
    """Return the options that end connections of age: their clients look up the addresses of the replicas anew then.

    Without that, clients that balance over replicas never learn of one that came later. gRPC spreads the ends by a
    tenth of the age. No call is lost by it: those in progress may take as long as at shutdown.
    """
    if settings.grpc_max_connection_age_seconds is None:
        return ()
    return (
        ("grpc.max_connection_age_ms", round(settings.grpc_max_connection_age_seconds * 1000)),
        ("grpc.max_connection_age_grace_ms", round(settings.drain_timeout_seconds * 1000)),
    )
