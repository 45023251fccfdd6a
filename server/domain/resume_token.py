"""Resume tokens: a place in the stream of events.

A token is url-safe Base64 of a version, the place and a checksum. The checksum has no key: it tells tokens that were
altered, and a forged place shows nothing that the stream would not.
"""

import base64
import binascii
import hashlib
import struct

from server.domain.errors import InvalidValue

_VERSION = 1
_LAYOUT = struct.Struct(">Bq9s")
"""Version, sequence, checksum: 18 bytes, so no padding."""

_CHECKSUM_BYTES = 9
_PURPOSE = b"resume"
"""Keeps a page token's bytes from being a resume token's."""


def encode(sequence: int) -> str:
    """Return the token of the place ``sequence``: 24 characters."""
    unsigned = _LAYOUT.pack(_VERSION, sequence, b"")
    digest = hashlib.blake2b(unsigned, digest_size=_CHECKSUM_BYTES, person=_PURPOSE).digest()
    return base64.urlsafe_b64encode(_LAYOUT.pack(_VERSION, sequence, digest)).decode()


def decode(token: str) -> int:
    """Return the place in ``token``.

    Raises:
        InvalidValue: it is not, to the letter, a token that the stream gave.
    """
    try:
        version, sequence, _ = _LAYOUT.unpack(base64.urlsafe_b64decode(token))
        # Comparing with what encode() gives leaves no second spelling of a token, which Base64 alone would.
        if version == _VERSION and encode(sequence) == token:
            return int(sequence)
    except (binascii.Error, ValueError, struct.error):
        pass
    raise InvalidValue("must be a resume_token of a WatchPayments response, unaltered")
