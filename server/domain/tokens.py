"""Tokens that callers are given and give back: the next page of a list, the place in the stream to resume from.

A token is url-safe Base64 of a version, numbers and a checksum. The checksum has no key: it detects tokens that were
altered or belong elsewhere. A forged token shows its caller nothing that they could not ask for otherwise.
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


class _TokenInvalid(Exception):
    """A text is not, to the letter, a token of this kind that was sealed."""


class _TokenKind:
    """One kind of token."""

    def __init__(self, fields: str, *, checksum_bytes: int, purpose: bytes = b"") -> None:
        """Seal ``fields``, numbers in the notation of ``struct``; ``purpose`` keeps kinds apart.

        To need no padding, all of it with the byte of the version is a multiple of 3 bytes long.
        """
        self._layout = struct.Struct(f">B{fields}{checksum_bytes}s")
        self._checksum_bytes = checksum_bytes
        self._purpose = purpose

    def seal(self, *values: int, bound_to: bytes = b"") -> str:
        """Return the token of ``values``, which opens only with the same ``bound_to``."""
        unsigned = self._layout.pack(_VERSION, *values, b"")
        checksum = hashlib.blake2b(unsigned + bound_to, digest_size=self._checksum_bytes, person=self._purpose)
        return base64.urlsafe_b64encode(self._layout.pack(_VERSION, *values, checksum.digest())).decode()

    def open(self, token: str, *, bound_to: bytes = b"") -> tuple[int, ...]:
        """Return the values in ``token``.

        Raises:
            _TokenInvalid: it is none of this kind, or was bound to something else.
        """
        try:
            version, *values, _ = self._layout.unpack(base64.urlsafe_b64decode(token))
            # Comparing with what seal() gives leaves no second spelling of a token, which Base64 alone would.
            if version == _VERSION and self.seal(*values, bound_to=bound_to) == token:
                return tuple(values)
        except (binascii.Error, ValueError, struct.error):
            pass
        raise _TokenInvalid


_PAGE = _TokenKind("?qq", checksum_bytes=12)
"""Whether there is a time, microseconds since 1970, payment_id."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def encode_page_token(position: Position, payment_filter: PaymentFilter, order: Order) -> str:
    """Return the token that continues the list after ``position``: 40 characters."""
    time = position.create_time
    microseconds = 0 if time is None else (time - _EPOCH) // _MICROSECOND
    return _PAGE.seal(time is not None, microseconds, position.payment_id, bound_to=_canonical(payment_filter, order))


def decode_page_token(token: str, payment_filter: PaymentFilter, order: Order) -> Position:
    """Return the position in ``token``.

    Raises:
        InvalidValue: it is not, to the letter, a token that this filter and this order made.
    """
    try:
        has_time, microseconds, payment_id = _PAGE.open(token, bound_to=_canonical(payment_filter, order))
        return Position(_EPOCH + microseconds * _MICROSECOND if has_time else None, payment_id)
    except (_TokenInvalid, OverflowError):
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


_REFUNDS = _TokenKind("q", checksum_bytes=9, purpose=b"refunds")


def encode_refunds_token(refund_id: int, payment_id: int) -> str:
    """Return the token that continues the refunds of a payment after one of them: 24 characters."""
    return _REFUNDS.seal(refund_id, bound_to=b"%d" % payment_id)


def decode_refunds_token(token: str, payment_id: int) -> int:
    """Return the refund_id in ``token``.

    Raises:
        InvalidValue: it is not, to the letter, a token of this payment's refunds.
    """
    try:
        (refund_id,) = _REFUNDS.open(token, bound_to=b"%d" % payment_id)
    except _TokenInvalid:
        raise InvalidValue(
            "must be a next_page_token, or next_refunds_page_token, of the same payment_id, unaltered"
        ) from None
    return refund_id


_RESUME = _TokenKind("q", checksum_bytes=9, purpose=b"resume")


def encode_resume_token(sequence: int) -> str:
    """Return the token of the place ``sequence``: 24 characters."""
    return _RESUME.seal(sequence)


def decode_resume_token(token: str) -> int:
    """Return the place in ``token``.

    Raises:
        InvalidValue: it is not, to the letter, a token that the stream gave.
    """
    try:
        (sequence,) = _RESUME.open(token)
    except _TokenInvalid:
        raise InvalidValue("must be a resume_token of a WatchPayments response, unaltered") from None
    return sequence
