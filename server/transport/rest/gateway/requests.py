"""Build the request message of an RPC from an HTTP request, as its rule specifies (google/api/http.proto)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast
from urllib.parse import parse_qsl

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from starlette.types import Scope

from server.transport.headers import headers, idempotency_key
from server.transport.pipeline.errors import UnsupportedMediaType
from server.transport.rest.gateway.idempotency import accepts_key, fill_request_ids
from server.transport.rest.gateway.json_text import read_json
from server.transport.rest.gateway.proto_json import fill_from_text, message_of_json, reject
from server.transport.rest.gateway.rules import WHOLE_BODY, HttpRule, fields_along
from server.transport.rest.responses import JSON


def read_message(rule: HttpRule, scope: Scope, body: bytes) -> Message:
    """Return the message that a request sends to the RPC of ``rule``.

    Raises:
        InvalidRequest, UnsupportedMediaType: a part of the request is invalid.
    """
    value: object = {}
    if rule.body and body:
        _check_content_type(scope)
        value = read_json(body) if rule.body == WHOLE_BODY else {rule.body: read_json(body)}
    message = message_of_json(rule.method.input_type, value)
    parameters = read_query(scope["query_string"])
    if rule.body == WHOLE_BODY:
        if parameters:
            reject(parameters[0][0], "is not a parameter of this request: the body has all its fields")
    else:
        reserved = [*rule.template.variables, *([(rule.body,)] if rule.body else [])]
        fill_from_parameters(message, parameters, reserved=reserved)
    try:
        fill_from_path(message, rule.template.decoded(scope["path_params"]))
    except UnicodeDecodeError:
        reject("", "the path must be percent-encoded UTF-8")
    if accepts_key(rule.method.input_type) and (key := idempotency_key(scope)) is not None:
        fill_request_ids(message, key)
    return message


def _check_content_type(scope: Scope) -> None:
    for content_type in headers(scope, b"content-type"):
        if (content_type or JSON).partition(";")[0].strip(" \t").lower() != JSON:
            raise UnsupportedMediaType("the body must be sent as application/json")


def read_query(query: bytes) -> list[tuple[str, str]]:
    """Return the parameters of a query string, decoded.

    Raises:
        InvalidRequest: it is not UTF-8.
    """
    try:
        return parse_qsl(query.decode(), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        reject("", "the query must be percent-encoded UTF-8")


def fill_from_parameters(
    message: Message, parameters: Iterable[tuple[str, str]], *, reserved: Sequence[tuple[str, ...]] = ()
) -> None:
    """Set the fields of ``message`` that query parameters name: ``filter.order_id=7`` or ``filter.orderId=7``.

    A parameter for a repeated field may be repeated, once for each value. ``reserved`` names the fields that the path
    or the body sets, which parameters must not set too.

    Raises:
        InvalidRequest: a field does not exist, cannot be a parameter, or is repeated, or a value has the wrong type.
    """
    seen: set[tuple[str, ...]] = set()
    for name, text in parameters:
        fields = _parameter_fields(_descriptor(message), name, reserved)
        names = tuple(field.name for field in fields)
        if names in seen and not fields[-1].is_repeated:
            reject(name, "must not be repeated")
        seen.add(names)
        fill_from_text(message, fields, text)


def fill_from_path(message: Message, variables: Mapping[tuple[str, ...], str]) -> None:
    """Set the fields of ``message`` that the variables of the path name.

    Raises:
        InvalidRequest: a value has the wrong type, or the body has set the field too.
    """
    for path, text in variables.items():
        fields = fields_along(_descriptor(message), path)
        if _is_set(message, fields):
            reject(".".join(field.name for field in fields), "is in the path, so it must not be in the body")
        fill_from_text(message, fields, text)


def _descriptor(message: Message) -> Descriptor:
    return cast("Descriptor", message.DESCRIPTOR)


def _parameter_fields(
    message: Descriptor, name: str, reserved: Sequence[tuple[str, ...]]
) -> tuple[FieldDescriptor, ...]:
    """Return the path of fields that a parameter names, outermost first."""
    steps = name.split(".")
    try:
        *outer, last = fields = fields_along(message, steps)
    except KeyError:
        reject(name, "is not a parameter of this request")
    names = tuple(field.name for field in fields)
    if any(names[: len(other)] == other for other in reserved):
        reject(name, "is not a parameter of this request: the path or the body sets it")
    for length, field in enumerate(outer, start=1):
        if field.is_repeated or _has_special_json(field):
            whole = ".".join(steps[:length])
            reject(name, f"is not a parameter of this request: the fields of {whole} cannot be set separately")
    if last.message_type is not None and not _has_special_json(last):
        reject(name, f"is a message: name one of its fields after a dot, as in {name}.FIELD")
    return fields


def _has_special_json(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.file.package == "google.protobuf"


def _is_set(message: Any, fields: Iterable[FieldDescriptor]) -> bool:  # noqa: ANN401 - the value of any field
    for field in fields:
        values = {set_field.name: value for set_field, value in message.ListFields()}
        if field.name not in values:
            return False
        message = values[field.name]
    return True
