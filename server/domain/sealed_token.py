"""Tokens that callers are given and give back, such as of the next page: numbers, sealed against mistakes.

A token is url-safe Base64 of a version, the numbers and a checksum. The checksum has no key: it tells tokens that were
altered or belong elsewhere. Whoever forges one is shown nothing that they could not ask for otherwise.
"""

import base64
import binascii
import hashlib
import struct

_VERSION = 1


class TokenInvalid(Exception):
    """A text is not, to the letter, a token of this kind that was sealed."""


class TokenKind:
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
            TokenInvalid: it is none of this kind, or was bound to something else.
        """
        try:
            version, *values, _ = self._layout.unpack(base64.urlsafe_b64decode(token))
            # Comparing with what seal() gives leaves no second spelling of a token, which Base64 alone would.
            if version == _VERSION and self.seal(*values, bound_to=bound_to) == token:
                return tuple(values)
        except (binascii.Error, ValueError, struct.error):
            pass
        raise TokenInvalid
