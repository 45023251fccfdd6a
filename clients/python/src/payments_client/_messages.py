"""Converts between the contract's messages and Python types."""

import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Protocol, TypeVar

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money

from payments_client._labels import Labels
from payments_client.errors import InternalError, PaymentsError, error_from_status
from payments_client.models import (
    Dispute,
    DisputeStatus,
    Failure,
    NewCharge,
    NextAction,
    NextActionType,
    Payment,
    PaymentConditions,
    PaymentDetails,
    PaymentEvent,
    PaymentEventConditions,
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

_MIN_DIGITS = 2
"""The number of decimals that every amount in a result has."""

_MAX_DIGITS = 4
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
_EVENT_TYPE_NUMBERS = {
    PaymentEventType.PENDING: payments_pb2.PAYMENT_EVENT_TYPE_PENDING,
    PaymentEventType.CHARGED: payments_pb2.PAYMENT_EVENT_TYPE_CHARGED,
    PaymentEventType.FAILED: payments_pb2.PAYMENT_EVENT_TYPE_FAILED,
    PaymentEventType.REFUND_PENDING: payments_pb2.PAYMENT_EVENT_TYPE_REFUND_PENDING,
    PaymentEventType.REFUNDED: payments_pb2.PAYMENT_EVENT_TYPE_REFUNDED,
    PaymentEventType.REFUND_FAILED: payments_pb2.PAYMENT_EVENT_TYPE_REFUND_FAILED,
    PaymentEventType.IMPORTED: payments_pb2.PAYMENT_EVENT_TYPE_IMPORTED,
    PaymentEventType.FORGOTTEN: payments_pb2.PAYMENT_EVENT_TYPE_FORGOTTEN,
    PaymentEventType.ACTION_REQUIRED: payments_pb2.PAYMENT_EVENT_TYPE_ACTION_REQUIRED,
    PaymentEventType.DISPUTE_OPENED: payments_pb2.PAYMENT_EVENT_TYPE_DISPUTE_OPENED,
    PaymentEventType.DISPUTE_WON: payments_pb2.PAYMENT_EVENT_TYPE_DISPUTE_WON,
    PaymentEventType.DISPUTE_LOST: payments_pb2.PAYMENT_EVENT_TYPE_DISPUTE_LOST,
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
_EVENT_TYPES = _inverse(_EVENT_TYPE_NUMBERS)
_NEXT_ACTION_TYPES = {
    payments_pb2.NEXT_ACTION_TYPE_REDIRECT: NextActionType.REDIRECT,
    payments_pb2.NEXT_ACTION_TYPE_APPROVE_ON_PHONE: NextActionType.APPROVE_ON_PHONE,
}
_DISPUTE_STATUSES = {
    payments_pb2.DISPUTE_STATUS_OPEN: DisputeStatus.OPEN,
    payments_pb2.DISPUTE_STATUS_WON: DisputeStatus.WON,
    payments_pb2.DISPUTE_STATUS_LOST: DisputeStatus.LOST,
}
_FAILURES = {
    payments_pb2.FAILURE_INSUFFICIENT_FUNDS: Failure.INSUFFICIENT_FUNDS,
    payments_pb2.FAILURE_EXPIRED_METHOD: Failure.EXPIRED_METHOD,
    payments_pb2.FAILURE_INVALID_METHOD: Failure.INVALID_METHOD,
    payments_pb2.FAILURE_AUTHENTICATION_REQUIRED: Failure.AUTHENTICATION_REQUIRED,
    payments_pb2.FAILURE_SUSPECTED_FRAUD: Failure.SUSPECTED_FRAUD,
    payments_pb2.FAILURE_LIMIT_EXCEEDED: Failure.LIMIT_EXCEEDED,
    payments_pb2.FAILURE_DECLINED: Failure.DECLINED,
    payments_pb2.FAILURE_PROCESSOR_ERROR: Failure.PROCESSOR_ERROR,
}


def charge_request(charge: NewCharge) -> payments_pb2.ChargeRequest:
    """Return the request for a charge, with a new ``request_id`` if it has none (AIP-155)."""
    return payments_pb2.ChargeRequest(
        order_id=charge.order_id or 0,
        amount=_money("amount", charge.amount, charge.currency),
        method=(
            payments_pb2.PAYMENT_METHOD_UNSPECIFIED
            if charge.method is None
            else _number(_METHOD_NUMBERS, PaymentMethod(charge.method))
        ),
        request_id=_new_request_id() if charge.request_id is None else charge.request_id,
        external_reference=charge.external_reference,
        customer_id=charge.customer_id,
        labels=charge.labels,
        payment_source=charge.payment_source,
        unless_pending=charge.unless_pending,
        return_url=charge.return_url,
    )


def batch_charge_request(charges: Iterable[NewCharge]) -> payments_pb2.BatchChargeRequest:
    """Return the request for a batch of charges."""
    return payments_pb2.BatchChargeRequest(charges=map(charge_request, charges))


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


def get_request(
    *, payment_id: int | None, reference: str | None, request_id: str | None, caller: str
) -> payments_pb2.GetPaymentRequest:
    """Return the request for one payment."""
    if (payment_id, reference, request_id).count(None) != 2:  # noqa: PLR2004 - two of three
        raise TypeError("get_payment() takes exactly one of payment_id, reference and request_id")
    request = payments_pb2.GetPaymentRequest(caller=caller)
    if payment_id is not None:
        request.payment_id = payment_id
    if reference is not None:
        request.reference = reference
    if request_id is not None:
        request.request_id = request_id
    return request


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
    request_id: str | None = None,
    caller: str | None = None,
    processor_reference: str | None = None,
    external_reference: str | None = None,
    customer_id: str | None = None,
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
        request_id=request_id,
        caller=caller,
        processor_reference=processor_reference,
        external_reference=external_reference,
        customer_id=customer_id,
    )


def watch_request(conditions: PaymentEventConditions, *, resume_token: str) -> payments_pb2.WatchPaymentsRequest:
    """Return the request for a watch."""
    return payments_pb2.WatchPaymentsRequest(resume_token=resume_token, filter=_event_filter(**conditions))


def _event_filter(
    *,
    caller: str | None = None,
    order_id: int | None = None,
    external_reference: str | None = None,
    customer_id: str | None = None,
    types: Iterable[PaymentEventType] | None = None,
) -> payments_pb2.PaymentEventFilter:
    return payments_pb2.PaymentEventFilter(
        caller=caller,
        order_id=order_id,
        external_reference=external_reference,
        customer_id=customer_id,
        types=[_number(_EVENT_TYPE_NUMBERS, PaymentEventType(kind)) for kind in types or ()],
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
        caller=message.caller,
        request_id=message.request_id,
        processor_reference=message.processor_reference,
        failure=_failure(message.failure),
        failure_code=message.failure_code,
        external_reference=message.external_reference,
        customer_id=message.customer_id,
        labels=Labels(message.labels),
        next_action=_next_action(message.next_action) if message.HasField("next_action") else None,
        dispute=_dispute(message.dispute) if message.HasField("dispute") else None,
    )


def _next_action(message: payments_pb2.NextAction) -> NextAction:
    return NextAction(
        type=_NEXT_ACTION_TYPES.get(message.type, NextActionType.UNKNOWN),
        redirect_url=message.redirect_url,
        expire_time=_time(message.expire_time),
    )


def _dispute(message: payments_pb2.Dispute) -> Dispute:
    return Dispute(
        status=_DISPUTE_STATUSES.get(message.status, DisputeStatus.UNKNOWN),
        amount=_amount(message.amount) if message.HasField("amount") else None,
        currency=message.amount.currency_code if message.HasField("amount") else None,
        reason=message.reason,
        open_time=_time(message.open_time),
        close_time=_time(message.close_time) if message.HasField("close_time") else None,
        processor_reference=message.processor_reference,
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
        caller=message.caller,
        request_id=message.request_id,
        processor_reference=message.processor_reference,
        failure=_failure(message.failure),
        failure_code=message.failure_code,
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


def _failure(number: payments_pb2.Failure.ValueType) -> Failure | None:
    return _FAILURES.get(number, Failure.UNKNOWN) if number else None


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
        ValueError: the amount is not finite, or has more than four decimals.
    """
    if not isinstance(amount, Decimal):
        raise TypeError(f"{name} must be a decimal.Decimal, not {type(amount).__name__}")
    if not amount.is_finite():
        raise ValueError(f"{name} must be finite, not {amount}")
    units, _, decimals = f"{amount.copy_abs():f}".partition(".")
    decimals = decimals.rstrip("0")
    if len(decimals) > _MAX_DIGITS:
        raise ValueError(f"{name} must have at most {_MAX_DIGITS} decimals, not {amount}")
    sign = -1 if amount.is_signed() else 1
    return Money(
        currency_code=currency or "", units=sign * int(units), nanos=sign * int(decimals.ljust(_NANO_DIGITS, "0"))
    )


def _amount(money: Money) -> Decimal:
    """Convert an amount exactly, with at least two decimals."""
    sign = "-" if money.units < 0 or money.nanos < 0 else ""
    decimals = f"{abs(money.nanos):0{_NANO_DIGITS}}".rstrip("0").ljust(_MIN_DIGITS, "0")
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
