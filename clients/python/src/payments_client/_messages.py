"""Converts between the contract's messages and Python types."""

import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Protocol, TypeVar

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money

from payments_client.errors import InternalError, PaymentsError, error_from_status
from payments_client.models import (
    NewCharge,
    Payment,
    PaymentConditions,
    PaymentDetails,
    PaymentEvent,
    PaymentEventPage,
    PaymentEventType,
    PaymentMethod,
    PaymentPage,
    PaymentStatus,
    PaymentUpdate,
    Refund,
    RefundPage,
    RefundResult,
    RefundState,
    RefundStatus,
)
from payments_client.v1 import payments_pb2

_NANO_DIGITS = 9

_AMOUNT_DIGITS = 2
"""The maximum number of decimals in any currency. For currencies with fewer, the service checks the amount."""

_MemberT = TypeVar("_MemberT")
_NumberT = TypeVar("_NumberT")


class ListRequest(Protocol):
    """A request for one page of a list."""

    page_token: str


class ListResponse(Protocol):
    """One page of a list."""

    next_page_token: str


_METHOD_NUMBERS = {
    PaymentMethod.UPI: payments_pb2.PAYMENT_METHOD_UPI,
    PaymentMethod.CARD: payments_pb2.PAYMENT_METHOD_CARD,
    PaymentMethod.COD: payments_pb2.PAYMENT_METHOD_COD,
    PaymentMethod.OTHER: payments_pb2.PAYMENT_METHOD_OTHER,
}
_STATUS_NUMBERS = {
    PaymentStatus.PENDING: payments_pb2.PAYMENT_STATUS_PENDING,
    PaymentStatus.SUCCEEDED: payments_pb2.PAYMENT_STATUS_SUCCEEDED,
    PaymentStatus.FAILED: payments_pb2.PAYMENT_STATUS_FAILED,
}
_REFUND_STATE_NUMBERS = {
    RefundState.NONE: payments_pb2.REFUND_STATE_NONE,
    RefundState.PARTIAL: payments_pb2.REFUND_STATE_PARTIAL,
    RefundState.FULL: payments_pb2.REFUND_STATE_FULL,
}


def _inverse(numbers: Mapping[_MemberT, _NumberT]) -> dict[_NumberT, _MemberT]:
    return {number: member for member, number in numbers.items()}


_METHODS = _inverse(_METHOD_NUMBERS)
_STATUSES = _inverse(_STATUS_NUMBERS)
_REFUND_STATES = _inverse(_REFUND_STATE_NUMBERS)
_REFUND_STATUSES = {
    payments_pb2.REFUND_STATUS_PENDING: RefundStatus.PENDING,
    payments_pb2.REFUND_STATUS_SUCCEEDED: RefundStatus.SUCCEEDED,
    payments_pb2.REFUND_STATUS_FAILED: RefundStatus.FAILED,
}
_EVENT_TYPES = {
    payments_pb2.PAYMENT_EVENT_TYPE_PENDING: PaymentEventType.PENDING,
    payments_pb2.PAYMENT_EVENT_TYPE_CHARGED: PaymentEventType.CHARGED,
    payments_pb2.PAYMENT_EVENT_TYPE_FAILED: PaymentEventType.FAILED,
    payments_pb2.PAYMENT_EVENT_TYPE_REFUND_PENDING: PaymentEventType.REFUND_PENDING,
    payments_pb2.PAYMENT_EVENT_TYPE_REFUNDED: PaymentEventType.REFUNDED,
    payments_pb2.PAYMENT_EVENT_TYPE_REFUND_FAILED: PaymentEventType.REFUND_FAILED,
    payments_pb2.PAYMENT_EVENT_TYPE_IMPORTED: PaymentEventType.IMPORTED,
}


def charge_request(
    *, order_id: int, amount: Decimal, currency: str | None, method: PaymentMethod | None, request_id: str | None
) -> payments_pb2.ChargeRequest:
    """Return the request for a charge, with a new ``request_id`` if none is given (AIP-155)."""
    return payments_pb2.ChargeRequest(
        order_id=order_id,
        amount=_money("amount", amount, currency),
        method=(
            payments_pb2.PAYMENT_METHOD_UNSPECIFIED
            if method is None
            else _number(_METHOD_NUMBERS, PaymentMethod(method))
        ),
        request_id=_new_request_id() if request_id is None else request_id,
    )


def batch_charge_request(charges: Iterable[NewCharge]) -> payments_pb2.BatchChargeRequest:
    """Return the request for a batch of charges."""
    return payments_pb2.BatchChargeRequest(
        charges=[
            charge_request(
                order_id=charge.order_id,
                amount=charge.amount,
                currency=charge.currency,
                method=charge.method,
                request_id=charge.request_id,
            )
            for charge in charges
        ]
    )


def batch_charge_outcomes(
    request: payments_pb2.BatchChargeRequest, response: payments_pb2.BatchChargeResponse
) -> list[Payment | PaymentsError]:
    """Return the outcomes of the charges, in order.

    Raises:
        InternalError: the number of results differs from the number of charges, so the outcomes are unknown.
    """
    if len(response.results) != len(request.charges):
        raise InternalError("the response does not have one result for each charge", code=grpc.StatusCode.INTERNAL)
    return [
        payment(result.payment) if result.HasField("payment") else error_from_status(result.error, charge.request_id)
        for charge, result in zip(request.charges, response.results, strict=True)
    ]


def refund_request(
    *, payment_id: int, amount: Decimal | None, currency: str | None, reason: str, request_id: str | None
) -> payments_pb2.RefundRequest:
    """Return the request for a refund, with a new ``request_id`` if none is given (AIP-155)."""
    if amount is None and currency is not None:
        raise ValueError("currency needs an amount")
    return payments_pb2.RefundRequest(
        payment_id=payment_id,
        amount=None if amount is None else _money("amount", amount, currency),
        reason=reason,
        request_id=_new_request_id() if request_id is None else request_id,
    )


def get_request(*, payment_id: int | None, reference: str | None) -> payments_pb2.GetPaymentRequest:
    """Return the request for one payment."""
    if payment_id is not None and reference is None:
        return payments_pb2.GetPaymentRequest(payment_id=payment_id)
    if reference is not None and payment_id is None:
        return payments_pb2.GetPaymentRequest(reference=reference)
    raise TypeError("get_payment() takes exactly one of payment_id and reference")


def list_refunds_request(*, payment_id: int, page_size: int, page_token: str) -> payments_pb2.ListRefundsRequest:
    """Return the request for a page of the refunds of a payment."""
    return payments_pb2.ListRefundsRequest(payment_id=payment_id, page_size=page_size, page_token=page_token)


def list_events_request(*, payment_id: int, page_size: int, page_token: str) -> payments_pb2.ListPaymentEventsRequest:
    """Return the request for a page of the events of a payment."""
    return payments_pb2.ListPaymentEventsRequest(payment_id=payment_id, page_size=page_size, page_token=page_token)


def list_request(
    conditions: PaymentConditions,
    *,
    order_by: str,
    page_size: int,
    page_token: str = "",
    include_total_size: bool = False,
) -> payments_pb2.ListPaymentsRequest:
    """Return the request for a page of payments."""
    return payments_pb2.ListPaymentsRequest(
        filter=_filter(**conditions),
        order_by=order_by,
        page_size=page_size,
        page_token=page_token,
        include_total_size=include_total_size,
    )


def _filter(  # noqa: PLR0913 (one argument for each condition)
    *,
    order_id: int | None = None,
    methods: Iterable[PaymentMethod] | None = None,
    statuses: Iterable[PaymentStatus] | None = None,
    refund_states: Iterable[RefundState] | None = None,
    reference: str | None = None,
    min_amount: Decimal | None = None,
    max_amount: Decimal | None = None,
    currency: str | None = None,
    min_create_time: datetime | None = None,
    max_create_time: datetime | None = None,
) -> payments_pb2.PaymentFilter:
    if currency is not None and min_amount is None and max_amount is None:
        raise ValueError("currency needs min_amount or max_amount")
    return payments_pb2.PaymentFilter(
        order_id=order_id,
        methods=[_number(_METHOD_NUMBERS, PaymentMethod(method)) for method in methods or ()],
        statuses=[_number(_STATUS_NUMBERS, PaymentStatus(status)) for status in statuses or ()],
        refund_states=[_number(_REFUND_STATE_NUMBERS, RefundState(state)) for state in refund_states or ()],
        reference=reference,
        min_amount=None if min_amount is None else _money("min_amount", min_amount, currency),
        max_amount=None if max_amount is None else _money("max_amount", max_amount, currency),
        min_create_time=None if min_create_time is None else _timestamp("min_create_time", min_create_time),
        max_create_time=None if max_create_time is None else _timestamp("max_create_time", max_create_time),
    )


def payment(message: payments_pb2.Payment) -> Payment:
    """Convert a payment to Python types."""
    return Payment(
        payment_id=message.payment_id,
        order_id=message.order_id,
        amount=_amount(message.amount) if message.HasField("amount") else None,
        currency=message.amount.currency_code if message.HasField("amount") else None,
        method=_METHODS.get(message.method, PaymentMethod.UNKNOWN),
        other_method=message.other_method,
        status=_STATUSES.get(message.status, PaymentStatus.UNKNOWN),
        reference=message.reference,
        create_time=_time(message.create_time) if message.HasField("create_time") else None,
        refunded_amount=_amount(message.refunded_amount) if message.HasField("refunded_amount") else None,
        refund_state=_REFUND_STATES.get(message.refund_state, RefundState.UNKNOWN),
    )


def refund(message: payments_pb2.Refund) -> Refund:
    """Convert a refund to Python types."""
    return Refund(
        refund_id=message.refund_id,
        payment_id=message.payment_id,
        amount=_amount(message.amount),
        currency=message.amount.currency_code,
        status=_REFUND_STATUSES.get(message.status, RefundStatus.UNKNOWN),
        reason=message.reason,
        create_time=_time(message.create_time),
    )


def refund_result(response: payments_pb2.RefundResponse) -> RefundResult:
    """Convert the outcome of a refund to Python types."""
    return RefundResult(
        refund=refund(response.refund) if response.HasField("refund") else None, payment=payment(response.payment)
    )


def payment_details(response: payments_pb2.GetPaymentResponse) -> PaymentDetails:
    """Convert a payment and its refunds to Python types."""
    return PaymentDetails(
        payment=payment(response.payment),
        refunds=tuple(map(refund, response.refunds)),
        next_refunds_page_token=response.next_refunds_page_token,
    )


def refund_page(response: payments_pb2.ListRefundsResponse) -> RefundPage:
    """Convert a page of refunds to Python types."""
    return RefundPage(refunds=tuple(map(refund, response.refunds)), next_page_token=response.next_page_token)


def payment_page(response: payments_pb2.ListPaymentsResponse) -> PaymentPage:
    """Convert a page of payments to Python types."""
    return PaymentPage(
        payments=tuple(map(payment, response.payments)),
        next_page_token=response.next_page_token,
        total_size=response.total_size if response.HasField("total_size") else None,
    )


def event_page(response: payments_pb2.ListPaymentEventsResponse) -> PaymentEventPage:
    """Convert a page of events to Python types."""
    return PaymentEventPage(events=tuple(map(_event, response.events)), next_page_token=response.next_page_token)


def payment_update(response: payments_pb2.WatchPaymentsResponse) -> PaymentUpdate:
    """Convert one response of a watch to Python types."""
    return PaymentUpdate(
        event=_event(response.event) if response.HasField("event") else None, resume_token=response.resume_token
    )


def _event(message: payments_pb2.PaymentEvent) -> PaymentEvent:
    return PaymentEvent(
        type=_EVENT_TYPES.get(message.type, PaymentEventType.UNKNOWN),
        event_time=_time(message.event_time) if message.HasField("event_time") else None,
        payment=payment(message.payment),
        refund=refund(message.refund) if message.HasField("refund") else None,
        caller=message.caller,
        request_id=message.request_id,
    )


def _new_request_id() -> str:
    return str(uuid.uuid4())


def _number(numbers: Mapping[_MemberT, _NumberT], member: _MemberT) -> _NumberT:
    if member not in numbers:
        raise ValueError(f"{member!r} cannot be sent: it stands for values that this client does not know")
    return numbers[member]


def _money(name: str, amount: object, currency: str | None) -> Money:
    """Convert an amount without rounding, whatever the precision of the decimal context.

    Raises:
        TypeError: the amount is not a Decimal. A float is not exact, and an int could mean paise or cents.
        ValueError: the amount is not finite, or has more than two decimals.
    """
    if not isinstance(amount, Decimal):
        raise TypeError(f"{name} must be a decimal.Decimal, not {type(amount).__name__}")
    if not amount.is_finite():
        raise ValueError(f"{name} must be finite, not {amount}")
    units, _, decimals = f"{amount.copy_abs():f}".partition(".")
    decimals = decimals.rstrip("0")
    if len(decimals) > _AMOUNT_DIGITS:
        raise ValueError(f"{name} must have at most {_AMOUNT_DIGITS} decimals, not {amount}")
    sign = -1 if amount.is_signed() else 1
    return Money(
        currency_code=currency or "", units=sign * int(units), nanos=sign * int(decimals.ljust(_NANO_DIGITS, "0"))
    )


def _amount(money: Money) -> Decimal:
    """Convert an amount exactly, with at least two decimals."""
    sign = "-" if money.units < 0 or money.nanos < 0 else ""
    decimals = f"{abs(money.nanos):0{_NANO_DIGITS}}".rstrip("0").ljust(_AMOUNT_DIGITS, "0")
    return Decimal(f"{sign}{abs(money.units)}.{decimals}")


def _timestamp(name: str, time: object) -> Timestamp:
    """Convert a timezone-aware time.

    Raises:
        TypeError: the time is not a datetime.
        ValueError: the time is naive, and therefore ambiguous.
    """
    if not isinstance(time, datetime):
        raise TypeError(f"{name} must be a datetime.datetime, not {type(time).__name__}")
    if time.utcoffset() is None:
        raise ValueError(f"{name} must be aware (have a tzinfo), not naive: {time.isoformat()}")
    timestamp = Timestamp()
    timestamp.FromDatetime(time)
    return timestamp


def _time(timestamp: Timestamp) -> datetime:
    return timestamp.ToDatetime(tzinfo=UTC)
