"""The clients of a fault run, which make calls in several ways and record each one."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from decimal import Decimal
from types import TracebackType
from typing import Any, Self

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2
from google.type.money_pb2 import Money
from payments_client import AsyncPaymentsClient, PaymentMethod, PaymentsError, models
from payments_client.errors import error_from_rpc
from payments_client.v1 import payments_pb2 as pb
from payments_client.v1.payments_pb2_grpc import PaymentServiceStub

from tests.faults.record import (
    Call,
    Charge,
    ChargeRequest,
    Failure,
    History,
    ObservedDetails,
    ObservedPayment,
    ObservedRefund,
    PaymentRequest,
    Read,
    Refund,
    RefundRequest,
    RefundResponse,
    Status,
)

TIMEOUT_SECONDS = 8.0
_RETURN_URL = "https://shop.example/paid"
_CHANNEL_OPTIONS = (
    # Reconnect to a restarted replica within a second.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
)


@dataclass(frozen=True, slots=True)
class CallLimits:
    """The timeout of a call, and optionally the time after which its client cancels it."""

    timeout_seconds: float
    cancel_after_seconds: float | None = None


DEFAULT_LIMITS = CallLimits(TIMEOUT_SECONDS)


def random_limits(rng: random.Random) -> CallLimits:
    """Return random limits. Half of them end the call early, at any step between sending and the response."""
    # Log-uniform between 0.3 ms and 0.3 s.
    short_seconds = 10 ** rng.uniform(-3.5, -0.5)
    match rng.randrange(4):
        case 0:
            return CallLimits(short_seconds)
        case 1:
            return CallLimits(TIMEOUT_SECONDS, cancel_after_seconds=short_seconds)
        case _:
            return DEFAULT_LIMITS


class StubCalls:
    """Calls one replica through the generated stub without retries, and records each attempt as a call."""

    def __init__(self, channel: grpc.aio.Channel, history: History) -> None:
        """Call over ``channel``, and record calls in ``history``."""
        self._stub = PaymentServiceStub(channel)
        self._history = history

    async def charge(self, request: ChargeRequest, limits: CallLimits) -> Charge:
        """Make a charge."""
        call: Charge = Call(request, limits.timeout_seconds)
        self._history.charges.append(call)
        response = await _attempt(self._stub.Charge, _charge_request(request), limits, call)
        if response is not None:
            call.succeed(_payment_from_message(response.payment))
        return call

    async def batch_charge(self, request: Sequence[ChargeRequest], limits: CallLimits) -> list[Charge]:
        """Make many charges in one RPC, and record each charge as a call."""
        calls: list[Charge] = [Call(charge, limits.timeout_seconds) for charge in request]
        self._history.charges += calls
        batch: Charge = Call(request[0], limits.timeout_seconds)
        message = pb.BatchChargeRequest(charges=[_charge_request(charge) for charge in request])
        response = await _attempt(self._stub.BatchCharge, message, limits, batch)
        for index, call in enumerate(calls):
            if response is None:
                call.fail(batch.failure or Failure("CANCELLED"))
            elif response.results[index].HasField("payment"):
                call.succeed(_payment_from_message(response.results[index].payment))
            else:
                call.fail(_item_failure(response.results[index].error.code, response.results[index].error.details))
        return calls

    async def refund(self, request: RefundRequest, limits: CallLimits) -> Refund:
        """Make a refund."""
        call: Refund = Call(request, limits.timeout_seconds)
        self._history.refunds.append(call)
        message = pb.RefundRequest(
            payment_id=request.payment_id,
            amount=None if request.amount_minor is None else _money(request.amount_minor),
            request_id=request.request_id,
        )
        response = await _attempt(self._stub.Refund, message, limits, call)
        if response is not None:
            call.succeed(RefundResponse(_refund_from_message(response.refund), _payment_from_message(response.payment)))
        return call

    async def get_payment(self, request: PaymentRequest, limits: CallLimits) -> Read:
        """Read a payment and its refunds."""
        call: Read = Call(request, limits.timeout_seconds)
        self._history.reads.append(call)
        message = pb.GetPaymentRequest(payment_id=request.payment_id)
        response = await _attempt(self._stub.GetPayment, message, limits, call)
        if response is not None:
            refunds = tuple(_refund_from_message(refund) for refund in response.refunds)
            call.succeed(ObservedDetails(_payment_from_message(response.payment), refunds))
        return call


class ClientCalls:
    """Calls both replicas through the project's client, and records all attempts of a request as one call."""

    def __init__(self, client: AsyncPaymentsClient, history: History, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """Call through ``client``, and record calls in ``history``."""
        self._client = client
        self._history = history
        self._timeout_seconds = timeout_seconds

    async def charge(self, request: ChargeRequest) -> Charge:
        """Make a charge."""
        call: Charge = Call(request, self._timeout_seconds)
        self._history.charges.append(call)
        try:
            payment = await self._client.charge(
                order_id=request.order_id,
                amount=_decimal(request.amount_minor),
                method=PaymentMethod(request.method),
                request_id=request.request_id,
                payment_source=request.source,
                return_url=_return_url(request),
                timeout_seconds=self._timeout_seconds,
            )
        except PaymentsError as error:
            call.fail(_failure(error))
        else:
            call.succeed(_payment_from_client(payment))
        return call

    async def refund(self, request: RefundRequest) -> Refund:
        """Make a refund."""
        call: Refund = Call(request, self._timeout_seconds)
        self._history.refunds.append(call)
        try:
            result = await self._client.refund(
                payment_id=request.payment_id,
                amount=None if request.amount_minor is None else _decimal(request.amount_minor),
                request_id=request.request_id,
                timeout_seconds=self._timeout_seconds,
            )
        except PaymentsError as error:
            call.fail(_failure(error))
        else:
            assert result.refund is not None
            refund = result.refund
            status = Status(refund.status.value)
            refunded = ObservedRefund(refund.refund_id, refund.payment_id, _minor_from_decimal(refund.amount), status)
            call.succeed(RefundResponse(refunded, _payment_from_client(result.payment)))
        return call


class Clients:
    """All clients of a run, each with its own connections."""

    def __init__(self, targets: Sequence[str], channels_per_replica: int, history: History) -> None:
        """Create ``channels_per_replica`` channels to each replica, and as many clients that call both replicas."""
        self._stack = AsyncExitStack()
        self.stubs_by_replica = [
            [StubCalls(self._channel(target), history) for _ in range(channels_per_replica)] for target in targets
        ]
        both = f"ipv4:{','.join(targets)}"
        clients = [AsyncPaymentsClient(both, options=[_CHANNEL_OPTIONS[3]]) for _ in range(channels_per_replica)]
        self.clients = [ClientCalls(client, history) for client in clients]
        for client in clients:
            self._stack.push_async_callback(client.close)

    async def __aenter__(self) -> Self:
        """Return the clients."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close every connection."""
        await self._stack.aclose()

    def _channel(self, target: str) -> grpc.aio.Channel:
        channel = grpc.aio.insecure_channel(target, options=_CHANNEL_OPTIONS)
        self._stack.push_async_callback(channel.close)
        return channel


async def _attempt(rpc: Any, message: Any, limits: CallLimits, call: Charge | Refund | Read) -> Any:  # noqa: ANN401 - of any RPC
    """Make one attempt and return its response, or record its failure and return None."""
    attempt = rpc(message, timeout=limits.timeout_seconds)
    if limits.cancel_after_seconds is not None:
        asyncio.get_running_loop().call_later(limits.cancel_after_seconds, attempt.cancel)
    try:
        return await attempt
    except grpc.RpcError as error:
        call.fail(_failure(error_from_rpc(error, None)))
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        call.fail(Failure("CANCELLED"))
    return None


def _failure(error: PaymentsError) -> Failure:
    return Failure(error.code.name, error.reason, error.call_id)


_CODE_NAMES = {code.value[0]: code.name for code in grpc.StatusCode}


def _item_failure(code: int, details: Sequence[any_pb2.Any]) -> Failure:
    info = error_details_pb2.ErrorInfo()
    for detail in details:
        detail.Unpack(info)
    return Failure(_CODE_NAMES[code], info.reason, info.metadata.get("call_id"))


def _charge_request(request: ChargeRequest) -> pb.ChargeRequest:
    return pb.ChargeRequest(
        order_id=request.order_id,
        amount=_money(request.amount_minor),
        method=pb.PaymentMethod.Value(f"PAYMENT_METHOD_{request.method}"),
        request_id=request.request_id,
        payment_source=request.source,
        return_url=_return_url(request),
    )


def _return_url(request: ChargeRequest) -> str:
    return _RETURN_URL if request.source else ""


def _payment_from_message(message: pb.Payment) -> ObservedPayment:
    return ObservedPayment(
        message.payment_id,
        message.order_id,
        _minor_from_money(message.amount),
        pb.PaymentMethod.Name(message.method).removeprefix("PAYMENT_METHOD_"),
        Status(pb.PaymentStatus.Name(message.status).removeprefix("PAYMENT_STATUS_")),
        message.reference,
        _minor_from_money(message.refunded_amount),
        message.refund_state == pb.REFUND_STATE_FULL,
    )


def _payment_from_client(payment: models.Payment) -> ObservedPayment:
    return ObservedPayment(
        payment.payment_id,
        payment.order_id,
        _minor_from_decimal(payment.amount),
        payment.method.value,
        Status(payment.status.value),
        payment.reference,
        _minor_from_decimal(payment.refunded_amount),
        payment.refund_state is models.RefundState.FULL,
    )


def _refund_from_message(message: pb.Refund) -> ObservedRefund:
    status = Status(pb.RefundStatus.Name(message.status).removeprefix("REFUND_STATUS_"))
    return ObservedRefund(message.refund_id, message.payment_id, _minor_from_money(message.amount), status)


def _money(minor: int) -> Money:
    return Money(currency_code="INR", units=minor // 100, nanos=minor % 100 * 10**7)


def _minor_from_money(message: Money) -> int:
    return message.units * 100 + message.nanos // 10**7


def _decimal(minor: int) -> Decimal:
    return Decimal(minor).scaleb(-2)


def _minor_from_decimal(amount: Decimal | None) -> int:
    assert amount is not None
    return int(amount * 100)
