"""Build HTTP responses: JSON, errors, and the headers of both."""

import json
import math
from collections.abc import Mapping

from google.protobuf import json_format
from google.protobuf.message import Message
from starlette.responses import Response

from server.transport.pipeline.calls import REPLAYED_KEY, Call
from server.transport.pipeline.errors import Failure

JSON = "application/json"
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def json_response(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return ``value`` as a compact JSON body."""
    return Response(json_text(value), status, headers, media_type=JSON)


def json_text(value: object) -> bytes:
    """Return ``value`` as compact JSON. Half a surrogate pair, which UTF-8 cannot encode, becomes a ``?``."""
    return _ENCODER.encode(value).encode(errors="replace")


def large_json_text(value: object) -> bytes:
    """Return the same as ``json_text``, but encode in Python: slower than C, but other threads can run meanwhile."""
    return "".join(_ENCODER.iterencode(value)).encode(errors="replace")


def to_json(message: Message, field: str = "") -> object:
    """Return ``message``, or one of its fields, as JSON: names in camelCase, enums by name, 64-bit integers quoted."""
    value = json_format.MessageToDict(message)
    if not field:
        return value
    name = message.DESCRIPTOR.fields_by_name[field].json_name
    if name not in value:
        value = json_format.MessageToDict(message, always_print_fields_with_no_presence=True)
    return value.get(name, {})


def message_text(message: Message, field: str = "") -> bytes:
    """Return ``message``, or one field of it, as compact JSON."""
    return json_text(to_json(message, field))


def error_response(failure: Failure) -> Response:
    """Return ``failure`` as a google.rpc.Status, its details included."""
    return json_response(to_json(failure.status), failure.http_status, failure_headers(failure))


def failure_headers(failure: Failure) -> dict[str, str]:
    """Return WWW-Authenticate, or Retry-After in whole seconds, if the failure has one."""
    if failure.challenge is not None:
        return {"WWW-Authenticate": failure.challenge}
    if failure.retry_after_seconds is None:
        return {}
    return {"Retry-After": str(math.ceil(failure.retry_after_seconds))}


def replay_headers(call: Call) -> dict[str, str]:
    """Return Idempotency-Replayed if the response is a replay."""
    return {REPLAYED_KEY: "true"} if call.replayed else {}
