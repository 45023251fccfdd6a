"""What makes a call safe to repeat: the idempotency key of AIP-155."""

import hashlib
from typing import Self

from server.domain.errors import InvalidValue
from server.domain.randomness import random_hex
from server.domain.value import value

MAX_REQUEST_ID_LENGTH = 255
_GENERATED_BYTES = 16


@value()
class RequestKey:
    """Names one intended charge or refund of one caller.

    ``generated`` tells that the caller gave no request_id, so that the service made one: the call cannot be a repeat.
    """

    caller: str
    request_id: str
    generated: bool

    @classmethod
    def of(cls, caller: str, request_id: str | None) -> Self:
        """Make the key of a call; None stands for a request_id that was not given.

        Raises:
            InvalidValue: the request_id is not 1 to 255 printable ASCII characters.
        """
        if request_id is None:
            return cls(caller, random_hex(_GENERATED_BYTES), generated=True)
        check_request_id(request_id)
        return cls(caller, request_id, generated=False)


def check_request_id(text: str) -> None:
    """Check a request_id.

    Raises:
        InvalidValue: it is not 1 to 255 printable ASCII characters.
    """
    if not (0 < len(text) <= MAX_REQUEST_ID_LENGTH and text.isascii() and text.isprintable()):
        raise InvalidValue(f"must be 1 to {MAX_REQUEST_ID_LENGTH} printable ASCII characters, or left out")


def derived_request_id(key: str, part: str, position: int) -> str:
    """Return the request_id of one item of a batch that came with ``key``: the item at ``position`` of ``part``.

    The key is hashed, because it may be as long as a request_id may, and because no key is its own hash: no item has
    the request_id that ``key`` itself is. Stored request_ids are kept forever, so this must never change.
    """
    return f"{hashlib.sha256(key.encode()).hexdigest()}.{part}[{position}]"
