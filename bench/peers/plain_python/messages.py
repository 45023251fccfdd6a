"""Conversion between messages and rows."""

import base64
import json
import secrets
from datetime import datetime
from decimal import Decimal

from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money
from payments_client.v1 import payments_pb2 as pb

from bench.peers.plain_python.errors import invalid
from bench.peers.plain_python.store import Row

CURRENCY = "INR"
_MAX_AMOUNT = Decimal("99999999.99")
_MAX_TEXT_LENGTH = 255
_NANOS = 10**9
_METHODS = {"UPI": pb.PAYMENT_METHOD_UPI, "CARD": pb.PAYMENT_METHOD_CARD, "COD": pb.PAYMENT_METHOD_COD}
_CHARGEABLE = {number: name for name, number in _METHODS.items()}
CHARGEABLE_METHODS = tuple(_METHODS)


def payment_message(row: Row) -> pb.Payment:
    """Return the message of a payment. Payments of the legacy service may have no amount, reference or time."""
    message = pb.Payment(
        payment_id=row["payment_id"],
        order_id=row["order_id"],
        method=_METHODS.get(row["method"], pb.PAYMENT_METHOD_OTHER),
        other_method="" if row["method"] in _METHODS else row["method"],
        status=_payment_status(row["status"]),
        reference=row["reference"] or "",
        refund_state=_refund_state(row),
    )
    if row["created_at"] is not None:
        message.create_time.FromDatetime(row["created_at"])
    if row["amount"] is not None:
        refunded_amount = row["amount"] if row["refunded"] else row["refunded_amount"]
        message.amount.CopyFrom(money_message(row["currency"], row["amount"]))
        message.refunded_amount.CopyFrom(money_message(row["currency"], refunded_amount))
    return message


def refund_message(row: Row, currency: str) -> pb.Refund:
    """Return the message of a refund."""
    message = pb.Refund(
        refund_id=row["refund_id"],
        payment_id=row["payment_id"],
        amount=money_message(currency, row["amount"]),
        status=pb.REFUND_STATUS_SUCCEEDED,
        reason=row["reason"],
    )
    message.create_time.FromDatetime(row["created_at"])
    return message


def money_message(currency: str, amount: Decimal) -> Money:
    """Return the message of an amount."""
    units = int(amount)
    return Money(currency_code=currency, units=units, nanos=int((amount - units) * _NANOS))


def read_amount(message: Money) -> Decimal:
    """Return the amount in a request.

    Raises:
        Rejected: it is not an amount of money that can be charged or refunded.
    """
    if message.currency_code not in {"", CURRENCY}:
        raise invalid("amount.currency_code", f"must be {CURRENCY}, or empty")
    if not 0 <= message.nanos < _NANOS or message.nanos % 10_000_000:
        raise invalid("amount.nanos", "must be from 0 to 990,000,000, and a multiple of 10,000,000")
    amount = Decimal(message.units) + Decimal(message.nanos) / _NANOS
    if not 0 < amount <= _MAX_AMOUNT:
        raise invalid("amount", f"must be more than zero, and at most {_MAX_AMOUNT}")
    return amount


def read_method(number: pb.PaymentMethod.ValueType) -> str | None:
    """Return the name of the requested method, or None if the service may choose one.

    Raises:
        Rejected: the method cannot be charged.
    """
    if number == pb.PAYMENT_METHOD_UNSPECIFIED:
        return None
    if number not in _CHARGEABLE:
        raise invalid("method", "must be UPI, CARD or COD, or unspecified")
    return _CHARGEABLE[number]


def read_id(field: str, value: int) -> int:
    """Return an id in a request.

    Raises:
        Rejected: it is not positive.
    """
    if value < 1:
        raise invalid(field, "must be 1 or more")
    return value


def read_request_id(request: pb.ChargeRequest | pb.RefundRequest) -> str:
    """Return the request_id of a request, or a new one if it has none.

    Raises:
        Rejected: it is empty, too long, or not printable ASCII.
    """
    if not request.HasField("request_id"):
        return secrets.token_hex(16)
    value = request.request_id
    if not (0 < len(value) <= _MAX_TEXT_LENGTH and value.isascii() and value.isprintable()):
        raise invalid("request_id", "must be 1 to 255 printable ASCII characters, or left out")
    return value


def read_reason(value: str) -> str:
    """Return the reason of a refund.

    Raises:
        Rejected: it is too long.
    """
    if len(value) > _MAX_TEXT_LENGTH:
        raise invalid("reason", f"must be at most {_MAX_TEXT_LENGTH} characters")
    return value


def page_token(row: Row) -> str:
    """Return the token that continues the list after a payment."""
    position = [row["created_at"].isoformat(), row["payment_id"]]
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode()


def read_page_token(token: str) -> tuple[datetime, int] | None:
    """Return the time and the id of the last payment of the previous page, or None for the first page.

    Raises:
        Rejected: the token is invalid.
    """
    if not token:
        return None
    try:
        time, payment_id = json.loads(base64.urlsafe_b64decode(token))
        return datetime.fromisoformat(time), int(payment_id)
    except (ValueError, TypeError):
        raise invalid("page_token", "must be a next_page_token") from None


def read_time(field: str, message: Timestamp) -> datetime:
    """Return a time in a request, in UTC and without a time zone, like the columns.

    Raises:
        Rejected: it is not a time of the years 1 to 9999.
    """
    try:
        return message.ToDatetime()
    except (ValueError, OverflowError):
        raise invalid(field, "must be a time of the years 1 to 9999") from None


def _payment_status(value: int | None) -> pb.PaymentStatus.ValueType:
    if value is None:
        return pb.PAYMENT_STATUS_PENDING
    return pb.PAYMENT_STATUS_SUCCEEDED if value else pb.PAYMENT_STATUS_FAILED


def _refund_state(row: Row) -> pb.RefundState.ValueType:
    if row["refunded"]:
        return pb.REFUND_STATE_FULL
    return pb.REFUND_STATE_PARTIAL if row["refunded_amount"] else pb.REFUND_STATE_NONE
