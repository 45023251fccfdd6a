"""Parse ProtoJSON into messages, strictly (https://protobuf.dev/programming-guides/json).

``google.protobuf.json_format`` accepts more than the specification, because Python's ``int()`` and ``strptime()`` do:
underscores, digits of other scripts, whitespace, ``true`` for an enum. It also rounds fractions to floats, and its
errors do not name the field as the caller wrote it. This module uses it only for ``Any``, ``Struct``, ``Value`` and
``ListValue``, which hold arbitrary JSON.

Each field has a reader, built once from its descriptor, which turns a JSON value into an argument of the message's
constructor.
"""

import math
import re
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache, partial
from typing import Any, NoReturn, cast

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from server.domain.card_number import without_card_numbers
from server.domain.errors import FieldViolation, InvalidRequest
from server.transport.rest.gateway.json_text import MAX_NESTING, NumberText

_MAX_VALUES = 10_000
"""More values than any list in a request may have. Reading more would only waste time."""

_MAX_DIGITS = 400
_MAX_INTEGER_DIGITS = 20

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_BASE64 = re.compile("|".join(f"({c}{{4}})*({c}{{2}}(==)?|{c}{{3}}=?)?" for c in ("[A-Za-z0-9+/]", "[A-Za-z0-9_-]")))
_TIME = "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-5][0-9]"
_OFFSET = "Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9]"
_FIELD_PATH = r"[a-z][a-zA-Z0-9]*(?:\.[a-z][a-zA-Z0-9]*)*"

_STRING_FORMATS = {
    "google.protobuf.Timestamp": (
        rf"{_TIME}(?:\.[0-9]{{1,9}})?(?:{_OFFSET})",
        "must be a time as in 2025-02-07T05:28:54Z (RFC 3339), in the years 1 to 9999",
    ),
    "google.protobuf.Duration": (
        r"-?(?:0|[1-9][0-9]{0,11})(?:\.[0-9]{1,9})?s",
        'must be a number of seconds as in "1.5s"',
    ),
    "google.protobuf.FieldMask": (
        rf"(?:{_FIELD_PATH}(?:,{_FIELD_PATH})*)?",
        'must be field names separated by commas, as in "amount,orderId"',
    ),
}
"""The messages that ProtoJSON writes as a string, with the pattern of that string and its description."""

_ARBITRARY_JSON = {
    "google.protobuf.Any": "an object with the @type and the fields of a known message",
    "google.protobuf.Struct": "a JSON object",
    "google.protobuf.ListValue": "a list",
    "google.protobuf.Value": "a JSON value",
}
_WRAPPERS = {
    f"google.protobuf.{kind}Value"
    for kind in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
}
_TYPES_WITH_NULL = {"google.protobuf.Value", "google.protobuf.NullValue"}

_SPECIAL_NUMBERS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_MAX_FLOAT = 3.4028234663852886e38

_Read = Callable[[Any], Any]
"""Converts a JSON value to the value of a field, or raises ``_Invalid``."""


class _Invalid(Exception):
    """A JSON value is invalid for its field. ``path`` leads to the value, outermost step first."""

    def __init__(self, description: str) -> None:
        super().__init__(description)
        self.description = description
        self.path: list[str] = []


def _invalid(description: str) -> NoReturn:
    raise _Invalid(description)


def message_of_json(descriptor: Descriptor, value: object) -> Message:
    """Return the message that a JSON object describes.

    Raises:
        InvalidRequest: a field does not exist, or a value has the wrong type.
    """
    if not isinstance(value, dict):
        reject("", f"the body must be a JSON object that represents a {descriptor.full_name}")
    try:
        return GetMessageClass(descriptor)(**_read_message(descriptor, value))
    except _Invalid as error:
        path = "".join(step if step.startswith("[") else f".{step}" for step in error.path)
        reject(path.removeprefix("."), error.description)
    except RecursionError:
        reject("", f"the body must be nested at most {MAX_NESTING} levels deep")


def fill_from_text(message: Message, path: Iterable[FieldDescriptor], text: str) -> None:
    """Set one field from the text of a query parameter or path variable.

    The text is appended to a repeated field. It is parsed like a JSON string, except that true, false and the numbers
    of an enum are recognized.

    Raises:
        InvalidRequest: the text is not a value of the field's type.
    """
    *outer, last = path
    holder: Any = message
    for step in outer:
        holder = getattr(holder, step.name)
    field = _fields(holder.DESCRIPTOR)[last.name]
    value = _value_of_text(last, text)
    try:
        field.check_oneof({other.name for other, _ in holder.ListFields()})
        fields = {last.name: field.read([value] if last.is_repeated else value)}
    except _Invalid as error:
        reject(".".join(step.name for step in (*outer, last)), error.description)
    for step in reversed(outer):
        fields = {step.name: fields}
    message.MergeFrom(type(message)(**fields))


@dataclass(frozen=True, slots=True)
class _Field:
    """How to read a field. ``oneof_names`` maps the proto names of the fields of its oneof to their JSON names."""

    name: str
    read: _Read
    accepts_null: bool
    oneof_names: dict[str, str]

    def check_oneof(self, names: Iterable[str]) -> None:
        """Raise ``_Invalid`` if ``names``, the fields that are set, include another field of the same oneof."""
        if any(name in self.oneof_names and name != self.name for name in names):
            _invalid(f"only one of {', '.join(self.oneof_names.values())} may be set")


@cache
def _fields(message: Descriptor) -> dict[str, _Field]:
    """Return the fields of a message by their names in the proto and in JSON."""
    fields = {field.name: _field(field) for field in message.fields}
    return fields | {field.json_name: fields[field.name] for field in message.fields}


def _field(field: FieldDescriptor) -> _Field:
    kind = field.message_type or field.enum_type
    oneof = field.containing_oneof
    members = [] if oneof is None or len(oneof.fields) == 1 else oneof.fields
    return _Field(
        field.name,
        _reader(field),
        accepts_null=kind is not None and kind.full_name in _TYPES_WITH_NULL and not field.is_repeated,
        oneof_names={member.name: member.json_name for member in members},
    )


def _reader(field: FieldDescriptor) -> _Read:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return _map_reader(field.message_type)
    read = _value_reader(field)
    return _list_reader(read) if field.is_repeated else read


def _value_reader(field: FieldDescriptor) -> _Read:
    """Return the reader of one value of a field."""
    message = field.message_type
    if field.enum_type is not None:
        return _enum_reader(field.enum_type)
    if message is None:
        return _read_bytes if field.type == FieldDescriptor.TYPE_BYTES else _SCALARS[field.cpp_type]
    if message.full_name in _WRAPPERS:
        read_inner = _value_reader(message.fields_by_name["value"])
        return lambda value: {"value": read_inner(value)}
    if message.full_name in _STRING_FORMATS:
        return _formatted_string_reader(message, *_STRING_FORMATS[message.full_name])
    if message.full_name in _ARBITRARY_JSON:
        return _arbitrary_json_reader(message, f"must be {_ARBITRARY_JSON[message.full_name]}")
    return lambda value: _read_message(message, value)


def _formatted_string_reader(descriptor: Descriptor, pattern: str, description: str) -> _Read:
    expression = re.compile(pattern)

    def read(value: object) -> Message:
        message: Any = GetMessageClass(descriptor)()
        try:
            if type(value) is str and expression.fullmatch(value):
                message.FromJsonString(value)
                return cast("Message", message)
        except ValueError:
            pass  # a day or an hour that does not exist, or a number out of range
        raise _Invalid(description)

    return read


def _arbitrary_json_reader(descriptor: Descriptor, description: str) -> _Read:
    parse = partial(json_format.ParseDict, descriptor_pool=descriptor.file.pool)

    def read(value: Any) -> Message:  # noqa: ANN401 - JSON
        try:
            return parse(_with_floats(value), GetMessageClass(descriptor)())
        except json_format.ParseError:
            raise _Invalid(description) from None

    return read


def _with_floats(value: object) -> Any:  # noqa: ANN401 - JSON
    match value:
        case NumberText():
            return _read_float(value)
        case dict():
            return {name: _with_floats(item) for name, item in value.items()}
        case list():
            return [_with_floats(item) for item in value]
        case _:
            return value


def _read_message(descriptor: Descriptor, value: object) -> dict[str, Any]:
    """Return the fields of a message, as arguments of its constructor."""
    fields = _fields(descriptor)
    if not isinstance(value, dict):
        names = [field.json_name for field in descriptor.fields]
        listed = " and ".join(", ".join(names).rsplit(", ", 1))
        raise _Invalid(f"must be an object with {listed}" if names else "must be an empty object")
    names_as_written: dict[str, str] = {}
    values: dict[str, Any] = {}
    name = ""
    try:
        for name, item in value.items():
            field = fields.get(name)
            if field is None:
                _invalid("is not a field of this request")
            if names_as_written.setdefault(field.name, name) != name:
                _invalid(f"must not be repeated: {names_as_written[field.name]} is the same field")
            if item is not None or field.accepts_null:
                if field.oneof_names:
                    field.check_oneof(values)
                values[field.name] = field.read(item)
    except _Invalid as error:
        error.path.insert(0, name)
        raise
    return values


def _list_reader(read_item: _Read) -> _Read:
    def read(value: object) -> list[Any]:
        if not isinstance(value, list):
            raise _Invalid("must be a list")
        if len(value) > _MAX_VALUES:
            raise _Invalid(f"must have at most {_MAX_VALUES:,} values")
        items: list[Any] = []
        try:
            items.extend(map(read_item, value))
        except _Invalid as error:
            error.path.insert(0, f"[{len(items)}]")
            raise
        return items

    return read


def _map_reader(entry: Descriptor) -> _Read:
    key_field = entry.fields_by_name["key"]
    read_key, read_item = _value_reader(key_field), _value_reader(entry.fields_by_name["value"])

    def read(value: object) -> dict[Any, Any]:
        if not isinstance(value, dict):
            raise _Invalid("must be a JSON object")
        items: dict[Any, Any] = {}
        name = ""
        try:
            for name, item in value.items():
                key = read_key(_value_of_text(key_field, name))
                if key in items:
                    _invalid("must not be repeated")
                items[key] = read_item(item)
        except _Invalid as error:
            error.path.insert(0, name)
            raise
        return items

    return read


def _value_of_text(field: FieldDescriptor, text: str) -> object:
    """Return the JSON value that a query parameter, path variable or map key represents."""
    if field.enum_type is not None:
        return NumberText(text)
    kind = "" if field.message_type is None else field.message_type.full_name
    is_bool = field.type == FieldDescriptor.TYPE_BOOL or kind == "google.protobuf.BoolValue"
    return {"true": True, "false": False}.get(text, text) if is_bool else text


def _integer_reader(minimum: int, maximum: int, description: str) -> _Read:
    def read(value: object) -> int:
        number = value if type(value) is int else _whole_number(value)
        if number is None or not minimum <= number <= maximum:
            raise _Invalid(description)
        return number

    return read


def _whole_number(value: Any) -> int | None:  # noqa: ANN401 - JSON
    """Parse a whole number exactly; return None for any other value."""
    found = _NUMBER.fullmatch(value) if isinstance(value, str) and len(value) <= _MAX_DIGITS else None
    if found is None:
        return None
    if found.lastindex is None:
        return int(value)
    if not re.split("[eE]", value)[0].strip("-0."):
        return 0
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None  # the exponent has too many digits for a Decimal
    if not 0 <= number.adjusted() < _MAX_INTEGER_DIGITS:
        return None
    whole = int(number)
    return whole if whole == number else None


def _enum_reader(enum: EnumDescriptor) -> _Read:
    numbers = {value.name: value.number for value in enum.values}
    description = f"must be one of {', '.join(numbers)}"

    def read(value: object) -> int:
        number = value if type(value) is int else None
        if isinstance(value, str):
            number = numbers.get(value)
            if number is None and isinstance(value, NumberText):
                number = _whole_number(value)
        elif value is None and enum.full_name in _TYPES_WITH_NULL:
            number = 0
        # Enums are open: ProtoJSON accepts numbers that are not listed, and the RPC rejects those it cannot use.
        if number is None or not -(2**31) <= number < 2**31:
            raise _Invalid(description)
        return number

    return read


def _read_bool(value: object) -> bool:
    if value is True or value is False:
        return value
    raise _Invalid("must be true or false")


def _read_text(value: object) -> str:
    if type(value) is not str:
        raise _Invalid("must be a string")
    return value


def _read_bytes(value: object) -> bytes:
    if type(value) is str and _BASE64.fullmatch(value):
        return urlsafe_b64decode(value + "==")
    raise _Invalid("must be a string in Base64")


def _read_float(value: Any) -> float:  # noqa: ANN401 - JSON
    if isinstance(value, float):
        return value
    if type(value) is str and value in _SPECIAL_NUMBERS:
        return _SPECIAL_NUMBERS[value]
    if type(value) is not int and not (isinstance(value, str) and _NUMBER.fullmatch(value)):
        raise _Invalid("must be a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if math.isinf(number):
        raise _Invalid("must be a number, but this one is too large for 64 bits")
    return number


def _read_float_32(value: object) -> float:
    number = _read_float(value)
    if _MAX_FLOAT < abs(number) < math.inf:
        raise _Invalid("must be a number, but this one is too large for 32 bits")
    return number


_SCALARS: dict[int, _Read] = {
    FieldDescriptor.CPPTYPE_DOUBLE: _read_float,
    FieldDescriptor.CPPTYPE_FLOAT: _read_float_32,
    FieldDescriptor.CPPTYPE_BOOL: _read_bool,
    FieldDescriptor.CPPTYPE_STRING: _read_text,
    FieldDescriptor.CPPTYPE_INT32: _integer_reader(-(2**31), 2**31 - 1, "must be a 32-bit integer"),
    FieldDescriptor.CPPTYPE_INT64: _integer_reader(-(2**63), 2**63 - 1, "must be a 64-bit integer"),
    FieldDescriptor.CPPTYPE_UINT32: _integer_reader(0, 2**32 - 1, "must be an unsigned 32-bit integer"),
    FieldDescriptor.CPPTYPE_UINT64: _integer_reader(0, 2**64 - 1, "must be an unsigned 64-bit integer"),
}


def reject(field: str, description: str) -> NoReturn:
    """Raise ``InvalidRequest`` for one field."""
    raise InvalidRequest((FieldViolation(without_card_numbers(field), description),))
