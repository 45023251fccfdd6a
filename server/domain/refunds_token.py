"""Page tokens of a payment's refunds (AIP-158): the last refund of a page, bound to the payment."""

from server.domain.errors import InvalidValue
from server.domain.sealed_token import TokenInvalid, TokenKind

_KIND = TokenKind("q", checksum_bytes=9, purpose=b"refunds")


def encode(refund_id: int, payment_id: int) -> str:
    """Return the token that continues the refunds of a payment after one of them: 24 characters."""
    return _KIND.seal(refund_id, bound_to=b"%d" % payment_id)


def decode(token: str, payment_id: int) -> int:
    """Return the refund_id in ``token``.

    Raises:
        InvalidValue: it is not, to the letter, a token of this payment's refunds.
    """
    try:
        (refund_id,) = _KIND.open(token, bound_to=b"%d" % payment_id)
    except TokenInvalid:
        raise InvalidValue(
            "must be a next_page_token, or next_refunds_page_token, of the same payment_id, unaltered"
        ) from None
    return refund_id
