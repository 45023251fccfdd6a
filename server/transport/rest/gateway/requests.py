"""Messages from the parts of an HTTP request, and back to JSON: the transcoding of google/api/http.proto.

The JSON is protobuf's own: see ``proto_json``. A wrong request raises one ``InvalidRequest`` that names the field.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn, cast
from urllib.parse import parse_qsl

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from server.domain.card_number import without_card_numbers
from server.domain.errors import FieldViolation, InvalidRequest
from server.transport.rest.gateway.proto_json import fill_from_text
from server.transport.rest.gateway.rules import field_at


def read_query(query: bytes) -> list[tuple[str, str]]:
    """Return the parameters of a query string, decoded.

    Raises:
        InvalidRequest: it is not UTF-8.
    """
    try:
        return parse_qsl(query.decode(), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        _refuse("", "the query must be UTF-8, percent-encoded")


def fill_from_parameters(
    message: Message, parameters: Iterable[tuple[str, str]], *, taken: Sequence[tuple[str, ...]] = ()
) -> None:
    """Set the fields of ``message`` that query parameters name: ``filter.order_id=7`` or ``filter.orderId=7``.

    A repeated field takes as many parameters as there are values. ``taken`` names the fields that the path or the body
    holds, which no parameter may.

    Raises:
        InvalidRequest: a field does not exist, cannot be a parameter, comes twice, or its value is not of its type.
    """
    descriptor = _descriptor(message)
    seen: set[tuple[str, ...]] = set()
    for name, text in parameters:
        path = tuple(name.split("."))
        field = _parameter_field(descriptor, name, path, taken)
        names = _names(descriptor, path)
        if names in seen and not field.is_repeated:
            _refuse(name, "must come once")
        seen.add(names)
        fill_from_text(message, names, text)


def fill_from_path(message: Message, variables: Mapping[tuple[str, ...], str]) -> None:
    """Set the fields of ``message`` that the variables of the path hold.

    Raises:
        InvalidRequest: a value is not of its field's type, or the body has set the field.
    """
    for path, text in variables.items():
        names = _names(_descriptor(message), path)
        if _is_set(message, names):
            _refuse(".".join(names), "is in the path, so it must not be in the body")
        fill_from_text(message, names, text)


def _is_set(message: Message, path: Sequence[str]) -> bool:
    return any(field.name == path[0] and _is_rest_set(value, path[1:]) for field, value in message.ListFields())


def _is_rest_set(value: Any, path: Sequence[str]) -> bool:  # noqa: ANN401 - what a field holds
    return not path or _is_set(value, path)


def to_json(message: Message, field: str = "") -> object:
    """Return ``message``, or one field of it, as a JSON value: names in camelCase, enums by name, 64 bits in quotes."""
    value = json_format.MessageToDict(message)
    if not field:
        return value
    descriptor = message.DESCRIPTOR.fields_by_name[field]
    if descriptor.json_name in value:
        return value[descriptor.json_name]
    whole: dict[str, Any] = json_format.MessageToDict(message, always_print_fields_with_no_presence=True)
    return whole.get(descriptor.json_name, {})


def _descriptor(message: Message) -> Descriptor:
    return cast("Descriptor", message.DESCRIPTOR)


def _parameter_field(
    message: Descriptor, name: str, path: tuple[str, ...], taken: Sequence[tuple[str, ...]]
) -> FieldDescriptor:
    try:
        field = field_at(message, path)
    except KeyError:
        _refuse(name, "is no parameter of this request")
    names = _names(message, path)
    if any(names[: len(other)] == other for other in taken):
        _refuse(name, "is no parameter of this request: the path or the body holds it")
    for length in range(1, len(path)):
        outer = field_at(message, path[:length])
        if outer.is_repeated or _has_json_of_its_own(outer):
            _refuse(name, f"is no parameter of this request: {'.'.join(path[:length])} is not set by parts")
    if field.message_type is not None and not _has_json_of_its_own(field):
        _refuse(name, "must name one field of the message, after a dot")
    return field


def _has_json_of_its_own(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.file.package == "google.protobuf"


def _names(message: Descriptor, path: tuple[str, ...]) -> tuple[str, ...]:
    """Return ``path`` in the names of the proto."""
    return tuple(field_at(message, path[: length + 1]).name for length in range(len(path)))


def _refuse(field: str, description: str) -> NoReturn:
    raise InvalidRequest((FieldViolation(without_card_numbers(field), description),))
