"""Convert domain types to response messages.

A ``viewer`` is the caller that receives the message. It sees the request_ids of its own payments and the pages on which
their payers approve them, and with ``Role.AUDIT`` those of all others.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial

from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import status_pb2
from google.type import money_pb2
from payments_client.v1 import payments_pb2 as pb

from server.domain import tokens
from server.domain.callers import Caller
from server.domain.dispute import Dispute
from server.domain.listing import Page, PageQuery
from server.domain.money import Money
from server.domain.names import NO_NAMES, Names
from server.domain.payment import (
    ChargeOutcome,
    Failure,
    Payment,
    PaymentDetails,
    Refund,
    RefundOutcome,
)
from server.transport.service.enums import (
    DISPUTE_STATUSES,
    FAILURES,
    METHODS,
    NEXT_ACTION_TYPES,
    PAYMENT_STATUSES,
    REFUND_STATES,
    REFUND_STATUSES,
)
from server.transport.service.identity_cache import IdentityCache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

CACHED_PAYMENTS = 8_192
"""How many listed payments stay encoded, in some 2 to 4 MiB."""


def charge_response(outcome: ChargeOutcome, viewer: Caller) -> pb.ChargeResponse:
    """Encode the outcome of a charge for ``viewer``."""
    return pb.ChargeResponse(payment=payment_message(outcome.payment, viewer))


def batch_charge_response(
    outcomes: Iterable[ChargeOutcome | Exception],
    viewer: Caller,
    status_of: Callable[[Exception], status_pb2.Status],
) -> pb.BatchChargeResponse:
    """Encode the outcomes of a batch for ``viewer``. ``status_of`` returns the status of an error."""
    response = pb.BatchChargeResponse()
    for outcome in outcomes:
        result = response.results.add()
        if isinstance(outcome, Exception):
            result.error.CopyFrom(status_of(outcome))
        else:
            _fill_payment(result.payment, outcome.payment)
            if viewer.sees_request_ids_of(outcome.payment.caller):
                _fill_whole(result.payment, outcome.payment)
            result.replayed = outcome.replayed
    return response


def refund_response(outcome: RefundOutcome, viewer: Caller) -> pb.RefundResponse:
    """Encode the outcome of a refund for ``viewer``."""
    return pb.RefundResponse(
        refund=None if outcome.refund is None else refund_message(outcome.refund, viewer),
        payment=payment_message(outcome.payment, viewer),
    )


def get_response(details: PaymentDetails, viewer: Caller) -> pb.GetPaymentResponse:
    """Encode a payment with its first page of refunds, and the token of the next page, for ``viewer``."""
    return pb.GetPaymentResponse(
        payment=payment_message(details.payment, viewer),
        refunds=(refund_message(refund, viewer) for refund in details.refunds),
        next_refunds_page_token=_next_refunds_token(details),
    )


def refunds_response(details: PaymentDetails, viewer: Caller) -> pb.ListRefundsResponse:
    """Encode a page of refunds, with the token of the next page, for ``viewer``."""
    return pb.ListRefundsResponse(
        refunds=(refund_message(refund, viewer) for refund in details.refunds),
        next_page_token=_next_refunds_token(details),
    )


def list_response(page: Page, query: PageQuery, viewer: Caller) -> pb.ListPaymentsResponse:
    """Encode a page of payments, with the token of the next page, for ``viewer``."""
    sees = viewer.sees_request_ids_of
    # The encoding of a message is the concatenation of its encoded parts.
    response = pb.ListPaymentsResponse.FromString(
        b"".join(
            _whole_item(payment) if sees(payment.caller) else _item_of_other_caller(payment)
            for payment in page.payments
        )
    )
    if page.next is not None:
        response.next_page_token = tokens.encode_page_token(page.next, query.filter, query.order)
    if page.total is not None:
        response.total_size = page.total
    return response


def _encode_item(payment: Payment, *, is_whole: bool) -> bytes:
    """Encode a page with only this payment."""
    page = pb.ListPaymentsResponse()
    message = page.payments.add()
    _fill_payment(message, payment)
    if is_whole:
        _fill_whole(message, payment)
    return page.SerializeToString()


_whole_item = IdentityCache(partial(_encode_item, is_whole=True), CACHED_PAYMENTS)
_item_of_other_caller = IdentityCache(partial(_encode_item, is_whole=False), CACHED_PAYMENTS)
"""Listed payments are encoded once, because the store returns the same object for a payment that has not changed."""


def payment_message(payment: Payment, viewer: Caller) -> pb.Payment:
    """Encode a payment for ``viewer``."""
    message = pb.Payment()
    _fill_payment(message, payment)
    if viewer.sees_request_ids_of(payment.caller):
        _fill_whole(message, payment)
    return message


def _fill_whole(message: pb.Payment, payment: Payment) -> None:
    """Encode what only some callers may see of a payment."""
    message.request_id = payment.request_id
    if payment.next_action is not None:
        message.next_action.redirect_url = payment.next_action.redirect_url


def _fill_payment(message: pb.Payment, payment: Payment) -> None:
    """Encode what all callers may see of a payment into an empty message.

    A message inside a page is filled in place, rather than copied.
    """
    message.payment_id = payment.payment_id
    message.order_id = payment.order_id
    message.method = METHODS.numbers[payment.method]
    message.status = PAYMENT_STATUSES.numbers[payment.status]
    message.refund_state = REFUND_STATES.numbers[payment.refund_state]
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
    message.caller = payment.caller
    if payment.processor_reference:
        message.processor_reference = payment.processor_reference
    if payment.failure is not None:
        _fill_failure(message, payment.failure)
    if payment.names is not NO_NAMES:
        _fill_names(message, payment.names)
    if payment.next_action is not None or payment.dispute is not None:
        _fill_late(message, payment)


def _fill_late(message: pb.Payment, payment: Payment) -> None:
    if payment.next_action is not None:
        message.next_action.type = NEXT_ACTION_TYPES.numbers[payment.next_action.type]
        fill_time(message.next_action.expire_time, payment.next_action.expire_time)
    if payment.dispute is not None:
        _fill_dispute(message.dispute, payment.dispute)


def _fill_failure(message: pb.Payment | pb.Refund, failure: Failure) -> None:
    message.failure = FAILURES.numbers[failure.reason]
    message.failure_code = failure.code


def _fill_names(message: pb.Payment, names: Names) -> None:
    message.external_reference = names.external_reference or ""
    message.customer_id = names.customer_id or ""
    message.labels.update(names.labels)


def _fill_dispute(message: pb.Dispute, dispute: Dispute) -> None:
    message.status = DISPUTE_STATUSES.numbers[dispute.status]
    message.reason = dispute.reason
    message.processor_reference = dispute.processor_reference
    if dispute.amount is not None:
        _fill_money(message.amount, dispute.amount)
    fill_time(message.open_time, dispute.open_time)
    if dispute.close_time is not None:
        fill_time(message.close_time, dispute.close_time)


def refund_message(refund: Refund, viewer: Caller) -> pb.Refund:
    """Encode a refund for ``viewer``."""
    message = pb.Refund(
        refund_id=refund.refund_id,
        payment_id=refund.payment_id,
        status=REFUND_STATUSES.numbers[refund.status],
        reason=refund.reason,
        caller=refund.caller,
        processor_reference=refund.processor_reference,
    )
    if viewer.sees_request_ids_of(refund.caller):
        message.request_id = refund.request_id
    if refund.failure is not None:
        _fill_failure(message, refund.failure)
    _fill_money(message.amount, refund.amount)
    fill_time(message.create_time, refund.create_time)
    return message


def _next_refunds_token(details: PaymentDetails) -> str:
    if not details.has_more:
        return ""
    return tokens.encode_refunds_token(details.refunds[-1].refund_id, details.payment.payment_id)


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
