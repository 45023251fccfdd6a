"""Convert request messages to domain types.

A request is decoded as a whole: all its violations are collected and raised as one ``InvalidRequest``.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp
from google.type import money_pb2
from payments_client.v1 import payments_pb2 as pb

from server.domain import listing, tokens
from server.domain.approval import return_url
from server.domain.callers import Caller, Role, searched_caller_name
from server.domain.errors import FieldViolation, InvalidRequest, InvalidValue, RoleMissing
from server.domain.identifiers import RequestKey
from server.domain.listing import Order, PageQuery, PaymentFilter, Position
from server.domain.money import NANOS_PER_UNIT, Currencies, Money, positive
from server.domain.names import NO_NAMES, Names, labels, name
from server.domain.payment import (
    NewCharge,
    NewRefund,
    PaymentKey,
    PaymentMethod,
    RefundsQuery,
    identifier,
    order_of_charge,
    processor_reference,
    reason,
    reference,
)
from server.transport.service.enums import CHARGE_METHODS, METHODS, PAYMENT_STATUSES, REFUND_STATES
from server.transport.service.reader import Reader

T = TypeVar("T")

_OptionalField = Literal[
    "reference",
    "min_amount",
    "max_amount",
    "min_create_time",
    "max_create_time",
    "request_id",
    "caller",
    "processor_reference",
    "external_reference",
    "customer_id",
]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MIN_SECONDS, _MAX_SECONDS = -62_135_596_800, 253_402_300_799
"""The years 1 to 9999, the range of google.protobuf.Timestamp."""

MAX_BATCH = 1000
"""The most charges in one batch."""


def charge_request(message: pb.ChargeRequest, caller: str, currencies: Currencies) -> NewCharge:
    """Decode a charge.

    Raises:
        InvalidRequest: the request is invalid.
    """
    reader = Reader()
    has_names = message.external_reference or message.customer_id or message.labels
    names = _names(reader, message) if has_names else NO_NAMES
    charge = NewCharge(
        order_id=reader.read("order_id", order_of_charge, message.order_id, message.external_reference),
        amount=reader.read("amount", _charge_amount, message, currencies),
        method=reader.read("method", _charge_method, message.method),
        key=reader.read("request_id", RequestKey.of, caller, _request_id(message)),
        names=names,
        source=message.payment_source or None,
        unless_pending=message.unless_pending,
        return_url=reader.read("return_url", _return_url, message) if message.return_url else "",
    )
    reader.raise_violations()
    return charge


def _return_url(message: pb.ChargeRequest) -> str:
    return return_url(message.return_url, message.payment_source)


def _names(reader: Reader, message: pb.ChargeRequest) -> Names:
    return Names(
        reader.read("external_reference", _optional_name, message.external_reference),
        reader.read("customer_id", _optional_name, message.customer_id),
        reader.read("labels", labels, message.labels),
    )


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
    reader = Reader()
    refund = NewRefund(
        payment_id=reader.read("payment_id", identifier, message.payment_id),
        amount=reader.read("amount", _refund_amount, message, currencies),
        reason=reader.read("reason", reason, message.reason),
        key=reader.read("request_id", RequestKey.of, caller, _request_id(message)),
    )
    reader.raise_violations()
    return refund


def get_request(message: pb.GetPaymentRequest, viewer: Caller) -> PaymentKey:
    """Decode the key of the payment that ``viewer`` requests: an ID, a reference, or a request key.

    Raises:
        InvalidRequest: the request is invalid.
        RoleMissing: the request key is that of another caller, which ``viewer`` may not search for.
    """
    reader = Reader()
    key: PaymentKey
    match message.WhichOneof("key"):
        case "payment_id":
            key = reader.read("payment_id", identifier, message.payment_id)
        case "reference":
            key = reader.read("reference", reference, message.reference)
        case "request_id":
            owner = reader.read("caller", searched_caller_name, message.caller) if message.caller else viewer.name
            key = reader.read("request_id", RequestKey.of, owner, message.request_id)
        case None:
            raise InvalidRequest((FieldViolation("key", "payment_id, reference or request_id is required"),))
    if message.caller and not isinstance(key, RequestKey | None):
        raise InvalidRequest((FieldViolation("caller", "must be empty, unless the key is a request_id"),))
    reader.raise_violations()
    if isinstance(key, RequestKey):
        _check_sees_request_ids(viewer, key.caller)
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
    reader = Reader()
    payment_id = reader.read("payment_id", identifier, message.payment_id)
    size = reader.read("page_size", listing.page_size, message.page_size)
    reader.raise_violations()
    # The token can be checked only against a valid payment_id.
    after = reader.read("page_token", decode_token, message.page_token, payment_id) if message.page_token else None
    reader.raise_violations()
    return payment_id, size, after


def list_request(message: pb.ListPaymentsRequest, viewer: Caller, currencies: Currencies) -> PageQuery:
    """Decode a query of ``viewer`` for a page of payments.

    Raises:
        InvalidRequest: the request is invalid.
        RoleMissing: a request_id is that of another caller, which ``viewer`` may not search for.
    """
    reader = Reader()
    payment_filter = _filter(reader, message.filter, viewer, currencies)
    order = reader.read("order_by", listing.order, message.order_by)
    size = reader.read("page_size", listing.page_size, message.page_size)
    reader.raise_violations()
    # The token can be checked only against a valid filter and order.
    after = reader.read("page_token", _position, message.page_token, payment_filter, order)
    reader.raise_violations()
    if payment_filter.request_id is not None:
        assert payment_filter.caller is not None, "_filter sets the caller of a request_id"
        _check_sees_request_ids(viewer, payment_filter.caller)
    return PageQuery(payment_filter, order, size, after, message.include_total_size)


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
    return CHARGE_METHODS.member(number) if number else None


def _check_sees_request_ids(viewer: Caller, owner: str) -> None:
    if not viewer.sees_request_ids_of(owner):
        raise RoleMissing(f"the request_id of another caller requires the role {Role.AUDIT}, which the caller lacks")


def _searched_request_id(text: str) -> str:
    return RequestKey.of("", text).request_id


def _optional_name(text: str) -> str | None:
    return name(text) if text else None


def _filter(reader: Reader, message: pb.PaymentFilter, viewer: Caller, currencies: Currencies) -> PaymentFilter:
    def optional(field: _OptionalField, parse: Callable[[Any], T]) -> T | None:
        return reader.read(f"filter.{field}", parse, getattr(message, field)) if message.HasField(field) else None

    def bound(money: money_pb2.Money) -> Money:
        return _money(money, currencies.code_or_default(money.currency_code))

    request_id = optional("request_id", _searched_request_id)
    caller = optional("caller", searched_caller_name)
    return reader.read(
        "filter",
        PaymentFilter,
        order_id=message.order_id if message.HasField("order_id") else None,
        methods=reader.read("filter.methods", METHODS.members, message.methods),
        statuses=reader.read("filter.statuses", PAYMENT_STATUSES.members, message.statuses),
        refund_states=reader.read("filter.refund_states", REFUND_STATES.members, message.refund_states),
        reference=optional("reference", reference),
        min_amount=optional("min_amount", bound),
        max_amount=optional("max_amount", bound),
        min_create_time=optional("min_create_time", _min_time),
        max_create_time=optional("max_create_time", _max_time),
        request_id=request_id,
        caller=viewer.name if caller is None and request_id is not None else caller,
        processor_reference=optional("processor_reference", processor_reference),
        external_reference=optional("external_reference", name),
        customer_id=optional("customer_id", name),
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


def _position(token: str, payment_filter: PaymentFilter, order: Order) -> Position | None:
    return tokens.decode_page_token(token, payment_filter, order) if token else None
