"""Page tokens (AIP-158) of lists of payments: a position, bound to the filter and the order that made it."""

import json
from datetime import UTC, datetime, timedelta

from server.domain.errors import InvalidValue
from server.domain.listing import Order, PaymentFilter, Position
from server.domain.money import Money
from server.domain.sealed_token import TokenInvalid, TokenKind

_KIND = TokenKind("?qq", checksum_bytes=12)
"""Whether there is a time, microseconds since 1970, payment_id."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def encode(position: Position, payment_filter: PaymentFilter, order: Order) -> str:
    """Return the token that continues the list after ``position``: 40 characters."""
    time = position.create_time
    microseconds = 0 if time is None else (time - _EPOCH) // _MICROSECOND
    return _KIND.seal(time is not None, microseconds, position.payment_id, bound_to=_canonical(payment_filter, order))


def decode(token: str, payment_filter: PaymentFilter, order: Order) -> Position:
    """Return the position in ``token``.

    Raises:
        InvalidValue: it is not, to the letter, a token that this filter and this order made.
    """
    try:
        has_time, microseconds, payment_id = _KIND.open(token, bound_to=_canonical(payment_filter, order))
        return Position(_EPOCH + microseconds * _MICROSECOND if has_time else None, payment_id)
    except (TokenInvalid, OverflowError):
        raise InvalidValue("must be a next_page_token of the same filter and order_by, unaltered") from None


def _canonical(payment_filter: PaymentFilter, order: Order) -> bytes:
    def money(bound: Money | None) -> list[object] | None:
        return None if bound is None else [bound.currency, bound.amount_minor]

    def time(bound: datetime | None) -> str | None:
        return None if bound is None else bound.isoformat()

    return json.dumps(
        [
            order,
            payment_filter.order_id,
            sorted(payment_filter.methods),
            sorted(payment_filter.statuses),
            sorted(payment_filter.refund_states),
            payment_filter.reference,
            money(payment_filter.min_amount),
            money(payment_filter.max_amount),
            time(payment_filter.min_create_time),
            time(payment_filter.max_create_time),
        ]
    ).encode()
