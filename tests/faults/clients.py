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
from payments import AsyncPaymentsClient, PaymentMethod, PaymentsError, models
from payments.errors import error_from_rpc
from payments.v1 import payments_pb2 as pb
from payments.v1.payments_pb2_grpc import PaymentServiceStub

from tests.faults.record import (
    Call,
    Charge,
    ChargeRequest,
    DetailsSeen,
    Failure,
    History,
    PaymentRequest,
    PaymentSeen,
    Read,
    Refund,
    RefundAnswer,
    RefundRequest,
    RefundSeen,
    Status,
)

PATIENT_SECONDS = 8.0
_CHANNEL_OPTIONS = (
    # Reconnect to a restarted replica within a second.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
)


@dataclass(frozen=True, slots=True)
class Patience:
    """The deadline of a call, and the time after which its client cancels it, if it does."""

    timeout_seconds: float
    cancel_after_seconds: float | None = None


PATIENT = Patience(PATIENT_SECONDS)


def random_patience(rng: random.Random) -> Patience:
    """Return a random patience. Half of them run out during the call, at any step from sending to the response."""
    # From 0.3 ms to 0.3 s, distributed evenly over the powers of ten.
    short_seconds = 10 ** rng.uniform(-3.5, -0.5)
    match rng.randrange(4):
        case 0:
            return Patience(short_seconds)
        case 1:
            return Patience(PATIENT_SECONDS, cancel_after_seconds=short_seconds)
        case _:
            return PATIENT


class StubCalls:
    """Calls one replica through the generated stub without retries, and records each attempt as a call."""

    def __init__(self, channel: grpc.aio.Channel, history: History) -> None:
        """Call over ``channel``, and record calls in ``history``."""
        self._stub = PaymentServiceStub(channel)
        self._history = history

    async def charge(self, request: ChargeRequest, patience: Patience) -> Charge:
        """Make a charge."""
        call: Charge = Call(request, patience.timeout_seconds)
        self._history.charges.append(call)
        response = await _attempt(self._stub.Charge, _charge_request(request), patience, call)
        if response is not None:
            call.succeed(_payment(response.payment))
        return call

    async def batch_charge(self, request: Sequence[ChargeRequest], patience: Patience) -> list[Charge]:
        """Make many charges in one RPC, and record each charge as a call."""
        calls: list[Charge] = [Call(one, patience.timeout_seconds) for one in request]
        self._history.charges += calls
        whole: Charge = Call(request[0], patience.timeout_seconds)
        message = pb.BatchChargeRequest(charges=[_charge_request(one) for one in request])
        response = await _attempt(self._stub.BatchCharge, message, patience, whole)
        for place, call in enumerate(calls):
            if response is None:
                call.fail(whole.failure or Failure("CANCELLED"))
            elif response.results[place].HasField("payment"):
                call.succeed(_payment(response.results[place].payment))
            else:
                call.fail(_failure_of_item(response.results[place].error.code, response.results[place].error.details))
        return calls

    async def refund(self, request: RefundRequest, patience: Patience) -> Refund:
        """Make a refund."""
        call: Refund = Call(request, patience.timeout_seconds)
        self._history.refunds.append(call)
        message = pb.RefundRequest(
            payment_id=request.payment_id,
            amount=None if request.amount_minor is None else _money(request.amount_minor),
            request_id=request.request_id,
        )
        response = await _attempt(self._stub.Refund, message, patience, call)
        if response is not None:
            call.succeed(RefundAnswer(_refund(response.refund), _payment(response.payment)))
        return call

    async def get_payment(self, request: PaymentRequest, patience: Patience) -> Read:
        """Read a payment and its refunds."""
        call: Read = Call(request, patience.timeout_seconds)
        self._history.reads.append(call)
        message = pb.GetPaymentRequest(payment_id=request.payment_id)
        response = await _attempt(self._stub.GetPayment, message, patience, call)
        if response is not None:
            refunds = tuple(_refund(refund) for refund in response.refunds)
            call.succeed(DetailsSeen(_payment(response.payment), refunds))
        return call


class ClientCalls:
    """Calls both replicas through the project's client, and records all attempts of a request as one call."""

    def __init__(self, client: AsyncPaymentsClient, history: History) -> None:
        """Call through ``client``, and record calls in ``history``."""
        self._client = client
        self._history = history

    async def charge(self, request: ChargeRequest) -> Charge:
        """Make a charge."""
        call: Charge = Call(request, PATIENT_SECONDS)
        self._history.charges.append(call)
        try:
            payment = await self._client.charge(
                order_id=request.order_id,
                amount=_decimal(request.amount_minor),
                method=PaymentMethod(request.method),
                request_id=request.request_id,
                timeout_seconds=PATIENT_SECONDS,
            )
        except PaymentsError as error:
            call.fail(_failure(error))
        else:
            call.succeed(_payment_of_client(payment))
        return call

    async def refund(self, request: RefundRequest) -> Refund:
        """Make a refund."""
        call: Refund = Call(request, PATIENT_SECONDS)
        self._history.refunds.append(call)
        try:
            result = await self._client.refund(
                payment_id=request.payment_id,
                amount=None if request.amount_minor is None else _decimal(request.amount_minor),
                request_id=request.request_id,
                timeout_seconds=PATIENT_SECONDS,
            )
        except PaymentsError as error:
            call.fail(_failure(error))
        else:
            assert result.refund is not None
            refund = result.refund
            status = Status(refund.status.value)
            refunded = RefundSeen(refund.refund_id, refund.payment_id, _minor(refund.amount), status)
            call.succeed(RefundAnswer(refunded, _payment_of_client(result.payment)))
        return call


class Clients:
    """All clients of a run, each with its own connections."""

    def __init__(self, targets: Sequence[str], channels_to_each: int, history: History) -> None:
        """Create ``channels_to_each`` channels to each replica, and as many clients that call both."""
        self._closing = AsyncExitStack()
        self.of_replicas = [
            [StubCalls(self._channel(target), history) for _ in range(channels_to_each)] for target in targets
        ]
        both = f"ipv4:{','.join(targets)}"
        clients = [AsyncPaymentsClient(both, options=[_CHANNEL_OPTIONS[3]]) for _ in range(channels_to_each)]
        self.of_both = [ClientCalls(client, history) for client in clients]
        for client in clients:
            self._closing.push_async_callback(client.close)

    async def __aenter__(self) -> Self:
        """Return the clients."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close every connection."""
        await self._closing.aclose()

    def _channel(self, target: str) -> grpc.aio.Channel:
        channel = grpc.aio.insecure_channel(target, options=_CHANNEL_OPTIONS)
        self._closing.push_async_callback(channel.close)
        return channel


async def _attempt(rpc: Any, message: Any, patience: Patience, call: Charge | Refund | Read) -> Any:  # noqa: ANN401 - of any RPC
    """Make one attempt and return its response, or record its failure and return None."""
    attempt = rpc(message, timeout=patience.timeout_seconds)
    if patience.cancel_after_seconds is not None:
        asyncio.get_running_loop().call_later(patience.cancel_after_seconds, attempt.cancel)
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


def _failure_of_item(code: int, details: Sequence[any_pb2.Any]) -> Failure:
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
    )


def _payment(message: pb.Payment) -> PaymentSeen:
    return PaymentSeen(
        message.payment_id,
        message.order_id,
        _minor_of_message(message.amount),
        pb.PaymentMethod.Name(message.method).removeprefix("PAYMENT_METHOD_"),
        Status(pb.PaymentStatus.Name(message.status).removeprefix("PAYMENT_STATUS_")),
        message.reference,
        _minor_of_message(message.refunded_amount),
        message.refund_state == pb.REFUND_STATE_FULL,
    )


def _payment_of_client(payment: models.Payment) -> PaymentSeen:
    return PaymentSeen(
        payment.payment_id,
        payment.order_id,
        _minor(payment.amount),
        payment.method.value,
        Status(payment.status.value),
        payment.reference,
        _minor(payment.refunded_amount),
        payment.refund_state is models.RefundState.FULL,
    )


def _refund(message: pb.Refund) -> RefundSeen:
    status = Status(pb.RefundStatus.Name(message.status).removeprefix("REFUND_STATUS_"))
    return RefundSeen(message.refund_id, message.payment_id, _minor_of_message(message.amount), status)


def _money(minor: int) -> Money:
    return Money(currency_code="INR", units=minor // 100, nanos=minor % 100 * 10**7)


def _minor_of_message(message: Money) -> int:
    return message.units * 100 + message.nanos // 10**7


def _decimal(minor: int) -> Decimal:
    return Decimal(minor).scaleb(-2)


def _minor(amount: Decimal | None) -> int:
    assert amount is not None
    return int(amount * 100)
