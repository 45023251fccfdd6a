"""The three ``/v1`` paths of the legacy service, with its bodies, status codes and errors.

They call the same use cases as the RPCs. These paths no longer change: new callers use ``/v2`` or gRPC.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response

from server.application.payments import Payments
from server.domain import errors
from server.domain.listing import NumberedPage, NumberedPageQuery, Order
from server.domain.money import MINOR_DIGITS, Currencies
from server.domain.payment import NewCharge, NewRefund, Payment, PaymentMethod, Status
from server.transport.headers import PAYMENT_SOURCE, InvalidHeader, header, idempotency_key, payment_source
from server.transport.pipeline.calls import Call, CallFailed, Calls
from server.transport.pipeline.errors import Failure, RefundFailed
from server.transport.pipeline.worker_thread import MAX_INLINE_BYTES, WorkerThread
from server.transport.rest.body import BodyLimits
from server.transport.rest.callers import call_of, peer_of
from server.transport.rest.responses import JSON, failure_headers, json_response, large_json_text, replay_headers
from server.transport.rest.router import Endpoint
from server.transport.rest.v1.parameters import (
    MAX_ID,
    InvalidParameters,
    ListParameters,
    RefundPath,
    UnreadableBody,
    charge_money,
    key_problem,
    read,
    read_body,
    read_key,
)

_CHARGE_RESPONSES = {
    Status.SUCCEEDED: ("SUCCESS", "Payment succeeded"),
    Status.FAILED: ("FAILED", "Payment failed"),
    Status.PENDING: ("PENDING", "Payment pending"),
}
_ORDERS = {"desc": Order.NEWEST_FIRST, "asc": Order.OLDEST_FIRST}

_Body = dict[str, object]


class LegacyRest:
    """Serves the ``/v1`` paths."""

    def __init__(
        self, payments: Payments, currencies: Currencies, calls: Calls, limits: BodyLimits, worker_thread: WorkerThread
    ) -> None:
        """Serve the use cases. Accept bodies within ``limits``, and parse large ones in ``worker_thread``."""
        self._payments = payments
        self._currencies = currencies
        self._calls = calls
        self._limits = limits
        self._worker_thread = worker_thread

    def endpoints(self) -> list[Endpoint]:
        """Return an endpoint for each path."""
        return [
            self._endpoint("POST", "/v1/payments/charge", "Charge", self._charge, 201),
            self._endpoint("POST", "/v1/payments/{payment_id}/refund", "Refund", self._refund),
            self._endpoint("GET", "/v1/payments", "ListPayments", self._list),
        ]

    def _endpoint(
        self, verb: str, path: str, rpc: str, respond: Callable[[Request, Call], Awaitable[_Body]], status: int = 200
    ) -> Endpoint:
        async def answer(request: Request) -> Response:
            call = call_of(request)
            try:
                self._calls.admit()
                with self._calls.run(rpc, peer_of(request), call):
                    body = await respond(request, call)
            except CallFailed as failed:
                # The response repeats the invalid input, which may be large.
                is_long = isinstance(failed.failure.error, InvalidParameters)
                return await self._worker_thread.run(is_long, _error_response, failed.failure, request)
            return json_response(body, status, replay_headers(call))

        return Endpoint(verb, path, answer, rpc)

    async def _charge(self, request: Request, call: Call) -> _Body:
        payload = await self._limits.read(request)
        content_type = header(request.scope, b"content-type") or ""
        body = await self._worker_thread.run(len(payload) > MAX_INLINE_BYTES, read_body, payload, content_type)
        key = read_key(call.caller, idempotency_key(request.scope))
        amount = charge_money(self._currencies.default, body.amount)
        charge = NewCharge(body.order_id, amount, None, key, source=payment_source(request.scope))
        outcome = await self._payments.charge(charge, call.deadline)
        call.replayed = outcome.replayed
        status, message = _CHARGE_RESPONSES[outcome.payment.status]
        return {"reference": outcome.payment.reference, "status": status, "message": message}

    async def _refund(self, request: Request, call: Call) -> _Body:
        (text,) = request.path_params.values()
        payment_id = read(RefundPath, "path", {"payment_id": text}).payment_id
        key = read_key(call.caller, idempotency_key(request.scope))
        if not 1 <= payment_id <= MAX_ID:
            raise errors.PaymentNotFound("payment not found")
        try:
            outcome = await self._payments.refund(NewRefund(payment_id, None, "", key), call.deadline)
            payment, call.replayed = outcome.payment, outcome.replayed
            status = Status.SUCCEEDED if outcome.refund is None else outcome.refund.status
        except errors.RefundExceedsPayment:
            # Nothing is left to refund. If all of it was refunded, this call succeeds, whichever key refunded it.
            details = await self._payments.get_payment(payment_id, call.deadline)
            payment = details.payment
            if not payment.is_refunded or payment.amount is None:
                raise
            is_pending = any(refund.status is Status.PENDING for refund in details.refunds)
            status = Status.PENDING if is_pending else Status.SUCCEEDED
        if status is Status.FAILED:
            raise RefundFailed("the payment processor refused the refund")
        return _refund_body(payment, is_pending=status is Status.PENDING)

    async def _list(self, request: Request, call: Call) -> _Body:
        parameters = read(ListParameters, "query", dict(request.query_params))
        if parameters.order_id is None or abs(parameters.order_id) <= MAX_ID:
            page = await self._payments.list_numbered_page(_page_query(parameters), call.deadline)
        else:
            page = NumberedPage((), 0)  # no order can have such an id
        return {
            "items": [_item(payment) for payment in page.payments],
            "page": parameters.page,
            "per_page": parameters.per_page,
            "total": page.total,
        }


def _refund_body(payment: Payment, *, is_pending: bool) -> _Body:
    assert payment.amount is not None
    amount, method = payment.amount.amount, _method(payment)
    text = f"{amount:.{max(2, MINOR_DIGITS[payment.amount.currency])}f}"
    refunded = f"Amount {text} refunded to {method}"
    pending = f"Refund of amount {text} to {method} pending"
    return {
        "payment_id": payment.payment_id,
        "amount": float(amount),
        "method": method,
        "message": pending if is_pending else refunded,
    }


def _page_query(parameters: ListParameters) -> NumberedPageQuery:
    status = {None: None, True: Status.SUCCEEDED, False: Status.FAILED}[parameters.status]
    return NumberedPageQuery(
        order=_ORDERS[parameters.sort_by_created],
        size=parameters.per_page,
        skip=(parameters.page - 1) * parameters.per_page,
        order_id=parameters.order_id,
        method=parameters.method,
        status=status,
        min_amount=parameters.amount_gt,
        max_amount=parameters.amount_lt,
        min_create_time=parameters.start_date,
        max_create_time=parameters.end_date,
    )


def _item(payment: Payment) -> _Body:
    return {
        "payment_id": payment.payment_id,
        "order_id": payment.order_id,
        "amount": None if payment.amount is None else float(payment.amount.amount),
        "method": _method(payment),
        "status": payment.status is Status.SUCCEEDED,
        "reference": payment.reference,
        "created_at": _time_text(payment.create_time, to_the_second=not payment.is_adopted),
        "refunded": payment.is_refunded,
    }


def _method(payment: Payment) -> str:
    return payment.other_method if payment.method is PaymentMethod.OTHER else payment.method.value


def _time_text(time: datetime | None, *, to_the_second: bool) -> str | None:
    if time is None:
        return None
    return (time.replace(microsecond=0) if to_the_second else time).replace(tzinfo=None).isoformat()


def _problem(violation: errors.FieldViolation) -> _Body:
    """Describe a violation that only the use case finds, as FastAPI would."""
    is_source = violation.field == "payment_source"
    location = ["header", PAYMENT_SOURCE.lower()] if is_source else ["body", violation.field]
    return {"type": "value_error", "loc": location, "msg": violation.description, "input": None}


def _error_response(failure: Failure, request: Request) -> Response:
    detail: object = failure.message
    status = failure.http_status
    match failure.error:
        case InvalidParameters(detail=problems):
            status, detail = 422, problems
        case UnreadableBody():
            detail = "There was an error parsing the body"
        case InvalidHeader():
            status = 400
        case errors.InvalidRequest(violations=violations):
            status = 422
            detail = [_problem(violation) for violation in violations]
        case errors.RequestIdReused():
            key = idempotency_key(request.scope)
            status, detail = 422, [key_problem("idempotency_key_reused", failure.message, key)]
        case errors.PaymentNotFound():
            detail = "Payment not found"
        case errors.PaymentFailed() | errors.PaymentPending():
            # The legacy service had only two outcomes: a payment that had not succeeded had failed.
            detail = "Payment had failed; cannot issue refund"
        case errors.RefundExceedsPayment():
            detail = "Payment has no amount to refund"
    text = large_json_text({"detail": detail})
    return Response(text, status, failure_headers(failure), media_type=JSON)
