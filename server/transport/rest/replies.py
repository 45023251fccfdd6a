"""What HTTP answers are made of."""

import ipaddress
import json
import math
from collections.abc import Mapping

from google.protobuf.message import Message
from starlette.requests import Request
from starlette.responses import Response

from server.transport.pipeline.calls import REPLAYED_KEY, Call
from server.transport.pipeline.errors import Failure
from server.transport.rest.gateway.requests import to_json

JSON = "application/json"
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def json_response(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return ``value`` as a compact JSON body."""
    return Response(json_text(value), status, headers, media_type=JSON)


def json_text(value: object) -> bytes:
    """Return ``value`` as compact JSON; half a surrogate pair, for which UTF-8 has no bytes, becomes a ``?``."""
    return _ENCODER.encode(value).encode(errors="replace")


def large_json_text(value: object) -> bytes:
    """Return the same, made in Python and not in C: it takes longer, but other threads can interrupt it."""
    return "".join(_ENCODER.iterencode(value)).encode(errors="replace")


def message_text(message: Message, field: str = "") -> bytes:
    """Return ``message``, or one field of it, as compact JSON."""
    return json_text(to_json(message, field))


def error_response(failure: Failure) -> Response:
    """Return ``failure`` as a google.rpc.Status, its details included."""
    return json_response(to_json(failure.status), failure.http_status, failure_headers(failure))


def failure_headers(failure: Failure) -> dict[str, str]:
    """Return the header that says when to try again, in whole seconds, or how to say who calls, where there is one."""
    if failure.challenge is not None:
        return {"WWW-Authenticate": failure.challenge}
    if failure.retry_after_seconds is None:
        return {}
    return {"Retry-After": str(math.ceil(failure.retry_after_seconds))}


def replay_headers(call: Call) -> dict[str, str]:
    """Return the header that says that an earlier call did what was asked, when one did."""
    return {REPLAYED_KEY: "true"} if call.replayed else {}


def peer_of(request: Request) -> str:
    """Return who sent ``request``, for the log; empty where a proxy says of its client what is no address."""
    client = request.scope.get("client")
    if not client or not (client[1] or _is_address(client[0])):
        return ""
    return f"{client[0]}:{client[1]}"


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
