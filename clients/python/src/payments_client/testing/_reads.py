"""The RPCs GetPayment, ListRefunds, ListPayments and ListPaymentEvents."""

from collections.abc import Sequence
from typing import TypeVar

from payments_client.testing import _errors, _paging, _requests
from payments_client.testing._filters import payment_matches
from payments_client.testing._money import Currencies
from payments_client.testing._store import CALLER, Store
from payments_client.v1 import payments_pb2 as pb

_MAX_REFUNDS_SHOWN = 100

_ItemT = TypeVar("_ItemT")


def get_payment(store: Store, request: pb.GetPaymentRequest) -> pb.GetPaymentResponse:
    """Return a payment with its first refunds."""
    _requests.check_get_payment(request)
    if request.caller not in {"", CALLER}:
        raise _errors.role_missing()
    payment = _requested_payment(store, request)
    refunds, token = _page(store.refunds[payment.payment_id], 0, _MAX_REFUNDS_SHOWN, "refunds", payment.payment_id)
    return pb.GetPaymentResponse(payment=payment, refunds=refunds, next_refunds_page_token=token)


def list_refunds(store: Store, request: pb.ListRefundsRequest) -> pb.ListRefundsResponse:
    """Return a page of the refunds of a payment."""
    _requests.check_page_of_payment(request)
    start = _paging.position_in("page_token", request.page_token, "refunds", request.payment_id)
    refunds = store.refunds[store.payment(request.payment_id).payment_id]
    page, token = _page(refunds, start, _paging.page_size(request.page_size), "refunds", request.payment_id)
    return pb.ListRefundsResponse(refunds=page, next_page_token=token)


def list_payment_events(store: Store, request: pb.ListPaymentEventsRequest) -> pb.ListPaymentEventsResponse:
    """Return a page of the events of a payment."""
    _requests.check_page_of_payment(request)
    start = _paging.position_in("page_token", request.page_token, "events", request.payment_id)
    payment = store.payment(request.payment_id)
    events = [event for event in store.events() if event.payment.payment_id == payment.payment_id]
    page, token = _page(events, start, _paging.page_size(request.page_size), "events", request.payment_id)
    return pb.ListPaymentEventsResponse(events=page, next_page_token=token)


def list_payments(store: Store, request: pb.ListPaymentsRequest, currencies: Currencies) -> pb.ListPaymentsResponse:
    """Return a page of the payments that match a filter."""
    _requests.check_list_payments(request, currencies)
    wanted = request.filter
    if wanted.HasField("request_id") and wanted.HasField("caller") and wanted.caller != CALLER:
        raise _errors.role_missing()
    direction = _paging.direction_of(request.order_by)
    bound_to = ("payments", direction, wanted.SerializeToString(deterministic=True))
    # The token has the last payment of the previous page, because new payments may move any index.
    last_id = _paging.position_in("page_token", request.page_token, *bound_to)
    if last_id and last_id not in store.payments:
        raise _paging.invalid_token("page_token")
    payments = sorted(store.payments.values(), key=_sort_key, reverse=direction == "desc")
    start = [payment.payment_id for payment in payments].index(last_id) + 1 if last_id else 0
    rest = [payment for payment in payments[start:] if payment_matches(wanted, payment, currencies)]
    size = _paging.page_size(request.page_size)
    return pb.ListPaymentsResponse(
        payments=rest[:size],
        next_page_token=_paging.token_of(rest[size - 1].payment_id, *bound_to) if size < len(rest) else "",
        total_size=_count(wanted, payments, currencies) if request.include_total_size else None,
    )


def _count(wanted: pb.PaymentFilter, payments: Sequence[pb.Payment], currencies: Currencies) -> int:
    return sum(payment_matches(wanted, payment, currencies) for payment in payments)


def _requested_payment(store: Store, request: pb.GetPaymentRequest) -> pb.Payment:
    if request.HasField("payment_id"):
        return store.payment(request.payment_id)
    for payment in store.payments.values():
        if request.HasField("reference"):
            is_requested = payment.reference == request.reference
        else:
            is_requested = payment.request_id == request.request_id
        if is_requested:
            return payment
    raise _errors.payment_not_found()


def _page(items: Sequence[_ItemT], start: int, size: int, *bound_to: object) -> tuple[Sequence[_ItemT], str]:
    """Return the items from ``start`` on, at most ``size``, and the token of the next page, empty on the last one."""
    end = start + size
    return items[start:end], _paging.token_of(end, *bound_to) if end < len(items) else ""


def _sort_key(payment: pb.Payment) -> tuple[tuple[int, int], int]:
    return _paging.sort_key(payment.create_time), payment.payment_id
