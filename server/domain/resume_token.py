"""Resume tokens: a place in the stream of events."""

from server.domain.errors import InvalidValue
from server.domain.sealed_token import TokenInvalid, TokenKind

_KIND = TokenKind("q", checksum_bytes=9, purpose=b"resume")


def encode(sequence: int) -> str:
    """Return the token of the place ``sequence``: 24 characters."""
    return _KIND.seal(sequence)


def decode(token: str) -> int:
    """Return the place in ``token``.

    Raises:
        InvalidValue: it is not, to the letter, a token that the stream gave.
    """
    try:
        (sequence,) = _KIND.open(token)
    except TokenInvalid:
        raise InvalidValue("must be a resume_token of a WatchPayments response, unaltered") from None
    return sequence
