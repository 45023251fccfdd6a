"""The headers that requests and answers of all paths have in common, as the OpenAPI document has them."""

from typing import Any

from server.domain.identifiers import MAX_REQUEST_ID_LENGTH

PARAMETERS: dict[str, Any] = {
    "RequestName": {
        "name": "X-Request-Id",
        "in": "header",
        "description": "Names the call in the service's log. Anything but 1 to 128 printable ASCII characters is as if "
        "there were none, and the service takes a name of its own.",
        "schema": {"type": "string"},
    },
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Makes the call safe to repeat: a word that is new for each charge or refund that is meant; a "
        "UUID will do. The same key with the same parameters gives the first call's outcome, as it is now, and does "
        'nothing more. `k` and `"k"` are the same key; inside quotation marks, `\\"` stands for a quotation mark and '
        "`\\\\` for a backslash. Sent twice, it is refused with 400. In a batch, it gives each charge without a "
        "request_id one that is derived from the key and the charge's position: repeat the batch with the same charges "
        "in the same order.",
        # A key that begins with a quotation mark is a quoted one. The 255 characters are those between the marks.
        "schema": {
            "type": "string",
            "minLength": 1,
            "maxLength": MAX_REQUEST_ID_LENGTH,
            "pattern": r'^([!#-~]([ -~]*[!-~])?|"([ !#-\[\]-~]|\\["\\])+")$',
        },
    },
}
"""Components of a document; each is referred to by ``parameter``."""

LAST_EVENT_ID: dict[str, Any] = {
    "name": "Last-Event-ID",
    "in": "header",
    "description": "Of server-sent events: the id of the last one that came, after which the stream goes on. It wins "
    "over the parameter, as browsers that connect again send the address of the first time.",
    "schema": {"type": "string"},
}
"""What requests for a stream that can go on have besides."""

HEADERS: dict[str, Any] = {
    "RequestName": {
        "description": "Names the call in the service's log: the request's own X-Request-Id, or else a new one.",
        "required": True,
        "schema": {"type": "string"},
    },
    "RetryAfter": {
        "description": "After how many seconds to try again.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    },
    "Challenge": {
        "description": "How to say who calls (RFC 6750).",
        "required": True,
        "schema": {"type": "string"},
    },
    "IdempotencyReplayed": {
        "description": "`true` when an earlier call with the same key did what this one asked; else not there.",
        "schema": {"type": "string", "enum": ["true"]},
    },
}
"""Components of a document; ``answer_headers`` refers to them."""

_NAMES = {
    "RequestName": "X-Request-Id",
    "RetryAfter": "Retry-After",
    "Challenge": "WWW-Authenticate",
    "IdempotencyReplayed": "Idempotency-Replayed",
}

SECURITY_SCHEMES: dict[str, Any] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key, as `payments keys create` makes it. The same over gRPC, in the metadata "
        "`authorization`.",
    },
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same key, alone."},
    "certificate": {
        "type": "mutualTLS",
        "description": "A client certificate, where the deployment asks for one; its name is the caller.",
    },
}
"""Components of a document: the ways to say who calls."""

SECURITY: list[dict[str, Any]] = [{}, {"bearer": []}, {"apiKey": []}, {"certificate": []}]
"""Any of them; or none, where callers who do not say who they are have the role that is needed."""

_ERROR_HEADERS = {"401": ("Challenge",), "429": ("RetryAfter",), "503": ("RetryAfter",)}


def error_headers(status: str) -> dict[str, Any]:
    """Return the headers of an answer with an error."""
    return answer_headers(*_ERROR_HEADERS.get(status, ()))


def parameter(name: str) -> dict[str, str]:
    """Return a reference to one of ``PARAMETERS``."""
    return {"$ref": f"#/components/parameters/{name}"}


def answer_headers(*further: str) -> dict[str, Any]:
    """Return the headers of an answer: the one that all have, and ``further`` ones of ``HEADERS``."""
    return {_NAMES[name]: {"$ref": f"#/components/headers/{name}"} for name in ("RequestName", *further)}
