"""gRPC: the servicer of each RPC, what is done around every call, and the server that listens."""

import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import grpc
import structlog
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from payments.v1 import payments_pb2 as pb

from server.config import Settings
from server.domain.deadline import Deadline
from server.domain.errors import FieldViolation, InvalidRequest
from server.domain.money import Currencies
from server.transport import messages
from server.transport.boundary import Failure, failure_of
from server.transport.calls import CallsInProgress
from server.use_cases import Payments

SERVICE = pb.DESCRIPTOR.services_by_name["PaymentService"]

REQUEST_ID_KEY = "x-request-id"
"""Metadata in which a caller may name its call, and is told the name that the log has."""

_MAX_REQUEST_ID_LENGTH = 128

ANONYMOUS = "anonymous"
"""The caller of every call: callers are not told apart yet."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Call:
    """Who calls, and how long they wait."""

    caller: str
    deadline: Deadline


class PaymentServicer:
    """The RPCs: each reads its request, runs its use case, and renders the outcome."""

    def __init__(self, payments: Payments, currencies: Currencies) -> None:
        """Keep the use cases, and the currencies by which amounts are read."""
        self._payments = payments
        self._currencies = currencies

    async def Charge(self, request: pb.ChargeRequest, call: Call) -> pb.ChargeResponse:
        """Charge an order."""
        charge = messages.charge_request(request, call.caller, self._currencies)
        return messages.charge_response(await self._payments.charge(charge, call.deadline))

    async def Refund(self, request: pb.RefundRequest, call: Call) -> pb.RefundResponse:
        """Refund a payment."""
        refund = messages.refund_request(request, call.caller, self._currencies)
        return messages.refund_response(await self._payments.refund(refund, call.deadline))

    async def GetPayment(self, request: pb.GetPaymentRequest, call: Call) -> pb.GetPaymentResponse:
        """Get a payment."""
        key = messages.get_request(request)
        return messages.get_response(await self._payments.get_payment(key, call.deadline))

    async def ListPayments(self, request: pb.ListPaymentsRequest, call: Call) -> pb.ListPaymentsResponse:
        """List payments."""
        query = messages.list_request(request, self._currencies)
        return messages.list_response(await self._payments.list_payments(query, call.deadline), query)


def service_handler(service: ServiceDescriptor, servicer: object, calls: CallsInProgress) -> grpc.GenericRpcHandler:
    """Return the handler of every RPC of ``service``, each served by the method of ``servicer`` with its name."""
    return grpc.method_handlers_generic_handler(
        service.full_name,
        {
            method.name: grpc.unary_unary_rpc_method_handler(_around(method, getattr(servicer, method.name), calls))
            for method in service.methods
        },
    )


def _around(
    method: MethodDescriptor, handler: Callable[[Message, Call], Awaitable[Message]], calls: CallsInProgress
) -> Callable[[bytes, grpc.aio.ServicerContext[bytes, bytes]], Awaitable[bytes]]:
    """Return what is done around each call of an RPC: name it, bound it, turn errors into statuses, and log it."""
    request_type = GetMessageClass(method.input_type)

    async def serve(payload: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        started_seconds = time.perf_counter()
        request_id = _request_id(context)
        structlog.contextvars.bind_contextvars(request_id=request_id, rpc=method.name)
        code = grpc.StatusCode.CANCELLED
        try:
            call = Call(ANONYMOUS, Deadline.after(context.time_remaining()))
            call.deadline.check()
            with calls.one():
                response = await handler(_parse(request_type, payload), call)
            code = grpc.StatusCode.OK
        except Exception as error:  # noqa: BLE001 - the boundary is where every error ends
            failure = failure_of(error, request_id)
            code = failure.code
            await context.abort(code, failure.message, _trailers(request_id, failure))
        finally:
            milliseconds = round((time.perf_counter() - started_seconds) * 1000, 2)
            _log.info("call", code=code.name, duration_ms=milliseconds, peer=context.peer())
        context.set_trailing_metadata(((REQUEST_ID_KEY, request_id),))
        return response.SerializeToString()

    return serve


def _parse(request_type: type[Message], payload: bytes) -> Message:
    # Here, and not in gRPC's own deserializer, which calls bytes that are no such message an internal error.
    try:
        return request_type.FromString(payload)
    except DecodeError as error:
        name = request_type.DESCRIPTOR.full_name
        raise InvalidRequest((FieldViolation("", f"the request must be a serialized {name}"),)) from error


def _request_id(context: grpc.aio.ServicerContext[bytes, bytes]) -> str:
    for key, value in context.invocation_metadata() or ():
        if key == REQUEST_ID_KEY and isinstance(value, str) and 0 < len(value) <= _MAX_REQUEST_ID_LENGTH:
            return value
    return str(uuid.uuid4())


def _trailers(request_id: str, failure: Failure) -> tuple[tuple[str, str | bytes], ...]:
    trailers: list[tuple[str, str | bytes]] = [
        (REQUEST_ID_KEY, request_id),
        ("grpc-status-details-bin", failure.status.SerializeToString()),
    ]
    if failure.retry_after_seconds is not None:
        # gRPC clients with a retry policy wait this long before their next attempt (gRFC A6).
        trailers.append(("grpc-retry-pushback-ms", str(round(failure.retry_after_seconds * 1000))))
    return tuple(trailers)


def new_server(settings: Settings) -> grpc.aio.Server:
    """Return a gRPC server that serves nothing and listens nowhere yet."""
    return grpc.aio.server(
        options=(
            ("grpc.max_receive_message_length", settings.grpc_max_message_bytes),
            # Two servers on one port would each get some of the calls: the second should fail to start.
            ("grpc.so_reuseport", 0),
            # Clients may keep idle connections alive with a ping every 10 s, and are not taken for attackers.
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        )
    )
