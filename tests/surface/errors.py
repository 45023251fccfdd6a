"""The errors by reason: statuses, details and headers over gRPC, ``/v2`` and ``/v1``, and their messages.

Each class of errors is instantiated and rendered by the service's own code. The messages come from the source, with
``{}`` for the parts that are known only at run time.
"""

import json
from collections.abc import Iterator
from typing import Any

from google.protobuf.message import Message
from google.rpc import error_details_pb2
from starlette.requests import Request

from server.domain.errors import FieldViolation, InvalidRequest, PaymentsError
from server.transport.pipeline.errors import Failure, failure_of
from server.transport.rest.responses import failure_headers
from server.transport.rest.v1 import endpoints as legacy_rest
from tests.surface.messages import messages, parameters_of
from tests.surface.sources import sources

_MESSAGE = "the message"
_CALL_ID = "a call_id"
_MANY = 100
"""More violations than a status can hold."""

_RETRY = "retry_after_seconds"
_FIXED = {"domain"}
"""Fields of details that have the same value in every error."""

_ARGUMENTS: dict[str, Any] = {
    "message": _MESSAGE,
    "violations": (FieldViolation("a.field", "a description"),) * _MANY,
    "detail": [{"type": "a type", "loc": ["query", "page"], "msg": "a message", "input": "an input"}],
    "name": "a-header",
    "description": "a description",
    "part": "",
    _RETRY: 1.5,
    "origin": "https://pages.example",
    "site": "cross-site",
    "payment_id": 7,
}
"""Arguments for the constructors of errors, by parameter."""


def errors() -> dict[str, Any]:
    """Return the errors by reason."""
    reasons: dict[str, dict[str, Any]] = {}
    texts = messages()
    for kind in _kinds():
        failure = failure_of(_instantiate(kind), _CALL_ID)
        description = _describe(kind, failure)
        known = reasons.setdefault(failure.reason, description | {"v1": [], "messages": []})
        assert description.items() <= known.items(), f"errors with the reason {failure.reason} differ"
        response = _legacy_response(failure)
        known["v1"] = sorted([*known["v1"], *([] if response in known["v1"] else [response])], key=json.dumps)
        known["messages"] = sorted({*known["messages"], *texts.pop(kind, ())})
    assert not texts, f"errors without a reason: {list(texts)}"
    with_many = failure_of(_instantiate(InvalidRequest), _CALL_ID)
    reasons[with_many.reason]["violations at most"] = _count_violations(with_many)
    return reasons


def _count_violations(failure: Failure) -> int:
    bad_request = error_details_pb2.BadRequest()
    assert any(detail.Unpack(bad_request) for detail in failure.status.details)
    return len(bad_request.field_violations)


def _kinds() -> Iterator[type[Exception]]:
    """Yield every class of errors that has a reason, and ``Exception`` for unexpected errors."""
    modules = {source.names["__name__"] for source in sources("server")}
    kinds = (kind for kind in _subclasses(PaymentsError) if kind.__module__ in modules)
    unexpected = failure_of(Exception(), _CALL_ID).reason
    yield Exception
    for kind in sorted(kinds, key=lambda kind: kind.__name__):
        if failure_of(_instantiate(kind), _CALL_ID).reason != unexpected:
            yield kind


def _subclasses(kind: type[Exception]) -> set[type[Exception]]:
    return {kind}.union(*map(_subclasses, kind.__subclasses__()))


def _instantiate(kind: type[Exception], **arguments: object) -> Exception:
    arguments_of_kind = {name: _ARGUMENTS[name] for name in parameters_of(kind)} | arguments
    return kind(*arguments_of_kind.values())


def _describe(kind: type[Exception], failure: Failure) -> dict[str, Any]:
    headers = {name: value for name, value in failure_headers(failure).items() if name != "Retry-After"}
    return {
        "grpc": failure.code.name,
        "http": failure.http_status,
        "details": dict(_details(failure)),
        **({"http headers": headers} if headers else {}),
        **({} if failure.retry_after_seconds is None else {"retry after": _retry_after(kind, failure)}),
    }


def _retry_after(kind: type[Exception], failure: Failure) -> str:
    """Describe the delay in RetryInfo: fixed, or set by each error."""
    parameter = parameters_of(kind).get(_RETRY)
    if parameter is None:
        return f"{failure.retry_after_seconds} seconds"
    if parameter.default is parameter.empty:
        return "set by each error"
    default = failure_of(_instantiate(kind, **{_RETRY: None}), _CALL_ID).retry_after_seconds
    return f"set by each error, {default} seconds by default"


def _details(failure: Failure) -> Iterator[tuple[str, list[str]]]:
    """Yield the type and the fields of each detail."""
    for packed in failure.status.details:
        name = packed.TypeName().rpartition(".")[2]
        detail = getattr(error_details_pb2, name)()
        packed.Unpack(detail)
        yield name, sorted(set(_fields(detail)))


def _fields(message: Message) -> Iterator[str]:
    for field, value in message.ListFields():
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            yield from (f"{field.name}.{key}" for key in value)
        elif field.is_repeated:
            yield from (f"{field.name}.{inner}" for item in value for inner in _fields(item))
        elif field.name in _FIXED:
            yield f"{field.name}: {value}"
        else:
            yield field.name


def _legacy_response(failure: Failure) -> dict[str, Any]:
    """Return the status and body over ``/v1``, with only the first of several problems."""
    response = legacy_rest._error_response(failure, Request({"type": "http", "headers": []}))
    ((name, detail),) = json.loads(bytes(response.body)).items()
    return {"status": response.status_code, name: detail[:1] if isinstance(detail, list) else detail}
