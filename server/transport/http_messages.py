"""Messages from the parts of an HTTP request, and back to JSON: the transcoding of google/api/http.proto.

The JSON is protobuf's own (https://protobuf.dev/programming-guides/json). What is wrong with a request is told as one
``InvalidRequest`` that names the place: a field, or a line and column of the body.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn, cast

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from server.domain.card_number import without_card_numbers
from server.domain.errors import FieldViolation, InvalidRequest
from server.transport.http_rules import field_at

_MAX_NESTING = 100
"""As deep as protobuf's own parsers go."""

_MAX_DIGITS = 400
"""More than any field can hold, and few enough to be read fast."""

_AFTER_UNDERSCORE = re.compile("_(.)")
_STEP = re.compile(r"Failed to parse (\w+) field: ")
_UNKNOWN = re.compile(r'Message type "[\w.]+" has no field named "(?P<name>.*?)" at ', re.DOTALL)

_CHOICE = re.compile(r'should not have multiple "(?P<name>\w+)" oneof fields')

_ALLOWED_BY_TYPE = {
    FieldDescriptor.CPPTYPE_INT32: "a whole number of 32 bits",
    FieldDescriptor.CPPTYPE_INT64: "a whole number of 64 bits, which may stand in quotes",
    FieldDescriptor.CPPTYPE_UINT32: "a whole number of 32 bits, not negative",
    FieldDescriptor.CPPTYPE_UINT64: "a whole number of 64 bits, not negative, which may stand in quotes",
    FieldDescriptor.CPPTYPE_DOUBLE: "a number",
    FieldDescriptor.CPPTYPE_FLOAT: "a number",
    FieldDescriptor.CPPTYPE_BOOL: "true or false",
}
_ALLOWED_BY_MESSAGE = {
    "google.protobuf.Timestamp": "a time as in 2025-02-07T05:28:54Z (RFC 3339)",
    "google.protobuf.Duration": 'a number of seconds as in "1.5s"',
    "google.protobuf.FieldMask": 'names of fields, separated by commas, as in "amount,orderId"',
}


def read_json(body: bytes) -> object:
    """Return the JSON value in a body.

    Raises:
        InvalidRequest: it is not JSON (RFC 8259) in UTF-8, names a key twice, holds a number that no double can, has
            half of a surrogate pair, or is nested too deep.
    """
    try:
        value = json.loads(
            body.decode(), object_pairs_hook=_object, parse_constant=_constant, parse_float=_number, parse_int=_whole
        )
        if b"\\u" in body:
            _check_characters(value)
    except json.JSONDecodeError as error:
        _refuse("", f"the body must be JSON; line {error.lineno}, column {error.colno}: {error.msg}")
    except UnicodeDecodeError as error:
        _refuse("", f"the body must be UTF-8; byte {error.start} is not")
    except RecursionError:
        _refuse("", f"the body must be nested at most {_MAX_NESTING} deep")
    except ValueError as error:
        _refuse("", f"the body must be JSON: {error}")
    return value


def fill_from_json(message: Message, value: object) -> None:
    """Set the fields of ``message`` that are in the JSON object ``value``.

    Raises:
        InvalidRequest: a field does not exist, or its value is not of its type.
    """
    if not isinstance(value, dict):
        _refuse("", f"the body must be a JSON object, a {message.DESCRIPTOR.full_name}")
    try:
        json_format.ParseDict(value, message, max_recursion_depth=_MAX_NESTING)
    except json_format.ParseError as error:
        raise InvalidRequest((_violation(_descriptor(message), str(error)),)) from error


def fill_from_parameters(
    message: Message, parameters: Iterable[tuple[str, str]], *, taken: Sequence[tuple[str, ...]] = ()
) -> None:
    """Set the fields of ``message`` that query parameters name: ``filter.order_id=7`` or ``filter.orderId=7``.

    A repeated field takes as many parameters as there are values. ``taken`` names the fields that the path or the body
    holds, which no parameter may.

    Raises:
        InvalidRequest: a field does not exist, cannot be a parameter, comes twice, or its value is not of its type.
    """
    value: dict[str, Any] = {}
    descriptor = _descriptor(message)
    for name, text in parameters:
        path = tuple(name.split("."))
        field = _parameter_field(descriptor, name, path, taken)
        place = value
        for step in _names(descriptor, path)[:-1]:
            place = place.setdefault(step, {})
        if field.is_repeated:
            place.setdefault(field.name, []).append(_plain(field, text))
        elif field.name in place:
            _refuse(name, "must come once")
        else:
            place[field.name] = _plain(field, text)
    fill_from_json(message, value)


def fill_from_path(message: Message, variables: Mapping[tuple[str, ...], str]) -> None:
    """Set the fields of ``message`` that the variables of the path hold.

    Raises:
        InvalidRequest: a value is not of its field's type.
    """
    for path, text in variables.items():
        value: object = _plain(field_at(_descriptor(message), path), text)
        for step in reversed(path):
            value = {step: value}
        fill_from_json(message, value)


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


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    # A field has two names in JSON, and both at once would leave open which one counts.
    names = {_AFTER_UNDERSCORE.sub(lambda found: found[1].upper(), name) for name, _ in pairs}
    if len(names) < len(pairs):
        raise ValueError("a key must come once in an object")
    return dict(pairs)


def _check_characters(value: object) -> None:
    """Refuse half a surrogate pair, which an escape can write and no UTF-8 has: protobuf fails of one in a name."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("half of a surrogate pair is no character") from None


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _whole(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise ValueError(f"a number has more than {_MAX_DIGITS} digits")
    return int(text)


def _number(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("a number is too large")
    return number


def _plain(field: FieldDescriptor, text: str) -> object:
    """Return the JSON value that a text in a path or query stands for."""
    is_truth = field.cpp_type == FieldDescriptor.CPPTYPE_BOOL or (
        field.message_type is not None and field.message_type.full_name == "google.protobuf.BoolValue"
    )
    return {"true": True, "false": False}.get(text, text) if is_truth else text


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


def _violation(message: Descriptor, text: str) -> FieldViolation:
    """Return what an error of ``json_format`` says, in words of ours: its own are for programmers."""
    path = _STEP.findall(text)
    unknown = _UNKNOWN.search(text)
    if unknown is not None:
        name = without_card_numbers(unknown["name"])
        return FieldViolation(".".join((*path, name)), "is no field of this request")
    choice = _CHOICE.search(text)
    if choice is not None:
        outer = field_at(message, path).message_type if path else message
        assert outer is not None, "only a message has a choice of fields"
        names = ", ".join(field.name for field in outer.oneofs_by_name[choice["name"]].fields)
        return FieldViolation(".".join(path), f"must have only one of {names}")
    try:
        field = field_at(message, path)
    except (KeyError, AssertionError):
        return FieldViolation(".".join(path), "is not as this request has it")
    return FieldViolation(".".join(path), f"must be {_allowed(field)}")


def _allowed(field: FieldDescriptor) -> str:
    if field.message_type is not None:
        one = _ALLOWED_BY_MESSAGE.get(field.message_type.full_name, "a JSON object")
    elif field.enum_type is not None:
        one = f"one of {', '.join(value.name for value in field.enum_type.values)}"
    elif field.type == FieldDescriptor.TYPE_BYTES:
        one = "text in Base64"
    else:
        one = _ALLOWED_BY_TYPE.get(field.cpp_type, "text")
    return f"a list, each {one}" if field.is_repeated else one


def _refuse(field: str, description: str) -> NoReturn:
    raise InvalidRequest((FieldViolation(without_card_numbers(field), description),))
