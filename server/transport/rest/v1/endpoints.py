"""The three ``/v1`` paths as the replaced service had them, over the same use cases; bodies, codes and errors are its.

New callers use ``/v2`` or gRPC: these paths change no more.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from server.application.payments import Payments
from server.domain import errors
from server.domain.listing import NumberedPage, NumberedPageQuery, Order
from server.domain.money import Currencies
from server.domain.payment import NewCharge, NewRefund, Payment, PaymentMethod, Status
from server.transport.headers import InvalidHeader, header, idempotency_key
from server.transport.pipeline.calls import Call, CallFailed, Calls
from server.transport.pipeline.errors import Failure, RefundRefused
from server.transport.pipeline.worker_thread import MANY_BYTES, LongWork
from server.transport.rest.body import BodyLimits
from server.transport.rest.gateway.endpoints import call_of
from server.transport.rest.replies import JSON, failure_headers, json_response, large_json_text, peer_of, replay_headers
from server.transport.rest.router import Endpoint
from server.transport.rest.v1.parameters import (
    MAX_ID,
    InvalidParameters,
    ListParameters,
    RefundPath,
    UnreadableBody,
    default_money,
    key_problem,
    read,
    read_body,
    read_key,
)

PATHS = (
    ("POST", "/v1/payments/charge"),
    ("POST", "/v1/payments/{payment_id}/refund"),
    ("GET", "/v1/payments"),
)
"""The verb and the path of each, as Starlette writes it."""

_CHARGE_REPLIES = {
    Status.SUCCEEDED: ("SUCCESS", "Payment succeeded"),
    Status.FAILED: ("FAILED", "Payment failed"),
    Status.PENDING: ("PENDING", "Payment pending"),
}
_ORDERS = {"desc": Order.NEWEST_FIRST, "asc": Order.OLDEST_FIRST}


@dataclass(frozen=True, slots=True)
class _Path:
    """A legacy path: the RPC that it maps to, and how it is answered."""

    verb: str
    path: str
    rpc: str
    answer: Callable[[Request, Call], Awaitable[Any]]
    status: int = 200


class LegacyRest:
    """Serves the ``/v1`` paths."""

    def __init__(
        self,
        payments: Payments,
        currencies: Currencies,
        calls: Calls,
        limits: BodyLimits,
        long_work: LongWork,
    ) -> None:
        """Keep what the paths are served with; ``long_work`` is where large bodies are read."""
        self._long_work = long_work
        self._payments = payments
        self._currencies = currencies
        self._calls = calls
        self._limits = limits

    def endpoints(self) -> list[Endpoint]:
        """Return the paths, and what answers them."""
        charge, refund, listing = PATHS
        table = (
            _Path(*charge, "Charge", self._charge, status=201),
            _Path(*refund, "Refund", self._refund),
            _Path(*listing, "ListPayments", self._list),
        )
        return [self._endpoint(path) for path in table]

    def _endpoint(self, path: _Path) -> Endpoint:
        async def answer(request: Request) -> Response:
            call = call_of(request)
            try:
                with self._calls.one(path.rpc, peer_of(request), call):
                    body = await path.answer(request, call)
            except CallFailed as failed:
                # The input is shown with what is wrong about it, and may be large.
                is_long = isinstance(failed.failure.error, InvalidParameters)
                return await self._long_work.run(is_long, _error_response, failed.failure, request)
            return json_response(body, path.status, replay_headers(call))

        return Endpoint(path.verb, path.path, answer, path.rpc)

    async def _charge(self, request: Request, call: Call) -> dict[str, object]:
        text = await self._limits.read(request)
        content_type = header(request.scope, b"content-type") or ""
        body = await self._long_work.run(len(text) > MANY_BYTES, read_body, text, content_type)
        key = read_key(call.caller, idempotency_key(request.scope))
        amount = default_money(self._currencies.default, body.amount)
        outcome = await self._payments.charge(NewCharge(body.order_id, amount, None, key), call.deadline)
        call.replayed = outcome.replayed
        status, message = _CHARGE_REPLIES[outcome.payment.status]
        return {"reference": outcome.payment.reference, "status": status, "message": message}

    async def _refund(self, request: Request, call: Call) -> dict[str, object]:
        payment_id = read(RefundPath, "path", request.scope["path_params"]).payment_id
        key = read_key(call.caller, idempotency_key(request.scope))
        if not 1 <= payment_id <= MAX_ID:
            raise errors.PaymentNotFound("payment not found")
        try:
            outcome = await self._payments.refund(NewRefund(payment_id, None, "", key), call.deadline)
            payment, call.replayed = outcome.payment, outcome.replayed
            status = Status.SUCCEEDED if outcome.refund is None else outcome.refund.status
        except errors.RefundExceedsPayment:
            # Nothing is left to refund. Where all went back, that is what was asked for, by whichever key.
            details = await self._payments.get_payment(payment_id, call.deadline)
            payment = details.payment
            status = (
                Status.PENDING if any(one.status is Status.PENDING for one in details.refunds) else Status.SUCCEEDED
            )
            if not payment.is_refunded or payment.amount is None:
                raise
        if status is Status.FAILED:
            raise RefundRefused("the payment processor refused the refund")
        assert payment.amount is not None
        amount, method = payment.amount.amount, _method(payment)
        return {
            "payment_id": payment.payment_id,
            "amount": float(amount),
            "method": method,
            "message": f"Amount {amount:.2f} refunded to {method}"
            if status is Status.SUCCEEDED
            else f"Refund of amount {amount:.2f} to {method} pending",
        }

    async def _list(self, request: Request, call: Call) -> dict[str, object]:
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


def _page_query(parameters: ListParameters) -> NumberedPageQuery:
    status = None
    if parameters.status is not None:
        status = Status.SUCCEEDED if parameters.status else Status.FAILED
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


def _item(payment: Payment) -> dict[str, object]:
    return {
        "payment_id": payment.payment_id,
        "order_id": payment.order_id,
        "amount": _number(None if payment.amount is None else payment.amount.amount),
        "method": _method(payment),
        "status": payment.status is Status.SUCCEEDED,
        "reference": payment.reference,
        "created_at": _time_text(payment.create_time, to_the_second=not payment.is_adopted),
        "refunded": payment.is_refunded,
    }


def _number(amount: Decimal | None) -> float | None:
    """Return an amount as a JSON number, which callers of ``/v1`` expect; it is for showing, never for reckoning."""
    return None if amount is None else float(amount)


def _method(payment: Payment) -> str:
    return payment.other_method if payment.method is PaymentMethod.OTHER else payment.method.value


def _time_text(time: datetime | None, *, to_the_second: bool) -> str | None:
    if time is None:
        return None
    return (time.replace(microsecond=0) if to_the_second else time).replace(tzinfo=None).isoformat()


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
            detail = [
                {"type": "value_error", "loc": ["body", one.field], "msg": one.description, "input": None}
                for one in violations
            ]
        case errors.RequestIdReused():
            key = idempotency_key(request.scope)
            status, detail = 422, [key_problem("idempotency_key_reused", failure.message, key)]
        case errors.PaymentNotFound():
            detail = "Payment not found"
        case errors.PaymentFailed() | errors.PaymentPending():
            # The replaced service knew two outcomes: what had not succeeded had failed.
            detail = "Payment had failed; cannot issue refund"
        case errors.RefundExceedsPayment():
            detail = "Payment has no amount to refund"
    text = large_json_text({"detail": detail})
    return Response(text, status, failure_headers(failure), media_type=JSON)
