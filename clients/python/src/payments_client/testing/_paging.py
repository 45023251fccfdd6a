"""Pages, orders and tokens of lists."""

import base64
import hashlib
import struct

from google.protobuf.timestamp_pb2 import Timestamp

from payments_client.testing._errors import CallRejected, invalid_request

_DEFAULT_PAGE_SIZE = 50
_MAX_PAGE_SIZE = 1000

_TOKEN = struct.Struct(">q10s")
"""A position and a checksum, whose lengths add up to a multiple of three bytes, so that no token is padded."""


def page_size(requested: int) -> int:
    """Return the maximum number of items in a page (AIP-158)."""
    return min(requested or _DEFAULT_PAGE_SIZE, _MAX_PAGE_SIZE)


def direction_of(order_by: str) -> str | None:
    """Return the direction of an ``order_by`` (AIP-132), ``asc`` or ``desc``, or None if it is invalid."""
    match order_by.split():
        case [] | ["create_time", "desc"]:
            return "desc"
        case ["create_time"] | ["create_time", "asc"]:
            return "asc"
    return None


def sort_key(time: Timestamp) -> tuple[int, int]:
    """Return a value by which times can be compared."""
    return time.seconds, time.nanos


def token_of(position: int, *bound_to: object) -> str:
    """Return the token of a position, which can be read only with the same ``bound_to``."""
    checksum = hashlib.blake2b(repr((position, bound_to)).encode(), digest_size=10).digest()
    return base64.urlsafe_b64encode(_TOKEN.pack(position, checksum)).decode()


def position_in(field: str, token: str, *bound_to: object) -> int:
    """Return the position in the token of a request, or 0 if there is no token.

    Raises:
        CallRejected: the token was altered, or is bound to something else.
    """
    if not token:
        return 0
    try:
        position, _ = _TOKEN.unpack(base64.urlsafe_b64decode(token))
        # Encode again and compare, because Base64 decoding accepts several spellings of the same token.
        if token_of(position, *bound_to) == token:
            return int(position)
    except (ValueError, struct.error):
        pass
    raise invalid_token(field)


def invalid_token(field: str) -> CallRejected:
    """Return the error for a token that was altered, or is bound to something else."""
    return invalid_request([(field, "must be an unaltered token that was returned for the same request")])
