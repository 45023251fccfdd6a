"""Page tokens of lists, and resume tokens of the event stream.

A token is URL-safe Base64 of a version, numbers and a checksum. The checksum detects tokens that were altered or belong
to another request. It has no key, because a forged token reveals nothing that the caller could not request anyway.
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


class _InvalidToken(Exception):
    """The text is not a token of this kind, or is bound to another context."""


class _TokenKind:
    """Encodes and decodes one kind of token."""

    def __init__(self, fields: str, *, checksum_bytes: int, purpose: bytes = b"") -> None:
        """Define a kind of token.

        ``fields`` has the ``struct`` formats of its numbers. ``purpose`` makes its checksums differ from those of other
        kinds. The lengths of the version (1 byte), fields and checksum must add up to a multiple of 3 bytes, so that no
        token is padded.
        """
        self._layout = struct.Struct(f">B{fields}{checksum_bytes}s")
        self._checksum_bytes = checksum_bytes
        self._purpose = purpose

    def encode(self, *values: int, bound_to: bytes = b"") -> str:
        """Return the token of ``values``, which can be decoded only with the same ``bound_to``."""
        unsigned = self._layout.pack(_VERSION, *values, b"")
        checksum = hashlib.blake2b(unsigned + bound_to, digest_size=self._checksum_bytes, person=self._purpose)
        return base64.urlsafe_b64encode(self._layout.pack(_VERSION, *values, checksum.digest())).decode()

    def decode(self, token: str, *, bound_to: bytes = b"") -> tuple[int, ...]:
        """Return the values in ``token``.

        Raises:
            _InvalidToken: it is not a token of this kind, or was bound to something else.
        """
        try:
            version, *values, _ = self._layout.unpack(base64.urlsafe_b64decode(token))
            # Encode again and compare, because Base64 decoding accepts several spellings of the same token.
            if version == _VERSION and self.encode(*values, bound_to=bound_to) == token:
                return tuple(values)
        except (binascii.Error, ValueError, struct.error):
            pass
        raise _InvalidToken


_PAGE = _TokenKind("?qq", checksum_bytes=12)
"""The fields are: whether there is a time, the microseconds since 1970, the payment_id."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def encode_page_token(position: Position, payment_filter: PaymentFilter, order: Order) -> str:
    """Return the token that continues the list after ``position``: 40 characters."""
    time = position.create_time
    microseconds = 0 if time is None else (time - _EPOCH) // _MICROSECOND
    return _PAGE.encode(time is not None, microseconds, position.payment_id, bound_to=_canonical(payment_filter, order))


def decode_page_token(token: str, payment_filter: PaymentFilter, order: Order) -> Position:
    """Return the position in ``token``.

    Raises:
        InvalidValue: it is not an unaltered token for this filter and order.
    """
    try:
        has_time, microseconds, payment_id = _PAGE.decode(token, bound_to=_canonical(payment_filter, order))
        return Position(_EPOCH + microseconds * _MICROSECOND if has_time else None, payment_id)
    except (_InvalidToken, OverflowError):
        raise InvalidValue("must be an unaltered next_page_token for the same filter and order_by") from None


def _canonical(payment_filter: PaymentFilter, order: Order) -> bytes:
    def money(bound: Money | None) -> list[object] | None:
        return None if bound is None else [bound.currency, bound.amount_minor]

    def time(bound: datetime | None) -> str | None:
        return None if bound is None else bound.isoformat()

    conditions: list[object] = [
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
    later_conditions = [
        payment_filter.request_id,
        payment_filter.caller,
        payment_filter.processor_reference,
        payment_filter.external_reference,
        payment_filter.customer_id,
    ]
    if any(condition is not None for condition in later_conditions):
        # Left out otherwise, so that replicas of the previous release accept the tokens of this one.
        conditions += later_conditions
    return json.dumps(conditions).encode()


_REFUNDS = _TokenKind("q", checksum_bytes=9, purpose=b"refunds")


def encode_refunds_token(refund_id: int, payment_id: int) -> str:
    """Return the token that continues the list of a payment's refunds after ``refund_id``: 24 characters."""
    return _REFUNDS.encode(refund_id, bound_to=b"%d" % payment_id)


def decode_refunds_token(token: str, payment_id: int) -> int:
    """Return the refund_id in ``token``.

    Raises:
        InvalidValue: it is not an unaltered token for this payment's refunds.
    """
    return _decode_for_payment(_REFUNDS, "next_page_token, or next_refunds_page_token,", token, payment_id)


_EVENTS = _TokenKind("q", checksum_bytes=9, purpose=b"events")


def encode_events_token(sequence: int, payment_id: int) -> str:
    """Return the token that continues the list of a payment's events after ``sequence``: 24 characters."""
    return _EVENTS.encode(sequence, bound_to=b"%d" % payment_id)


def decode_events_token(token: str, payment_id: int) -> int:
    """Return the sequence in ``token``.

    Raises:
        InvalidValue: it is not an unaltered token for this payment's events.
    """
    return _decode_for_payment(_EVENTS, "next_page_token", token, payment_id)


def _decode_for_payment(kind: _TokenKind, name: str, token: str, payment_id: int) -> int:
    try:
        (value,) = kind.decode(token, bound_to=b"%d" % payment_id)
    except _InvalidToken:
        raise InvalidValue(f"must be an unaltered {name} for the same payment_id") from None
    return value


_RESUME = _TokenKind("q", checksum_bytes=9, purpose=b"resume")


def encode_resume_token(sequence: int) -> str:
    """Return the resume token of the position ``sequence``: 24 characters."""
    return _RESUME.encode(sequence)


def decode_resume_token(token: str) -> int:
    """Return the position in ``token``.

    Raises:
        InvalidValue: it is not an unaltered resume token.
    """
    try:
        (sequence,) = _RESUME.decode(token)
    except _InvalidToken:
        raise InvalidValue("must be an unaltered resume_token from a WatchPayments response") from None
    return sequence
