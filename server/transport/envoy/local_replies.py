"""The responses that Envoy gives itself. They have the form of REST's, except to gRPC calls, which get a status."""

from typing import Any

from server.transport.envoy.health_watches import TOO_MANY_WATCHES
from server.transport.headers import too_large_head

_TEXT = "%LOCAL_REPLY_BODY%"


def local_replies(max_head_bytes: int, max_headers: int) -> dict[str, Any]:
    """Return the configuration of Envoy's own responses, if the head of a request is limited to these sizes.

    Its only 403 is that of a path that is not UTF-8, and its only 429 that of too many health watches.
    """
    undecodable_path = _mapper(403, "the path must be UTF-8, percent-encoded")
    too_many_watches = _mapper(429, TOO_MANY_WATCHES.message)
    return {
        "mappers": [
            {**undecodable_path, "status_code": 400},
            _mapper(431, too_large_head(max_head_bytes, max_headers)),
            {**too_many_watches, "body_format_override": {"text_format_source": {"inline_string": _TEXT}}},
        ],
        "body_format": {"json_format": {"detail": _TEXT}},
    }


def _mapper(status: int, text: str) -> dict[str, Any]:
    """Return the rule that gives responses with this HTTP status this text."""
    value = {"default_value": status, "runtime_key": "unused"}
    return {
        "filter": {"status_code_filter": {"comparison": {"op": "EQ", "value": value}}},
        "body": {"inline_string": text},
    }
