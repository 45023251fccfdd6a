"""Parse ProtoJSON into messages, strictly (https://protobuf.dev/programming-guides/json).

``google.protobuf.json_format`` accepts more than the specification, because Python's ``int()`` and ``strptime()`` do:
underscores, digits of other scripts, whitespace, ``true`` for an enum. It also rounds fractions to floats, and its
errors do not name the field as the caller wrote it. Here it only reads ``Any``, ``Struct``, ``Value`` and
``ListValue``, which hold JSON of any form.

Each field has a reader, built once from its descriptor, which turns a JSON value into an argument of the message's
constructor.
"""

import math
import re
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, NoReturn, cast

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from server.domain.card_number import without_card_numbers
from server.domain.errors import FieldViolation, InvalidRequest
from server.transport.rest.gateway.json_text import NumberText

_MAX_VALUES = 10_000
"""More than any list of a request may have: to read more would only take time."""

_MAX_DIGITS = 400
_MAX_INTEGER_DIGITS = 20
_MAX_FLOAT = 3.4028234663852886e38

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_BASE64 = re.compile("|".join(f"({c}{{4}})*({c}{{2}}(==)?|{c}{{3}}=?)?" for c in ("[A-Za-z0-9+/]", "[A-Za-z0-9_-]")))
_DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_FIELD_PATH = r"[a-z][a-zA-Z0-9]*(?:\.[a-z][a-zA-Z0-9]*)*"

_TEXT_FORMS = {
    "google.protobuf.Timestamp": (
        rf"{_DATE}T[0-9]{{2}}:[0-9]{{2}}:[0-5][0-9](?:\.[0-9]{{1,9}})?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])",
        "must be a time as in 2025-02-07T05:28:54Z (RFC 3339), in the years 1 to 9999",
    ),
    "google.protobuf.Duration": (
        r"-?(?:0|[1-9][0-9]{0,11})(?:\.[0-9]{1,9})?s",
        'must be a number of seconds as in "1.5s"',
    ),
    "google.protobuf.FieldMask": (
        rf"(?:{_FIELD_PATH}(?:,{_FIELD_PATH})*)?",
        'must be names of fields, separated by commas, as in "amount,orderId"',
    ),
}
"""The messages that JSON writes as a string, with the form of that string."""

_FREE_JSON = {
    "google.protobuf.Any": "an object with the @type and the fields of a known message",
    "google.protobuf.Struct": "a JSON object",
    "google.protobuf.ListValue": "a list",
    "google.protobuf.Value": "a JSON value",
}
_WRAPPERS = {
    f"google.protobuf.{kind}Value"
    for kind in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
}
_HOLD_NULL = {"google.protobuf.Value", "google.protobuf.NullValue"}

_SPECIAL_NUMBERS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_TRUTHS = {"true": True, "false": False}

_INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1, "must be a whole number of 32 bits"),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1, "must be a whole number of 64 bits"),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1, "must be a whole number of 32 bits, not negative"),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1, "must be a whole number of 64 bits, not negative"),
}

_Read = Callable[[Any], Any]
"""Turns a JSON value into the value of a field, or raises ``_Invalid``."""


class _Invalid(Exception):
    """A JSON value does not fit its field. ``path`` leads to the value, outermost step first."""

    def __init__(self, description: str, *path: str) -> None:
        super().__init__(description)
        self.description = description
        self.path = [*path]


def fill_from_json(message: Message, value: object) -> None:
    """Set the fields of ``message`` that are in the JSON object ``value``.

    Raises:
        InvalidRequest: a field does not exist, or its value is not of its type.
    """
    descriptor = cast("Descriptor", message.DESCRIPTOR)
    if not isinstance(value, dict):
        reject("", f"the body must be a JSON object, a {descriptor.full_name}")
    try:
        message.MergeFrom(_read_message(descriptor, value))
    except _Invalid as error:
        reject(_joined(error.path), error.description)


def fill_from_text(message: Message, path: Iterable[FieldDescriptor], text: str) -> None:
    """Set one field from the text of a query parameter or path variable.

    The text is appended to a repeated field. It is parsed like a JSON string, except that true, false and the numbers
    of an enum are recognized.

    Raises:
        InvalidRequest: the text does not fit the type of the field.
    """
    *outer, last = path
    holder: Any = message
    for step in outer:
        holder = getattr(holder, step.name)
    field = _fields(cast("Descriptor", last.containing_type))[last.name]
    try:
        field.check_choice({one.name for one, _ in holder.ListFields()})
        value = field.read_one(_from_text(last, text))
    except _Invalid as error:
        reject(_joined(step.name for step in (*outer, last)), error.description)
    for step in (last, *reversed(outer)):
        holder_class = GetMessageClass(cast("Descriptor", step.containing_type))
        value = holder_class(**{step.name: [value] if step.is_repeated else value})
    message.MergeFrom(value)


@dataclass(frozen=True, slots=True)
class _Field:
    """How to read a field: ``read`` takes all of it, and ``read_one`` one value of a list.

    ``choices`` has the names in JSON of the fields of its oneof, by their names in the proto.
    """

    name: str
    takes_null: bool
    choices: dict[str, str]
    read_one: _Read
    read: _Read

    def check_choice(self, names: Iterable[str]) -> None:
        """Raise ``_Invalid`` if ``names``, the fields that are set, has another field of the same oneof."""
        if self.choices and any(name in self.choices and name != self.name for name in names):
            raise _Invalid(f"must have only one of {', '.join(self.choices.values())}")


@cache
def _fields(message: Descriptor) -> dict[str, _Field]:
    """Return the fields of a message by their names in the proto and in JSON."""
    fields = {field.name: _field(field) for field in message.fields}
    return fields | {field.json_name: fields[field.name] for field in message.fields}


def _field(field: FieldDescriptor) -> _Field:
    kind = field.message_type or field.enum_type
    oneof = field.containing_oneof
    choices = {} if oneof is None or len(oneof.fields) == 1 else {one.name: one.json_name for one in oneof.fields}
    takes_null = kind is not None and kind.full_name in _HOLD_NULL and not field.is_repeated
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        read_one = read = _map_reader(field.message_type)
    else:
        read_one = _reader(field)
        read = _list_reader(read_one) if field.is_repeated else read_one
    return _Field(field.name, takes_null, choices, read_one, read)


def _read_at(step: str, read: _Read, value: object) -> Any:  # noqa: ANN401 - of the field's type
    try:
        return read(value)
    except _Invalid as error:
        error.path.insert(0, step)
        raise


def _list_reader(read_one: _Read) -> _Read:
    def read(value: object) -> list[Any]:
        if not isinstance(value, list):
            raise _Invalid("must be a list")
        if len(value) > _MAX_VALUES:
            raise _Invalid(f"must have at most {_MAX_VALUES:,} values")
        return [_read_at(f"[{index}]", read_one, item) for index, item in enumerate(value)]

    return read


def _map_reader(entry: Descriptor) -> _Read:
    key, item = entry.fields_by_name["key"], entry.fields_by_name["value"]
    read_key, read_item = _reader(key), _reader(item)

    def read(value: object) -> dict[Any, Any]:
        if not isinstance(value, dict):
            raise _Invalid("must be a JSON object")
        items: dict[Any, Any] = {}
        for name, one in value.items():
            found = _read_at(name, read_key, _from_text(key, name))
            if found in items:
                raise _Invalid("must come once", name)
            items[found] = _read_at(name, read_item, one)
        return items

    return read


def _reader(field: FieldDescriptor) -> _Read:
    """Return the reader of one value of a field."""
    message = field.message_type
    if message is None:
        return _scalar_reader(field)
    if message.full_name in _WRAPPERS:
        read_inner = _scalar_reader(message.fields_by_name["value"])
        return lambda value: GetMessageClass(message)(value=read_inner(value))
    if message.full_name in _TEXT_FORMS:
        return _text_form_reader(message)
    if message.full_name in _FREE_JSON:
        return _free_json_reader(message)
    return lambda value: _read_message(message, value)


def _read_message(descriptor: Descriptor, value: object) -> Message:
    fields = _fields(descriptor)
    if not isinstance(value, dict):
        names = [field.json_name for field in descriptor.fields]
        raise _Invalid(f"must be an object with {_listed(names)}" if names else "must be an empty object")
    written: dict[str, str] = {}
    found: dict[str, Any] = {}
    for name, item in value.items():
        field = fields.get(name)
        if field is None:
            raise _Invalid("is no field of this request", name)
        if written.setdefault(field.name, name) != name:
            raise _Invalid(f"must come once: {written[field.name]} is the same field", name)
        if item is not None or field.takes_null:
            _read_at(name, field.check_choice, found)
            found[field.name] = _read_at(name, field.read, item)
    return GetMessageClass(descriptor)(**found)


def _text_form_reader(descriptor: Descriptor) -> _Read:
    form, description = _TEXT_FORMS[descriptor.full_name]
    expression = re.compile(form)

    def read(value: object) -> Any:  # noqa: ANN401 - a well-known type has methods of its own
        message: Any = GetMessageClass(descriptor)()
        try:
            if type(value) is str and expression.fullmatch(value):
                message.FromJsonString(value)
                return message
        except ValueError:
            pass  # a day that does not exist, or a number out of range
        raise _Invalid(description)

    return read


def _free_json_reader(descriptor: Descriptor) -> _Read:
    def read(value: object) -> Message:
        try:
            return json_format.ParseDict(cast("Any", _with_floats(value)), GetMessageClass(descriptor)())
        except json_format.ParseError:
            raise _Invalid(f"must be {_FREE_JSON[descriptor.full_name]}") from None

    return read


def _with_floats(value: object) -> object:
    match value:
        case NumberText():
            return _read_float(value)
        case dict():
            return {name: _with_floats(item) for name, item in value.items()}
        case list():
            return [_with_floats(item) for item in value]
        case _:
            return value


# Scalars


def _from_text(field: FieldDescriptor, text: str) -> object:
    """Return the JSON value that a text outside JSON stands for."""
    if field.enum_type is not None:
        return NumberText(text)
    is_bool = field.cpp_type == FieldDescriptor.CPPTYPE_BOOL or (
        field.message_type is not None and field.message_type.full_name == "google.protobuf.BoolValue"
    )
    return _TRUTHS.get(text, text) if is_bool else text


def _scalar_reader(field: FieldDescriptor) -> _Read:
    if field.enum_type is not None:
        return _enum_reader(field.enum_type)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return _read_bytes
    if field.cpp_type in _INTEGERS:
        return _integer_reader(*_INTEGERS[field.cpp_type])
    return {
        FieldDescriptor.CPPTYPE_BOOL: _read_bool,
        FieldDescriptor.CPPTYPE_DOUBLE: _read_float,
        FieldDescriptor.CPPTYPE_FLOAT: _read_short_float,
        FieldDescriptor.CPPTYPE_STRING: _read_text,
    }[field.cpp_type]


def _integer_reader(least: int, most: int, description: str) -> _Read:
    def read(value: object) -> int:
        number = value if type(value) is int else _whole_number(value)
        if number is None or not least <= number <= most:
            raise _Invalid(description)
        return number

    return read


def _whole_number(value: object) -> int | None:
    """Parse a whole number exactly; return None for any other value."""
    if not (isinstance(value, str) and len(value) <= _MAX_DIGITS and _NUMBER.fullmatch(value)):
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None  # an exponent of more digits than any decimal can have
    if number and not 0 <= number.adjusted() < _MAX_INTEGER_DIGITS:
        return None
    whole = int(number)
    return whole if whole == number else None


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
        raise _Invalid("must be a number, and this one is too large")
    return number


def _read_short_float(value: object) -> float:
    number = _read_float(value)
    if math.isfinite(number) and abs(number) > _MAX_FLOAT:
        raise _Invalid("must be a number of 32 bits, and this one is too large")
    return number


def _read_bool(value: object) -> bool:
    if value is True or value is False:
        return value
    raise _Invalid("must be true or false")


def _read_text(value: object) -> str:
    if type(value) is not str:
        raise _Invalid("must be text")
    return value


def _read_bytes(value: object) -> bytes:
    if type(value) is str and _BASE64.fullmatch(value):
        return urlsafe_b64decode(value + "==")
    raise _Invalid("must be text in Base64")


def _enum_reader(enum: EnumDescriptor) -> _Read:
    numbers = {value.name: value.number for value in enum.values}
    description = f"must be one of {', '.join(numbers)}"

    def read(value: Any) -> int:  # noqa: ANN401 - JSON
        match value:
            case NumberText() if value not in numbers:
                number = _whole_number(value)
            case str():
                number = numbers.get(value)
            case int() if type(value) is int:
                number = value
            case None if enum.full_name in _HOLD_NULL:
                number = 0
            case _:
                number = None
        # Enums are open: ProtoJSON accepts numbers that are not listed, and the RPC rejects those it cannot use.
        if number is None or not -(2**31) <= number < 2**31:
            raise _Invalid(description)
        return number

    return read


def _joined(path: Iterable[str]) -> str:
    """Format a path as in ``charges[0].amount``."""
    return "".join(step if step.startswith("[") else f".{step}" for step in path).removeprefix(".")


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def reject(field: str, description: str) -> NoReturn:
    """Raise the error of a request of which one field is wrong."""
    raise InvalidRequest((FieldViolation(without_card_numbers(field), description),))
