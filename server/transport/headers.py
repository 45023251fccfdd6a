"""Read the headers of HTTP requests: single-valued ones, lists, and the idempotency key.

``BoundedConnection`` has removed the whitespace around each value (RFC 9110, section 5.5).
"""

import re
from collections.abc import Iterator

from starlette.types import Scope

from server.domain.errors import FieldViolation, InvalidRequest

IDEMPOTENCY_KEY = "Idempotency-Key"
"""The header that stands for a request_id (draft-ietf-httpapi-idempotency-key-header)."""

_IDEMPOTENCY_KEY = IDEMPOTENCY_KEY.lower().encode()
_AT_MOST_ONCE = {
    name.lower().encode(): name for name in (IDEMPOTENCY_KEY, "Authorization", "X-Api-Key", "Last-Event-ID")
}
"""Headers that identify the caller or the call. Two values would be ambiguous."""

_QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
"""A string as in RFC 8941, section 3.3.3."""

_ESCAPED = re.compile(r'\\(["\\])')


class InvalidHeader(InvalidRequest):
    """A header is malformed, or is repeated though it must not be."""

    def __init__(self, name: str, description: str) -> None:
        """Name the header and say what is allowed."""
        super().__init__((FieldViolation(name, description),))


def header(scope: Scope, name: bytes) -> str | None:
    """Return the first header of this name (in lower case) of a request, or None."""
    for key, value in scope["headers"]:
        if key == name:
            text: str = value.decode("latin-1")
            return text
    return None


def headers(scope: Scope, name: bytes) -> Iterator[str]:
    """Yield the value of every header of this name (in lower case)."""
    for key, value in scope["headers"]:
        if key == name:
            yield value.decode("latin-1")


def check_repeated(scope: Scope) -> None:
    """Check that no header that must be sent at most once is repeated.

    Raises:
        InvalidHeader: one is.
    """
    names = [name for name, _ in scope["headers"] if name in _AT_MOST_ONCE]
    if len(names) > 1:
        for name in names:
            if names.count(name) > 1:
                raise InvalidHeader(_AT_MOST_ONCE[name], "must be sent at most once")


def idempotency_key(scope: Scope) -> str | None:
    """Return the key in the Idempotency-Key header, unquoted, or None.

    Raises:
        InvalidHeader: the value starts with a quotation mark but is not a quoted string.
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
