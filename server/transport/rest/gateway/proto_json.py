"""Parse ProtoJSON into messages, strictly (https://protobuf.dev/programming-guides/json).

``google.protobuf.json_format`` accepts more than the specification, because Python's ``int()`` and ``strptime()`` do:
underscores, digits of other scripts, whitespace, ``true`` for an enum. It also rounds fractions to floats.

Each field has a reader, which is built once from its descriptor. A number with a fraction or an exponent stays text
until its field is known, so that no digit is lost.
"""

import json
import math
import re
from base64 import b64decode, urlsafe_b64decode
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, NoReturn, cast

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from server.domain.card_number import without_card_numbers
from server.domain.errors import FieldViolation, InvalidRequest

_MAX_NESTING = 100
"""As deep as protobuf's own parsers go."""

_MAX_VALUES = 10_000
"""More than any list of a request may have: to fill in more would only take time."""

_MAX_DIGITS = 400
"""More than any field can hold, and few enough to be read fast."""

_MAX_INTEGER_DIGITS = 20
_MAX_FLOAT = 3.4028234663852886e38
_MAX_DURATION_SECONDS = 315_576_000_000
_MIN_TIME_SECONDS, _MAX_TIME_SECONDS = -62_135_596_800, 253_402_300_799
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the offset is reckoned with by itself
_DAY_SECONDS, _HOUR_SECONDS, _MINUTE_SECONDS = 86_400, 3600, 60

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?"
    r"(?:Z|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))"
)
_DURATION = re.compile(r"(-?)(0|[1-9][0-9]{0,11})(?:\.([0-9]{1,9}))?s")
_FIELD_PATH = r"[a-z][a-zA-Z0-9]*(?:\.[a-z][a-zA-Z0-9]*)*"
_FIELD_MASK = re.compile(rf"(?:{_FIELD_PATH}(?:,{_FIELD_PATH})*)?")
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]*|[A-Za-z0-9_-]*)(={0,2})")

_SPECIAL_NUMBERS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}

_INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1, "a whole number of 32 bits"),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1, "a whole number of 64 bits"),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1, "a whole number of 32 bits, not negative"),
    FieldDescriptor.CPPTYPE_UINT64: (
        0,
        2**64 - 1,
        "a whole number of 64 bits, not negative",
    ),
}

_Read = Callable[[object], Any]
"""Returns the Python value of a scalar field, or raises ``_Invalid``."""

_Fill = Callable[[Any, object, int], None]
"""Fills a message from a JSON value at a nesting depth, or raises ``_Invalid``."""


class _NumberText(str):
    """A JSON number with a fraction or an exponent, in its own digits."""

    __slots__ = ()


class _Invalid(Exception):
    """A JSON value does not fit its field. ``path`` leads to the value, outermost step first."""

    def __init__(self, description: str, *path: str) -> None:
        super().__init__(description)
        self.description = description
        self.path = [*path]


def read_json(body: bytes) -> object:
    """Parse a JSON body. Numbers with a fraction or an exponent are returned as ``_NumberText``.

    Raises:
        InvalidRequest: it is not JSON (RFC 8259) in UTF-8, has a key twice or half a surrogate pair, or is nested too
            deep.
    """
    try:
        value: object = _DECODER.decode(body.decode())
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
        _fill_message(message, value, 1)
    except _Invalid as error:
        _refuse(_joined(error.path), error.description)


def fill_from_text(message: Message, path: Iterable[str], text: str) -> None:
    """Set one field from the text of a query parameter or path variable; ``path`` has names of the proto.

    The text is appended to a repeated field. It is parsed like a JSON string, except that true, false and the numbers
    of an enum are recognized.

    Raises:
        InvalidRequest: the text does not fit the type of the field.
    """
    *outer, name = path
    place: Any = message
    for step in outer:
        place = getattr(place, step)
    field = _fields(place.DESCRIPTOR)[name]
    try:
        field.check_choice(place)
        field.fill_one(place, field.of_text(text))
    except _Invalid as error:
        _refuse(_joined([*outer, name]), error.description)


@dataclass(frozen=True, slots=True)
class _Field:
    """How to set a field of a message: ``read`` parses a scalar, ``fill`` fills a message.

    ``choice`` is the name of the field's oneof. ``map_key`` parses the keys of a map. ``of_text`` turns the text of a
    query or path into a JSON value.
    """

    name: str
    choice: str | None
    is_list: bool
    map_key: _Read | None
    takes_null: bool
    read: _Read | None
    fill: _Fill | None
    of_text: Callable[[str], object]

    def check_choice(self, message: Any) -> None:  # noqa: ANN401 - a message, whose fields mypy does not know
        """Raise ``_Invalid`` if another field of the same oneof is set."""
        if self.choice is not None and message.WhichOneof(self.choice) not in {None, self.name}:
            names = (field.json_name for field in message.DESCRIPTOR.oneofs_by_name[self.choice].fields)
            raise _Invalid(f"must have only one of {', '.join(names)}")

    def fill_from(self, message: Any, value: object, depth: int) -> None:  # noqa: ANN401 - likewise
        """Set the field to a JSON value."""
        if self.map_key is not None:
            self._fill_map(message, value, depth)
        elif not self.is_list:
            self.fill_one(message, value, depth)
        elif isinstance(value, list):
            if len(value) > _MAX_VALUES:
                raise _Invalid(f"must have at most {_MAX_VALUES:,} values")
            for index, item in enumerate(value):
                try:
                    self.fill_one(message, item, depth)
                except _Invalid as error:
                    error.path.insert(0, f"[{index}]")
                    raise
        else:
            raise _Invalid("must be a list")

    def fill_one(self, message: Any, value: object, depth: int = 1) -> None:  # noqa: ANN401 - likewise
        """Set the field to a value, or append the value to a list."""
        if self.fill is None:
            assert self.read is not None
            scalar = self.read(value)
            if self.is_list:
                getattr(message, self.name).append(scalar)
            else:
                setattr(message, self.name, scalar)
            return
        part = getattr(message, self.name)
        if self.is_list:
            part = part.add()
        else:
            part.SetInParent()
        self.fill(part, value, depth + 1)

    def _fill_map(self, message: Any, value: object, depth: int) -> None:  # noqa: ANN401 - likewise
        assert self.map_key is not None
        if not isinstance(value, dict):
            raise _Invalid("must be a JSON object")
        entries = getattr(message, self.name)
        for name, item in value.items():
            try:
                key = _new_key(self.map_key(name), entries)
                if self.fill is not None:
                    self.fill(entries[key], item, depth + 1)
                else:
                    assert self.read is not None
                    entries[key] = self.read(item)
            except _Invalid as error:
                error.path.insert(0, name)
                raise


def _new_key(key: object, entries: Any) -> Any:  # noqa: ANN401 - the entries of a map
    if key in entries:
        raise _Invalid("must come once")
    return key


@cache
def _fields(message: Descriptor) -> dict[str, _Field]:
    """Return the fields of a message by their names in the proto and in JSON."""
    fields = {field.name: _field(field) for field in message.fields}
    return fields | {field.json_name: fields[field.name] for field in message.fields}


def _field(field: FieldDescriptor) -> _Field:
    key = value = None
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        key, value = field.message_type.fields_by_name["key"], field.message_type.fields_by_name["value"]
    held = value or field
    choice = field.containing_oneof
    return _Field(
        name=field.name,
        choice=choice.name if choice is not None and len(choice.fields) > 1 else None,
        is_list=field.is_repeated and key is None,
        map_key=None if key is None else _map_key_reader(key),
        takes_null=_takes_null(field),
        read=None if held.message_type is not None else _scalar_reader(held),
        fill=None if held.message_type is None else _filler(held.message_type),
        of_text=_text_reader(held),
    )


def _takes_null(field: FieldDescriptor) -> bool:
    """Return whether null is a value of this field. For other fields, null means unset."""
    if field.is_repeated:
        return False
    kind = field.message_type or field.enum_type
    return kind is not None and kind.full_name in {"google.protobuf.Value", "google.protobuf.NullValue"}


# Messages


def _filler(message: Descriptor) -> _Fill:
    if message.full_name in _WRAPPERS:
        read = _scalar_reader(message.fields_by_name["value"])
        return lambda wrapper, value, _depth: setattr(wrapper, "value", read(value))
    return _FILLERS.get(message.full_name, _fill_message)


def _fill_message(message: Any, value: object, depth: int) -> None:  # noqa: ANN401 - its fields are not known to mypy
    if not isinstance(value, dict):
        names = [field.json_name for field in message.DESCRIPTOR.fields]
        raise _Invalid(f"must be an object with {_listed(names)}" if names else "must be an empty object")
    if depth > _MAX_NESTING:
        raise _Invalid(f"must be nested at most {_MAX_NESTING} deep")
    fields = _fields(message.DESCRIPTOR)
    names_by_field: dict[str, str] = {}
    for name, item in value.items():
        field = fields.get(name)
        if field is None:
            raise _Invalid("is no field of this request", name)
        if names_by_field.setdefault(field.name, name) != name:
            raise _Invalid(f"must come once: {names_by_field[field.name]} is the same field", name)
        if item is None and not field.takes_null:
            continue
        try:
            field.check_choice(message)
            field.fill_from(message, item, depth)
        except _Invalid as error:
            error.path.insert(0, name)
            raise


def _fill_time(message: Any, value: object, _depth: int) -> None:  # noqa: ANN401 - likewise
    found = _TIME.fullmatch(value) if type(value) is str else None
    try:
        if found is not None:
            since_epoch = datetime.fromisoformat(found[1]) - _EPOCH
            seconds = since_epoch.days * _DAY_SECONDS + since_epoch.seconds - _offset_seconds(found)
            if _MIN_TIME_SECONDS <= seconds <= _MAX_TIME_SECONDS:
                message.seconds, message.nanos = seconds, _nanos(found[2])
                return
    except ValueError:
        pass  # the day, hour, minute or second does not exist
    raise _Invalid("must be a time as in 2025-02-07T05:28:54Z (RFC 3339), in the years 1 to 9999")


def _offset_seconds(time: re.Match[str]) -> int:
    if time[3] is None:
        return 0
    seconds = int(time[4]) * _HOUR_SECONDS + int(time[5]) * _MINUTE_SECONDS
    return -seconds if time[3] == "-" else seconds


def _fill_duration(message: Any, value: object, _depth: int) -> None:  # noqa: ANN401 - likewise
    found = _DURATION.fullmatch(value) if type(value) is str else None
    if found is not None:
        sign, seconds, nanos = -1 if found[1] else 1, int(found[2]), _nanos(found[3])
        if seconds + bool(nanos) <= _MAX_DURATION_SECONDS:
            message.seconds, message.nanos = sign * seconds, sign * nanos
            return
    raise _Invalid('must be a number of seconds as in "1.5s"')


def _nanos(fraction: str | None) -> int:
    return int(fraction.ljust(9, "0")) if fraction else 0


def _fill_field_mask(message: Any, value: object, _depth: int) -> None:  # noqa: ANN401 - likewise
    if type(value) is not str or not _FIELD_MASK.fullmatch(value):
        raise _Invalid('must be names of fields, separated by commas, as in "amount,orderId"')
    message.FromJsonString(value)


def _fill_any_value(message: Any, value: object, _depth: int) -> None:  # noqa: ANN401 - likewise
    """Fill a Struct, Value or ListValue, which hold any JSON."""
    try:
        json_format.ParseDict(cast("Any", _with_floats(value)), message, max_recursion_depth=_MAX_NESTING)
    except (json_format.ParseError, RecursionError):
        kind = message.DESCRIPTOR.name
        allowed = {"Struct": "a JSON object", "ListValue": "a list"}.get(kind, "a JSON value")
        raise _Invalid(f"must be {allowed}, nested at most {_MAX_NESTING} deep") from None


def _with_floats(value: object) -> object:
    match value:
        case _NumberText():
            return _read_float(value)
        case dict():
            return {name: _with_floats(item) for name, item in value.items()}
        case list():
            return [_with_floats(item) for item in value]
        case _:
            return value


def _fill_any(message: Any, value: object, depth: int) -> None:  # noqa: ANN401 - likewise
    if not isinstance(value, dict):
        raise _Invalid("must be an object with @type")
    if not value:
        return
    url = value.get("@type")
    try:
        name = url.rpartition("/")[2] if isinstance(url, str) and "/" in url else ""
        descriptor = message.DESCRIPTOR.file.pool.FindMessageTypeByName(name)
    except KeyError:
        raise _Invalid("must be the URL of a known type", "@type") from None
    inner: Any = GetMessageClass(descriptor)()
    rest = {name: item for name, item in value.items() if name != "@type"}
    if _filler(descriptor) is _fill_message:
        _fill_message(inner, rest, depth + 1)
    elif rest.keys() == {"value"}:
        _filler(descriptor)(inner, rest["value"], depth + 1)
    else:
        raise _Invalid("must be an object with @type and value")
    message.type_url, message.value = url, inner.SerializeToString()


_FILLERS: dict[str, _Fill] = {
    "google.protobuf.Timestamp": _fill_time,
    "google.protobuf.Duration": _fill_duration,
    "google.protobuf.FieldMask": _fill_field_mask,
    "google.protobuf.Struct": _fill_any_value,
    "google.protobuf.Value": _fill_any_value,
    "google.protobuf.ListValue": _fill_any_value,
    "google.protobuf.Any": _fill_any,
}
_WRAPPERS = {
    f"google.protobuf.{kind}Value"
    for kind in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
}


# Scalars


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


def _map_key_reader(key: FieldDescriptor) -> _Read:
    """Return the reader of the keys of a map, which are strings in JSON."""
    read, of_text = _scalar_reader(key), _text_reader(key)
    return lambda name: read(of_text(cast("str", name)))


def _text_reader(field: FieldDescriptor) -> Callable[[str], object]:
    """Return a function that turns the text of a query or path into a JSON value."""
    if field.message_type is not None and field.message_type.full_name == "google.protobuf.BoolValue":
        return _truth_of
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return _truth_of
    if field.enum_type is not None:
        return lambda text: _NumberText(text) if _NUMBER.fullmatch(text) else text
    return lambda text: text


def _truth_of(text: str) -> object:
    return {"true": True, "false": False}.get(text, text)


def _integer_reader(least: int, most: int, allowed: str) -> _Read:
    def read(value: object) -> int:
        number = value if type(value) is int else _whole_number(value)
        if number is None or not least <= number <= most:
            raise _Invalid(f"must be {allowed}")
        return number

    return read


def _whole_number(value: object) -> int | None:
    """Parse a whole number exactly; return None for any other value."""
    found = _NUMBER.fullmatch(value) if isinstance(value, str) and len(value) <= _MAX_DIGITS else None
    if found is None:
        return None
    if found[1] is None and found[2] is None:
        return int(found[0])
    if not re.sub("[eE].*", "", found[0]).strip("-0."):
        return 0
    try:
        number = Decimal(found[0])
    except InvalidOperation:
        return None  # an exponent of more digits than any decimal can have
    if not 0 <= number.adjusted() < _MAX_INTEGER_DIGITS:
        return None
    whole = int(number)
    return whole if whole == number else None


def _read_float(value: object) -> float:
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
    found = _BASE64.fullmatch(value) if type(value) is str else None
    if found is not None:
        digits = found[0].rstrip("=")
        padding = "=" * (-len(digits) % 4)
        if len(padding) <= 2 and found[1] in {"", padding}:  # noqa: PLR2004 - three would stand for less than a byte
            return (urlsafe_b64decode if {*digits} & {*"-_"} else b64decode)(digits + padding)
    raise _Invalid("must be text in Base64")


def _enum_reader(enum: EnumDescriptor) -> _Read:
    numbers = {value.name: value.number for value in enum.values}
    is_null = enum.full_name == "google.protobuf.NullValue"
    allowed = f"must be one of {', '.join(numbers)}"

    def read(value: object) -> int:
        number: int | None = None
        if type(value) is str:
            number = numbers.get(value)
        elif type(value) is int:
            number = value
        elif isinstance(value, _NumberText):
            number = _whole_number(value)
        elif value is None and is_null:
            number = 0
        # Enums are open: ProtoJSON accepts numbers that are not listed, and the RPC rejects those it cannot use.
        if number is None or not -(2**31) <= number < 2**31:
            raise _Invalid(allowed)
        return number

    return read


# JSON


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        (twice, _count), *_ = counts.most_common(1)
        raise ValueError(f"the key {without_card_numbers(json.dumps(twice))} must come once in an object")
    return value


def _check_characters(value: object) -> None:
    """Refuse half a surrogate pair: an escape can write one, but UTF-8 cannot encode it and protobuf fails on it."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("half of a surrogate pair is no character") from None


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _checked_number(text: str) -> str:
    if len(text) > _MAX_DIGITS:
        raise ValueError(f"a number has more than {_MAX_DIGITS} digits")
    return text


def _integer_or_text(text: str) -> object:
    # An int has no negative zero.
    return int(_checked_number(text)) if text != "-0" else _NumberText(text)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_constant=_constant,
    parse_float=cast("Any", lambda text: _NumberText(_checked_number(text))),
    parse_int=cast("Any", _integer_or_text),
)


def _joined(path: Iterable[str]) -> str:
    """Format a path as in ``charges[0].amount``."""
    return "".join(step if step.startswith("[") else f".{step}" for step in path).removeprefix(".")


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _refuse(field: str, description: str) -> NoReturn:
    raise InvalidRequest((FieldViolation(without_card_numbers(field), description),))
