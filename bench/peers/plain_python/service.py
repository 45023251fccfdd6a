"""The RPCs."""

import functools
import logging
import random
import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

import grpc
from payments_client.v1 import payments_pb2 as pb
from payments_client.v1.payments_pb2_grpc import PaymentServiceServicer

from bench.peers.plain_python.errors import Rejected, invalid
from bench.peers.plain_python.messages import (
    CHARGEABLE_METHODS,
    CURRENCY,
    page_token,
    payment_message,
    read_amount,
    read_id,
    read_method,
    read_page_token,
    read_reason,
    read_request_id,
    read_time,
    refund_message,
)
from bench.peers.plain_python.store import PaymentStore

Request = TypeVar("Request")
Response = TypeVar("Response")
Context = grpc.aio.ServicerContext[Any, Any]
Handler = Callable[["PaymentService", Request, Context], Awaitable[Response]]

_log = logging.getLogger(__name__)

_CALLER = "anonymous"
_DEFAULT_PAGE_SIZE, _MAX_PAGE_SIZE = 50, 1000


def _with_statuses(handler: Handler[Request, Response]) -> Handler[Request, Response]:
    """Translate the errors of a handler to statuses."""

    @functools.wraps(handler)
    async def call(service: "PaymentService", request: Request, context: Context) -> Response:
        try:
            return await handler(service, request, context)
        except Rejected as error:
            await context.abort(error.status, str(error))
        except Exception:  # noqa: BLE001 - nothing internal may leak
            _log.exception("%s failed", handler.__name__)
            await context.abort(grpc.StatusCode.INTERNAL, "internal error")

    return call


class PaymentService(PaymentServiceServicer):
    """Implements the RPCs. A charge succeeds with a given probability, and a refund always."""

    def __init__(self, store: PaymentStore, success_probability: float) -> None:
        """Serve the payments in a store."""
        self._store = store
        self._success_probability = success_probability

    @_with_statuses
    async def Charge(self, request: pb.ChargeRequest, context: Context) -> pb.ChargeResponse:
        """Store a payment with its outcome."""
        now = _now()
        requested_method = read_method(request.method)
        payment, replayed = await self._store.charge(
            {
                "order_id": read_id("order_id", request.order_id),
                "amount": read_amount(request.amount),
                "currency": CURRENCY,
                "method": requested_method or random.choice(CHARGEABLE_METHODS),
                "requested_method": requested_method,
                "status": int(random.random() < self._success_probability),
                "reference": f"ECI{now:%Y%m%d}-{secrets.token_hex(10).upper()}",
                "created_at": now,
                "refunded_amount": Decimal(0),
                "refunded": 0,
                "caller": _CALLER,
                "request_id": read_request_id(request),
            }
        )
        _set_replayed(context, replayed=replayed)
        return pb.ChargeResponse(payment=payment_message(payment))

    @_with_statuses
    async def Refund(self, request: pb.RefundRequest, context: Context) -> pb.RefundResponse:
        """Refund a payment in full or in part."""
        refund, payment, replayed = await self._store.refund(
            {
                "payment_id": read_id("payment_id", request.payment_id),
                "requested_amount": read_amount(request.amount) if request.HasField("amount") else None,
                "reason": read_reason(request.reason),
                "created_at": _now(),
                "caller": _CALLER,
                "request_id": read_request_id(request),
            }
        )
        _set_replayed(context, replayed=replayed)
        return pb.RefundResponse(refund=refund_message(refund, payment["currency"]), payment=payment_message(payment))

    @_with_statuses
    async def GetPayment(self, request: pb.GetPaymentRequest, _context: Context) -> pb.GetPaymentResponse:
        """Return a payment with its refunds."""
        match request.WhichOneof("key"):
            case "payment_id":
                found = await self._store.get("payment_id", read_id("payment_id", request.payment_id))
            case "reference":
                found = await self._store.get("reference", request.reference)
            case _:
                raise invalid("key", "payment_id or reference is required")
        payment, refunds = found
        return pb.GetPaymentResponse(
            payment=payment_message(payment),
            refunds=[refund_message(refund, payment["currency"]) for refund in refunds],
        )

    @_with_statuses
    async def ListPayments(self, request: pb.ListPaymentsRequest, _context: Context) -> pb.ListPaymentsResponse:
        """Return a page of payments, newest first; those without a time are left out."""
        filtered = {field.name for field, _ in request.filter.ListFields()}
        if filtered - {"max_create_time"} or request.order_by or request.include_total_size:
            message = "only page_size, page_token and filter.max_create_time are supported"
            raise Rejected(grpc.StatusCode.UNIMPLEMENTED, message)
        if request.page_size < 0:
            raise invalid("page_size", "must be 0 (which means 50) to 1000")
        size = min(request.page_size or _DEFAULT_PAGE_SIZE, _MAX_PAGE_SIZE)
        latest = read_time("filter.max_create_time", request.filter.max_create_time) if filtered else None
        # One more than the page holds, to detect a next page.
        rows = await self._store.page(size + 1, latest, read_page_token(request.page_token))
        return pb.ListPaymentsResponse(
            payments=map(payment_message, rows[:size]),
            next_page_token=page_token(rows[size - 1]) if len(rows) > size else "",
        )


def _now() -> datetime:
    """Return the time in UTC without a time zone, like the columns."""
    return datetime.now(UTC).replace(tzinfo=None)


def _set_replayed(context: Context, *, replayed: bool) -> None:
    if replayed:
        context.set_trailing_metadata((("idempotency-replayed", "true"),))
