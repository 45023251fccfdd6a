"""Page tokens (AIP-158): a position in a list, bound to the filter and the order that made it.

A token is url-safe Base64 of a version, the position and a checksum over position, filter and order. The checksum has
no key: it tells tokens that were altered or belong to another list, and a forged position shows nothing that the
filter would not.
"""

import base64
import binascii
import hashlib
import json
import struct
from datetime import UTC, datetime, timedelta

from server.domain.errors import InvalidValue
from server.domain.listing import Order, PaymentFilter, Position
from server.domain.money import Money

_VERSION = 1
_LAYOUT = struct.Struct(">B?qq12s")
"""Version, whether there is a time, microseconds since 1970, payment_id, checksum: 30 bytes, so no padding."""

_CHECKSUM_BYTES = 12
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def encode(position: Position, payment_filter: PaymentFilter, order: Order) -> str:
    """Return the token that continues the list after ``position``: 40 characters."""
    return base64.urlsafe_b64encode(_pack(position, payment_filter, order)).decode()


def decode(token: str, payment_filter: PaymentFilter, order: Order) -> Position:
    """Return the position in ``token``.

    Raises:
        InvalidValue: it is not, to the letter, a token that this filter and this order made.
    """
    try:
        version, has_time, microseconds, payment_id, _ = _LAYOUT.unpack(base64.urlsafe_b64decode(token))
        create_time = _EPOCH + microseconds * _MICROSECOND if has_time else None
        position = Position(create_time, payment_id)
        # Comparing with what encode() gives leaves no second spelling of a token, which Base64 alone would.
        if version == _VERSION and encode(position, payment_filter, order) == token:
            return position
    except (binascii.Error, ValueError, struct.error, OverflowError):
        pass
    raise InvalidValue("must be a next_page_token of the same filter and order_by, unaltered")


def _pack(position: Position, payment_filter: PaymentFilter, order: Order) -> bytes:
    has_time = position.create_time is not None
    microseconds = (position.create_time - _EPOCH) // _MICROSECOND if position.create_time is not None else 0
    unsigned = _LAYOUT.pack(_VERSION, has_time, microseconds, position.payment_id, b"")
    digest = hashlib.blake2b(unsigned + _canonical(payment_filter, order), digest_size=_CHECKSUM_BYTES).digest()
    return _LAYOUT.pack(_VERSION, has_time, microseconds, position.payment_id, digest)


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
