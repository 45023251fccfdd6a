"""The field violations of invalid requests over gRPC and ``/v2``.

Every field of every request is set to values that may be invalid, of its own type and, in JSON, also of other types.
The snapshot lists the fields that the violations name, and their descriptions.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from httpx import AsyncClient, Response

from server.domain.deadline import Deadline
from server.domain.errors import FieldViolation, InvalidRequest, PaymentNotFound
from server.transport.pipeline.auth import NO_CREDENTIALS
from server.transport.pipeline.calls import Call
from server.transport.rest.gateway.rules import HttpRule, http_rules
from server.transport.service.servicer import SERVICE, PaymentServicer
from tests.surface.without_database import client_of, service_without_database

_AMOUNT = {"currencyCode": "INR", "units": "1"}
_VALID: dict[str, Any] = {
    "Charge": {"orderId": "1", "amount": _AMOUNT},
    "BatchCharge": {"charges": [{"orderId": "1", "amount": _AMOUNT}]},
    "Refund": {"paymentId": "1", "amount": _AMOUNT},
    "GetPayment": {"paymentId": "1"},
    "ListRefunds": {"paymentId": "1"},
    "ListPaymentEvents": {"paymentId": "1"},
    "ListPayments": {"filter": {"minAmount": _AMOUNT, "minCreateTime": "2025-02-07T05:28:54Z"}},
    "WatchPayments": {},
}
"""A valid request of each RPC, in which one field at a time is changed."""

_VALUES: dict[int, tuple[Any, ...]] = {
    FieldDescriptor.CPPTYPE_STRING: ("", "no such thing", "\n", "x" * 1001),
    FieldDescriptor.CPPTYPE_ENUM: (99,),
    FieldDescriptor.CPPTYPE_INT32: (-1, 1, 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-1, 0, 1, 2**63 - 1),
    FieldDescriptor.CPPTYPE_BOOL: (True,),
}
_JSON_HEADERS = {"Content-Type": "application/json"}
_WHOLE_REQUEST = "(the request)"
"""The placeholder for the empty field name in violations of the whole request."""

_MAPS = ({"": ""}, {"k" * 1_000: ""}, {"k": "v" * 1_000}, {"k": "\0"}, {str(number): "" for number in range(100)})
_MANY = 1001
"""More items than any field can have."""

JSON_VALUES: tuple[Any, ...] = (None, True, "no such thing", 1.5, 10**30, [], [[]], {}, {"nothing": 1})
MALFORMED_JSON = (b"", b"{", b"\xff", b"[" * 1000, b'{"nothing": 1, "nothing": 2}')
TEXTS = ("", "no such thing", "-1", "0", "1.5", "1" * 30, "1e400", "\n")

_Violations = defaultdict[str, set[str]]


def violations() -> dict[str, Any]:
    """Return the descriptions of violations by field, for each RPC and each route."""
    return asyncio.run(_collect())


async def _collect() -> dict[str, Any]:
    with service_without_database() as service:
        async with client_of(service.rest) as rest:
            return await _violations_of(service.servicer, rest)


async def _violations_of(servicer: PaymentServicer, rest: AsyncClient) -> dict[str, Any]:
    found: defaultdict[str, _Violations] = defaultdict(lambda: defaultdict(set))
    for method in SERVICE.methods:
        for request in _changed_requests(method):
            _add(found[method.name], await _violations(servicer, method, request))
    for rule in http_rules([SERVICE]):
        for path, body in _changed_http_requests(rule):
            response = await rest.request(rule.verb, path, content=body, headers=_JSON_HEADERS)
            _add(found[f"{rule.verb} {rule.template.text}"], _http_violations(response))
    return {
        name: {field: sorted(descriptions) for field, descriptions in fields.items()}
        for name, fields in found.items()
        if fields
    }


def _add(known: _Violations, found: list[FieldViolation]) -> None:
    for violation in found:
        known[violation.field or _WHOLE_REQUEST].add(violation.description)


def _paths(message: Descriptor) -> Iterator[tuple[FieldDescriptor, ...]]:
    """Yield the path to every field of a message, including those of nested messages."""
    for field in message.fields:
        yield (field,)
        if field.message_type is not None and not field.is_repeated:
            yield from ((field, *inner) for inner in _paths(field.message_type))


def _changed_requests(method: MethodDescriptor) -> Iterator[Message]:
    """Yield requests that differ from the valid one in one field."""
    for *outer, field in _paths(method.input_type):
        for value in (None, *_values(field)):
            request = ParseDict(_VALID[method.name], GetMessageClass(method.input_type)())
            parent = request
            for step in outer:
                parent = getattr(parent, step.name)
            parent.ClearField(field.name)
            if value is not None:
                _fill(parent, field, value)
            yield request


def _values(field: FieldDescriptor) -> Iterator[Any]:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        yield from _MAPS
        return
    values = _VALUES.get(field.cpp_type, ())
    if not field.is_repeated:
        yield from values
        return
    yield from ([value] for value in values)
    items = values if field.message_type is None else [GetMessageClass(field.message_type)()]
    yield from ([value] * _MANY for value in items)


def _fill(parent: Message, field: FieldDescriptor, value: Any) -> None:  # noqa: ANN401 - of the field's type
    if isinstance(value, dict):
        getattr(parent, field.name).update(value)
    elif field.is_repeated:
        getattr(parent, field.name).extend(value)
    else:
        setattr(parent, field.name, value)


async def _violations(servicer: PaymentServicer, method: MethodDescriptor, request: Message) -> list[FieldViolation]:
    try:
        response = getattr(servicer, method.name)(request, Call("surface", NO_CREDENTIALS, Deadline()))
        await (anext(response) if method.server_streaming else response)
    except InvalidRequest as error:
        return list(error.violations)
    except PaymentNotFound:
        pass
    return []


def _changed_http_requests(rule: HttpRule) -> Iterator[tuple[str, bytes | None]]:
    """Yield the path and the body of requests that differ from the valid one in one place."""
    names = {".".join(variable): "1" for variable in rule.template.variables}
    path = rule.template.text.format(**names)
    for name in names:
        yield from ((rule.template.text.format(**names | {name: quote(text)}), None) for text in TEXTS if text)
    if rule.body:
        path_fields = {rule.method.input_type.fields_by_name[name].json_name for name in names}
        valid = {name: value for name, value in _VALID[rule.method.name].items() if name not in path_fields}
        yield from ((path, body) for body in MALFORMED_JSON)
        yield f"{path}?nothing=1", as_json(valid)
        for value in JSON_VALUES:
            yield path, as_json(value)
            yield from ((path, as_json(_with(valid, fields, value))) for fields in _paths(rule.method.input_type))
    else:
        yield f"{path}?nothing=1", None
        for fields in _paths(rule.method.input_type):
            name = ".".join(field.name for field in fields)
            yield from ((f"{path}?{name}={quote(text)}", None) for text in TEXTS)
            yield f"{path}?{name}=1&{name}=1", None


def _with(valid: Any, fields: tuple[FieldDescriptor, ...], value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return a copy of a JSON object with ``value`` at the path ``fields``."""
    if not fields:
        return value
    first, *rest = fields
    inner = valid.get(first.json_name) if isinstance(valid, dict) else None
    return {**(valid or {}), first.json_name: _with(inner, tuple(rest), value)}


def as_json(value: object) -> bytes:
    """Return a value as the body of a request."""
    return json.dumps(value).encode()


def _http_violations(response: Response) -> list[FieldViolation]:
    return [
        FieldViolation(violation.get("field", ""), violation["description"])
        for detail in response.json().get("details", [])
        for violation in detail.get("fieldViolations", [])
    ]
