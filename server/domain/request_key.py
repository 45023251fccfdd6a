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
        if not (0 < len(request_id) <= MAX_REQUEST_ID_LENGTH and request_id.isascii() and request_id.isprintable()):
            raise InvalidValue(f"must be 1 to {MAX_REQUEST_ID_LENGTH} printable ASCII characters, or left out")
        return cls(caller, request_id, generated=False)


def derived_request_id(key: str, part: str, position: int) -> str:
    """Derive the request_id of one item of a batch: the item at ``position`` in the field ``part``.

    The key is hashed because it may already be as long as a request_id can be, and so that a derived request_id never
    equals ``key`` itself. Request_ids are stored forever, so this format must never change.
    """
    return f"{hashlib.sha256(key.encode()).hexdigest()}.{part}[{position}]"
