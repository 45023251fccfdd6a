"""Read HTTP request headers: single values, lists, and those with a meaning; and reject too many of them.

``BoundedConnection`` has already removed the whitespace around each value (RFC 9110, section 5.5).
"""

import re
from collections.abc import Iterator

from starlette.types import Scope

from server.domain.errors import FieldViolation, InvalidRequest

IDEMPOTENCY_KEY = "Idempotency-Key"
"""The header that carries the request_id over HTTP (draft-ietf-httpapi-idempotency-key-header)."""

PAYMENT_SOURCE = "Payment-Source"
"""The header that carries the payment_source of a charge over ``/v1``."""

_IDEMPOTENCY_KEY = IDEMPOTENCY_KEY.lower().encode()
_PAYMENT_SOURCE = PAYMENT_SOURCE.lower().encode()
_UNIQUE_HEADERS = {
    name.lower().encode(): name
    for name in (IDEMPOTENCY_KEY, PAYMENT_SOURCE, "Authorization", "X-Api-Key", "Last-Event-ID")
}
"""Headers that may be sent only once, because two values would be ambiguous."""

_QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
"""A string as defined in RFC 8941, section 3.3.3."""

_ESCAPED = re.compile(r'\\(["\\])')


class InvalidHeader(InvalidRequest):
    """A header is malformed, or is repeated although it must be unique."""

    def __init__(self, name: str, description: str) -> None:
        """Report that the header ``name`` breaks the rule in ``description``."""
        super().__init__((FieldViolation(name, description),))


def header(scope: Scope, name: bytes) -> str | None:
    """Return the value of the first header with this lower-case name, or None."""
    for key, value in scope["headers"]:
        if key == name:
            text: str = value.decode("latin-1")
            return text
    return None


def headers(scope: Scope, name: bytes) -> Iterator[str]:
    """Yield the value of every header with this lower-case name."""
    for key, value in scope["headers"]:
        if key == name:
            yield value.decode("latin-1")


def too_large_head(max_bytes: int, max_headers: int) -> str:
    """Return the text of the error (431) for a request whose head is larger than allowed."""
    return f"the head must be at most {max_bytes} bytes and {max_headers} headers"


def check_unique_headers(scope: Scope) -> None:
    """Check that no header that must be unique is repeated.

    Raises:
        InvalidHeader: one of them is repeated.
    """
    names = [name for name, _ in scope["headers"] if name in _UNIQUE_HEADERS]
    if len(names) > 1:
        for name in names:
            if names.count(name) > 1:
                raise InvalidHeader(_UNIQUE_HEADERS[name], "must be sent at most once")


def idempotency_key(scope: Scope) -> str | None:
    """Return the key in the Idempotency-Key header, unquoted, or None.

    Raises:
        InvalidHeader: the value starts with a quotation mark but is not a valid quoted string.
    """
    text = header(scope, _IDEMPOTENCY_KEY)
    if text is None or not text.startswith('"'):
        return text
    quoted = _QUOTED.fullmatch(text)
    if quoted is None:
        raise InvalidHeader(
            IDEMPOTENCY_KEY,
            'must be a key alone, or a key in quotation marks with nothing after them, as in "order-343"; inside them, '
            'only printable ASCII characters, and \\" and \\\\ for a quotation mark and a backslash',
        )
    return _ESCAPED.sub(r"\1", quoted[1])


def payment_source(scope: Scope) -> str | None:
    """Return the payment source in the Payment-Source header, or None if it is missing or empty."""
    return header(scope, _PAYMENT_SOURCE) or None
