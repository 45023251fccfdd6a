"""Convert protobuf messages to domain types, and back.

A request is decoded as a whole: all its violations are collected and raised as one ``InvalidRequest``.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, Generic, Literal, ParamSpec, TypeVar, cast

from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import status_pb2
from google.type import money_pb2
from payments_client.v1 import payments_pb2 as pb

from server.domain import listing, tokens
from server.domain.errors import FieldViolation, InvalidRequest, InvalidValue
from server.domain.identifiers import RequestKey
from server.domain.listing import Order, Page, PageQuery, PaymentFilter, Position
from server.domain.money import NANOS_PER_UNIT, Currencies, Money, positive
from server.domain.payment import (
    CHARGEABLE_METHODS,
    ChargeOutcome,
    NewCharge,
    NewRefund,
    Payment,
    PaymentDetails,
    PaymentMethod,
    Refund,
    RefundOutcome,
    RefundsQuery,
    RefundState,
    Status,
    identifier,
    reason,
    reference,
)
from server.transport.service.identity_cache import IdentityCache

P = ParamSpec("P")
T = TypeVar("T")
Member = TypeVar("Member", bound=Enum)
Number = TypeVar("Number", bound=int)

_OptionalField = Literal["reference", "min_amount", "max_amount", "min_create_time", "max_create_time"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MIN_SECONDS, _MAX_SECONDS = -62_135_596_800, 253_402_300_799
"""The years 1 to 9999, the range of google.protobuf.Timestamp."""

MAX_BATCH = 1000
"""The most charges in one batch."""

CACHED_PAYMENTS = 8_192
"""How many listed payments stay encoded, in some 2 to 4 MiB."""

MAX_FILTER_VALUES = 20
"""The most values in one repeated field of a filter."""


class _EnumTable(Generic[Member, Number]):
    """Maps between the members of a domain enum and the protobuf enum values with the same names plus a prefix."""

    def __init__(self, prefix: str, number_of: Callable[[str], Number], members: Iterable[Member]) -> None:
        self.numbers = {member: number_of(prefix + member.name) for member in members}
        self._members = {int(number): member for member, number in self.numbers.items()}
        self._allowed = f"must be one of {', '.join(prefix + member.name for member in self.numbers)}"

    def member(self, number: int) -> Member:
        if number not in self._members:
            raise InvalidValue(self._allowed)
        return self._members[number]

    def members(self, numbers: Sequence[int]) -> frozenset[Member]:
        if len(numbers) > MAX_FILTER_VALUES:
            raise InvalidValue(f"must have at most {MAX_FILTER_VALUES} values")
        return frozenset(self.member(number) for number in numbers)


_METHODS = _EnumTable("PAYMENT_METHOD_", pb.PaymentMethod.Value, PaymentMethod)
_CHARGE_METHODS = _EnumTable("PAYMENT_METHOD_", pb.PaymentMethod.Value, CHARGEABLE_METHODS)
_PAYMENT_STATUSES = _EnumTable("PAYMENT_STATUS_", pb.PaymentStatus.Value, Status)
_REFUND_STATUSES = _EnumTable("REFUND_STATUS_", pb.RefundStatus.Value, Status)
_REFUND_STATES = _EnumTable("REFUND_STATE_", pb.RefundState.Value, RefundState)


class _Reader:
    """Decodes the fields of one request, and collects their violations."""

    def __init__(self) -> None:
        self._violations: list[FieldViolation] = []

    def read(self, field: str, parse: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return ``parse(*args)``. If it raises ``InvalidValue``, record the violation, and return None.

        None is not of type ``T``, but ``raise_violations`` keeps it from being used.
        """
        try:
            return parse(*args, **kwargs)
        except InvalidValue as error:
            path = ".".join(filter(None, (field, error.part)))
            self._violations.append(FieldViolation(path, error.description))
            return cast("T", None)

    def raise_violations(self) -> None:
        """Raise ``InvalidRequest`` if there are violations."""
        if self._violations:
            raise InvalidRequest(tuple(self._violations))


def charge_request(message: pb.ChargeRequest, caller: str, currencies: Currencies) -> NewCharge:
    """Decode a charge.

    Raises:
        InvalidRequest: the request is invalid.
    """
    reader = _Reader()
    charge = NewCharge(
        order_id=reader.read("order_id", identifier, message.order_id),
        amount=reader.read("amount", _charge_amount, message, currencies),
        method=reader.read("method", _charge_method, message.method),
        key=reader.read("request_id", RequestKey.of, caller, _request_id(message)),
    )
    reader.raise_violations()
    return charge


def batch_charge_request(
    message: pb.BatchChargeRequest, caller: str, currencies: Currencies
) -> list[NewCharge | InvalidRequest]:
    """Decode a batch of charges, with the error in place of each charge that is invalid.

    Raises:
        InvalidRequest: the batch is empty or too large.
    """
    if not 0 < len(message.charges) <= MAX_BATCH:
        raise InvalidRequest((FieldViolation("charges", f"must have 1 to {MAX_BATCH:,} charges"),))

    def read(charge: pb.ChargeRequest) -> NewCharge | InvalidRequest:
        try:
            return charge_request(charge, caller, currencies)
        except InvalidRequest as error:
            return error

    return [read(charge) for charge in message.charges]


def refund_request(message: pb.RefundRequest, caller: str, currencies: Currencies) -> NewRefund:
    """Decode a refund.

    Raises:
        InvalidRequest: the request is invalid.
    """
    reader = _Reader()
    refund = NewRefund(
        payment_id=reader.read("payment_id", identifier, message.payment_id),
        amount=reader.read("amount", _refund_amount, message, currencies),
        reason=reader.read("reason", reason, message.reason),
        key=reader.read("request_id", RequestKey.of, caller, _request_id(message)),
    )
    reader.raise_violations()
    return refund


def get_request(message: pb.GetPaymentRequest) -> int | str:
    """Decode the key of the requested payment: an ID or a reference.

    Raises:
        InvalidRequest: the request is invalid.
    """
    reader = _Reader()
    key: int | str
    match message.WhichOneof("key"):
        case "payment_id":
            key = reader.read("payment_id", identifier, message.payment_id)
        case "reference":
            key = reader.read("reference", reference, message.reference)
        case None:
            raise InvalidRequest((FieldViolation("key", "payment_id or reference is required"),))
    reader.raise_violations()
    return key


def refunds_request(message: pb.ListRefundsRequest) -> RefundsQuery:
    """Decode a query for a page of refunds.

    Raises:
        InvalidRequest: the request is invalid.
    """
    return RefundsQuery(*page_of_payment(message, tokens.decode_refunds_token))


def page_of_payment(
    message: pb.ListRefundsRequest | pb.ListPaymentEventsRequest, decode_token: Callable[[str, int], int]
) -> tuple[int, int, int | None]:
    """Decode the payment_id, the page size, and the position in the page token; None if there is no token.

    Raises:
        InvalidRequest: the request is invalid.
    """
    reader = _Reader()
    payment_id = reader.read("payment_id", identifier, message.payment_id)
    size = reader.read("page_size", listing.page_size, message.page_size)
    reader.raise_violations()
    # The token can be checked only against a valid payment_id.
    after = reader.read("page_token", decode_token, message.page_token, payment_id) if message.page_token else None
    reader.raise_violations()
    return payment_id, size, after


def list_request(message: pb.ListPaymentsRequest, currencies: Currencies) -> PageQuery:
    """Decode a query for a page of payments.

    Raises:
        InvalidRequest: the request is invalid.
    """
    reader = _Reader()
    payment_filter = _filter(reader, message.filter, currencies)
    order = reader.read("order_by", listing.order, message.order_by)
    size = reader.read("page_size", listing.page_size, message.page_size)
    reader.raise_violations()
    # The token can be checked only against a valid filter and order.
    after = reader.read("page_token", _position, message.page_token, payment_filter, order)
    reader.raise_violations()
    return PageQuery(payment_filter, order, size, after, message.include_total_size)


def charge_response(outcome: ChargeOutcome) -> pb.ChargeResponse:
    """Encode the outcome of a charge."""
    return pb.ChargeResponse(payment=payment_message(outcome.payment))


def batch_charge_response(
    outcomes: Iterable[ChargeOutcome | Exception], status_of: Callable[[Exception], status_pb2.Status]
) -> pb.BatchChargeResponse:
    """Encode the outcomes of a batch. ``status_of`` returns the status of an error."""
    response = pb.BatchChargeResponse()
    for outcome in outcomes:
        result = response.results.add()
        if isinstance(outcome, Exception):
            result.error.CopyFrom(status_of(outcome))
        else:
            _fill_payment(result.payment, outcome.payment)
            result.replayed = outcome.replayed
    return response


def refund_response(outcome: RefundOutcome) -> pb.RefundResponse:
    """Encode the outcome of a refund."""
    return pb.RefundResponse(
        refund=None if outcome.refund is None else refund_message(outcome.refund),
        payment=payment_message(outcome.payment),
    )


def get_response(details: PaymentDetails) -> pb.GetPaymentResponse:
    """Encode a payment with its first page of refunds, and the token of the next page."""
    return pb.GetPaymentResponse(
        payment=payment_message(details.payment),
        refunds=map(refund_message, details.refunds),
        next_refunds_page_token=_next_refunds_token(details),
    )


def refunds_response(details: PaymentDetails) -> pb.ListRefundsResponse:
    """Encode a page of refunds, with the token of the next page."""
    return pb.ListRefundsResponse(
        refunds=map(refund_message, details.refunds), next_page_token=_next_refunds_token(details)
    )


def list_response(page: Page, query: PageQuery) -> pb.ListPaymentsResponse:
    """Encode a page of payments, with the token of the next page."""
    # The encoding of a message is the concatenation of its encoded parts.
    response = pb.ListPaymentsResponse.FromString(b"".join(map(_encoded_item, page.payments)))
    if page.next is not None:
        response.next_page_token = tokens.encode_page_token(page.next, query.filter, query.order)
    if page.total is not None:
        response.total_size = page.total
    return response


def _encode_item(payment: Payment) -> bytes:
    """Encode a page with only this payment."""
    page = pb.ListPaymentsResponse()
    _fill_payment(page.payments.add(), payment)
    return page.SerializeToString()


_encoded_item = IdentityCache(_encode_item, CACHED_PAYMENTS)
"""Listed payments are encoded once, because the store returns the same object for a payment that has not changed."""


def payment_message(payment: Payment) -> pb.Payment:
    """Encode a payment."""
    message = pb.Payment()
    _fill_payment(message, payment)
    return message


def _fill_payment(message: pb.Payment, payment: Payment) -> None:
    """Encode a payment into an empty message. A message inside a page is filled in place, rather than copied."""
    message.payment_id = payment.payment_id
    message.order_id = payment.order_id
    message.method = _METHODS.numbers[payment.method]
    message.status = _PAYMENT_STATUSES.numbers[payment.status]
    message.refund_state = _REFUND_STATES.numbers[payment.refund_state]
    if payment.other_method:
        message.other_method = payment.other_method
    if payment.reference is not None:
        message.reference = payment.reference
    if payment.create_time is not None:
        fill_time(message.create_time, payment.create_time)
    if payment.amount is not None:
        _fill_money(message.amount, payment.amount)
    if payment.refunded_amount is not None:
        _fill_money(message.refunded_amount, payment.refunded_amount)


def refund_message(refund: Refund) -> pb.Refund:
    """Encode a refund."""
    message = pb.Refund(
        refund_id=refund.refund_id,
        payment_id=refund.payment_id,
        status=_REFUND_STATUSES.numbers[refund.status],
        reason=refund.reason,
    )
    _fill_money(message.amount, refund.amount)
    fill_time(message.create_time, refund.create_time)
    return message


def _request_id(message: pb.ChargeRequest | pb.RefundRequest) -> str | None:
    return message.request_id if message.HasField("request_id") else None


def _charge_amount(message: pb.ChargeRequest, currencies: Currencies) -> Money:
    if not message.HasField("amount"):
        raise InvalidValue("is required")
    return positive(_money(message.amount, currencies.chargeable(message.amount.currency_code)))


def _refund_amount(message: pb.RefundRequest, currencies: Currencies) -> Money | None:
    if not message.HasField("amount"):
        return None
    return positive(_money(message.amount, currencies.code_or_default(message.amount.currency_code)))


def _money(message: money_pb2.Money, currency: str) -> Money:
    return Money.from_units(currency, message.units, message.nanos)


def _charge_method(number: int) -> PaymentMethod | None:
    return _CHARGE_METHODS.member(number) if number else None


def _filter(reader: _Reader, message: pb.PaymentFilter, currencies: Currencies) -> PaymentFilter:
    def optional(field: _OptionalField, parse: Callable[[Any], T]) -> T | None:
        return reader.read(f"filter.{field}", parse, getattr(message, field)) if message.HasField(field) else None

    def bound(money: money_pb2.Money) -> Money:
        return _money(money, currencies.code_or_default(money.currency_code))

    return reader.read(
        "filter",
        PaymentFilter,
        order_id=message.order_id if message.HasField("order_id") else None,
        methods=reader.read("filter.methods", _METHODS.members, message.methods),
        statuses=reader.read("filter.statuses", _PAYMENT_STATUSES.members, message.statuses),
        refund_states=reader.read("filter.refund_states", _REFUND_STATES.members, message.refund_states),
        reference=optional("reference", reference),
        min_amount=optional("min_amount", bound),
        max_amount=optional("max_amount", bound),
        min_create_time=optional("min_create_time", _min_time),
        max_create_time=optional("max_create_time", _max_time),
    )


def _min_time(message: Timestamp) -> datetime:
    # Stored times have whole microseconds, so a more precise lower bound is rounded up.
    return _time(message, microseconds=-(-message.nanos // 1000))


def _max_time(message: Timestamp) -> datetime:
    return _time(message, microseconds=message.nanos // 1000)


def _time(message: Timestamp, microseconds: int) -> datetime:
    if not _MIN_SECONDS <= message.seconds <= _MAX_SECONDS:
        raise InvalidValue("must be between 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999999999Z", "seconds")
    if not 0 <= message.nanos < NANOS_PER_UNIT:
        raise InvalidValue("must be between 0 and 999,999,999", "nanos")
    try:
        return _EPOCH + timedelta(seconds=message.seconds, microseconds=microseconds)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def _next_refunds_token(details: PaymentDetails) -> str:
    if not details.has_more:
        return ""
    return tokens.encode_refunds_token(details.refunds[-1].refund_id, details.payment.payment_id)


def _position(token: str, payment_filter: PaymentFilter, order: Order) -> Position | None:
    return tokens.decode_page_token(token, payment_filter, order) if token else None


def _fill_money(message: money_pb2.Money, money: Money) -> None:
    units, nanos = money.units_and_nanos
    message.currency_code = money.currency
    message.units = units
    message.nanos = nanos


def fill_time(message: Timestamp, time: datetime) -> None:
    """Encode a time into an empty message."""
    since_epoch = time - _EPOCH
    message.seconds = since_epoch.days * 86_400 + since_epoch.seconds
    message.nanos = since_epoch.microseconds * 1000
