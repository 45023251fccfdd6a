"""The clients of a fault run: each call made in one of several ways, and recorded as it went."""

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
    ChargeAsked,
    DetailsSeen,
    Failure,
    History,
    PaymentAsked,
    PaymentSeen,
    Read,
    Refund,
    RefundAnswer,
    RefundAsked,
    RefundSeen,
    Status,
)

PATIENT_SECONDS = 8.0
_CHANNEL_OPTIONS = (
    # A replica that was away is found again within a second.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a client waits: until its deadline, or until it cancels its call before."""

    timeout_seconds: float
    cancel_after_seconds: float | None = None


PATIENT = Patience(PATIENT_SECONDS)


def some_patience(chance: random.Random) -> Patience:
    """Return a patience: half of them run out at any step of a call, from before it is sent to after it is answered."""
    # From a third of a millisecond to a third of a second, each power of ten as likely as the others.
    soon_seconds = 10 ** chance.uniform(-3.5, -0.5)
    match chance.randrange(4):
        case 0:
            return Patience(soon_seconds)
        case 1:
            return Patience(PATIENT_SECONDS, cancel_after_seconds=soon_seconds)
        case _:
            return PATIENT


class StubCalls:
    """Calls one replica through the generated stub, each once: an attempt is a call of the record."""

    def __init__(self, channel: grpc.aio.Channel, history: History) -> None:
        """Keep the channel and the record."""
        self._stub = PaymentServiceStub(channel)
        self._history = history

    async def charge(self, asked: ChargeAsked, patience: Patience) -> Charge:
        """Charge."""
        call: Charge = Call(asked, patience.timeout_seconds)
        self._history.charges.append(call)
        response = await _attempt(self._stub.Charge, _charge_request(asked), patience, call)
        if response is not None:
            call.answered(_payment(response.payment))
        return call

    async def batch_charge(self, asked: Sequence[ChargeAsked], patience: Patience) -> list[Charge]:
        """Make many charges in one call; each is a call of the record."""
        calls: list[Charge] = [Call(one, patience.timeout_seconds) for one in asked]
        self._history.charges += calls
        whole: Charge = Call(asked[0], patience.timeout_seconds)
        request = pb.BatchChargeRequest(charges=[_charge_request(one) for one in asked])
        response = await _attempt(self._stub.BatchCharge, request, patience, whole)
        for place, call in enumerate(calls):
            if response is None:
                call.failed(whole.failure or Failure("CANCELLED"))
            elif response.results[place].HasField("payment"):
                call.answered(_payment(response.results[place].payment))
            else:
                call.failed(_failure_of_one(response.results[place].error.code, response.results[place].error.details))
        return calls

    async def refund(self, asked: RefundAsked, patience: Patience) -> Refund:
        """Refund."""
        call: Refund = Call(asked, patience.timeout_seconds)
        self._history.refunds.append(call)
        request = pb.RefundRequest(
            payment_id=asked.payment_id,
            amount=None if asked.amount_minor is None else _money(asked.amount_minor),
            request_id=asked.request_id,
        )
        response = await _attempt(self._stub.Refund, request, patience, call)
        if response is not None:
            call.answered(RefundAnswer(_refund(response.refund), _payment(response.payment)))
        return call

    async def get_payment(self, asked: PaymentAsked, patience: Patience) -> Read:
        """Read a payment and its refunds."""
        call: Read = Call(asked, patience.timeout_seconds)
        self._history.reads.append(call)
        request = pb.GetPaymentRequest(payment_id=asked.payment_id)
        response = await _attempt(self._stub.GetPayment, request, patience, call)
        if response is not None:
            refunds = tuple(_refund(refund) for refund in response.refunds)
            call.answered(DetailsSeen(_payment(response.payment), refunds))
        return call


class ClientCalls:
    """Calls both replicas through the project's client: a call of the record is all its attempts."""

    def __init__(self, client: AsyncPaymentsClient, history: History) -> None:
        """Keep the client and the record."""
        self._client = client
        self._history = history

    async def charge(self, asked: ChargeAsked) -> Charge:
        """Charge."""
        call: Charge = Call(asked, PATIENT_SECONDS)
        self._history.charges.append(call)
        try:
            payment = await self._client.charge(
                order_id=asked.order_id,
                amount=_decimal(asked.amount_minor),
                method=PaymentMethod(asked.method),
                request_id=asked.request_id,
                timeout_seconds=PATIENT_SECONDS,
            )
        except PaymentsError as error:
            call.failed(_failure(error))
        else:
            call.answered(_payment_of_client(payment))
        return call

    async def refund(self, asked: RefundAsked) -> Refund:
        """Refund."""
        call: Refund = Call(asked, PATIENT_SECONDS)
        self._history.refunds.append(call)
        try:
            result = await self._client.refund(
                payment_id=asked.payment_id,
                amount=None if asked.amount_minor is None else _decimal(asked.amount_minor),
                request_id=asked.request_id,
                timeout_seconds=PATIENT_SECONDS,
            )
        except PaymentsError as error:
            call.failed(_failure(error))
        else:
            assert result.refund is not None
            refund = result.refund
            status = Status(refund.status.value)
            made = RefundSeen(refund.refund_id, refund.payment_id, _minor(refund.amount), status)
            call.answered(RefundAnswer(made, _payment_of_client(result.payment)))
        return call


class Clients:
    """All of them, on connections of their own."""

    def __init__(self, targets: Sequence[str], channels_to_each: int, history: History) -> None:
        """Prepare ``channels_to_each`` channels to each replica, and as many clients for both."""
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
        """Return them."""
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


async def _attempt(rpc: Any, request: Any, patience: Patience, call: Charge | Refund | Read) -> Any:  # noqa: ANN401 - of any RPC
    """Return the answer to one attempt; or note how it failed, and return None."""
    calling = rpc(request, timeout=patience.timeout_seconds)
    if patience.cancel_after_seconds is not None:
        asyncio.get_running_loop().call_later(patience.cancel_after_seconds, calling.cancel)
    try:
        return await calling
    except grpc.RpcError as error:
        call.failed(_failure(error_from_rpc(error, None)))
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        call.failed(Failure("CANCELLED"))
    return None


def _failure(error: PaymentsError) -> Failure:
    return Failure(error.code.name, error.reason, error.call_id)


_CODE_NAMES = {code.value[0]: code.name for code in grpc.StatusCode}


def _failure_of_one(code: int, details: Sequence[any_pb2.Any]) -> Failure:
    info = error_details_pb2.ErrorInfo()
    for detail in details:
        detail.Unpack(info)
    return Failure(_CODE_NAMES[code], info.reason, info.metadata.get("call_id"))


def _charge_request(asked: ChargeAsked) -> pb.ChargeRequest:
    return pb.ChargeRequest(
        order_id=asked.order_id,
        amount=_money(asked.amount_minor),
        method=pb.PaymentMethod.Value(f"PAYMENT_METHOD_{asked.method}"),
        request_id=asked.request_id,
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
