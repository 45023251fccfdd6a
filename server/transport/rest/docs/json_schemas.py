"""JSON Schemas of messages, as protobuf's JSON has them (https://protobuf.dev/programming-guides/json).

A request may be written in more ways than an answer is: whole numbers with or without quotes, enums by name or number,
null for a field that is not set. So a message that is in both has two schemas, the one for requests named ``...Input``.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from enum import Enum
from typing import Any

from google.api import field_behavior_pb2
from google.protobuf import wrappers_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

Schema = dict[str, Any]


class Side(Enum):
    """Which way a message goes."""

    REQUEST = "Input"
    RESPONSE = ""


class JsonSchemas:
    """Makes the schemas of messages, and collects those that are referred to by name.

    ``comments`` are those of the protos, by full name; ``limits`` are further keywords for the schemas of fields in
    requests, by full name, for rules that a proto cannot tell.
    """

    def __init__(
        self,
        *,
        requests: Iterable[Descriptor],
        responses: Iterable[Descriptor],
        comments: Mapping[str, str],
        limits: Mapping[str, Schema],
    ) -> None:
        """Get ready for the messages in ``requests`` and ``responses``, and all that these hold."""
        self._comments = comments
        self._limits = limits
        in_requests = _reachable(requests)
        in_responses = _reachable(responses)
        self._in_both = in_requests.keys() & in_responses.keys()
        self._names = _short_names({**in_requests, **in_responses})
        self.components: dict[str, Schema] = {}

    def of_message(self, message: Descriptor, side: Side) -> Schema:
        """Return the schema of a message: a reference, unless it has a JSON form of its own."""
        well_known = _WELL_KNOWN.get(message.full_name)
        if well_known is not None:
            return well_known(side)
        return self._reference(message, side, lambda: self._object(message, side))

    def of_body(self, message: Descriptor, name: str, taken: Collection[str]) -> Schema:
        """Return the schema of a request whose fields ``taken`` come from elsewhere; ``name`` names it then."""
        if not taken:
            return self.of_message(message, Side.REQUEST)
        self.components[name] = self._object(message, Side.REQUEST, taken)
        return {"$ref": f"#/components/schemas/{name}"}

    def of_field(self, field: FieldDescriptor, side: Side, *, nullable: bool = True) -> Schema:
        """Return the schema of a field's value, with what is said of it; in requests null stands for not set."""
        schema = self._map(field, side) if _is_map(field) else self._one(field, side)
        if field.is_repeated and not _is_map(field):
            schema = {"type": "array", "items": schema}
        if side is Side.REQUEST:
            schema = _merged(schema, self._limits.get(field.full_name, {}))
            if nullable and not has_behavior(field, field_behavior_pb2.REQUIRED):
                schema = _nullable(schema)
        schema |= self.description(field.full_name)
        if field.GetOptions().deprecated:
            schema["deprecated"] = True
        if has_behavior(field, field_behavior_pb2.OUTPUT_ONLY):
            schema["readOnly"] = True
        if has_behavior(field, field_behavior_pb2.INPUT_ONLY):
            schema["writeOnly"] = True
        return schema

    def description(self, full_name: str) -> Schema:
        """Return what the comment of something says, as a keyword; nothing when it has none."""
        comment = self._comments.get(full_name)
        return {"description": comment} if comment else {}

    def _map(self, field: FieldDescriptor, side: Side) -> Schema:
        assert field.message_type is not None
        key, value = (field.message_type.fields_by_name[name] for name in ("key", "value"))
        keys = _MAP_KEYS.get(key.cpp_type)
        return {
            "type": "object",
            "additionalProperties": self._one(value, side),
            **({"propertyNames": {"pattern": keys}} if keys else {}),
        }

    def _one(self, field: FieldDescriptor, side: Side) -> Schema:
        """Return the schema of one value of a field."""
        if field.message_type is not None:
            return self.of_message(field.message_type, side)
        if field.enum_type is not None:
            return self._enum(field.enum_type, side)
        return _scalar(field, side)

    def _object(self, message: Descriptor, side: Side, taken: Collection[str] = ()) -> Schema:
        fields = [field for field in message.fields if field.name not in taken]
        required = [field.json_name for field in fields if has_behavior(field, field_behavior_pb2.REQUIRED)]
        schema: Schema = {
            "type": "object",
            **self.description(message.full_name),
            "properties": {field.json_name: self.of_field(field, side) for field in fields},
        }
        if side is Side.RESPONSE:
            return schema  # JSON leaves out what has its default, so that nothing is sure to be there
        exclusive = {
            field.json_name: {"properties": {other.json_name: {"type": "null"} for other in others}}
            for field in fields
            if (others := oneof_siblings(field))
        }
        return {
            **schema,
            **({"required": required} if required else {}),
            **({"dependentSchemas": exclusive} if exclusive else {}),
            "additionalProperties": False,
        }

    def _enum(self, enum: EnumDescriptor, side: Side) -> Schema:
        if enum.full_name == "google.protobuf.NullValue":
            return {"type": "null"}
        return self._reference(enum, side, lambda: self._choice(enum, side))

    def _choice(self, enum: EnumDescriptor, side: Side) -> Schema:
        sentences = [self._comments.get(enum.full_name, "")]
        for value in enum.values:
            comment = self._comments.get(f"{enum.full_name}.{value.name}", "")
            sentences.append(f"- `{value.name}`: {' '.join(comment.split())}" if comment else f"- `{value.name}`")
        schema = {"description": "\n".join(sentences).strip().replace("\n", "\n\n", 1)}
        names = [value.name for value in enum.values]
        if side is Side.RESPONSE:
            return {"type": "string", **schema, "enum": names}
        return {"type": ["string", "integer"], **schema, "enum": [*names, *(value.number for value in enum.values)]}

    def _reference(self, named: Descriptor | EnumDescriptor, side: Side, make: Callable[[], Schema]) -> Schema:
        name = self._names[named.full_name] + (side.value if named.full_name in self._in_both else "")
        if name not in self.components:
            self.components[name] = {}  # so that a message in itself ends
            self.components[name] = make()
        return {"$ref": f"#/components/schemas/{name}"}


def has_behavior(field: FieldDescriptor, behavior: int) -> bool:
    """Tell whether a field has a ``google.api.field_behavior``."""
    extensions: Any = field.GetOptions().Extensions  # whose types do not know extensions by their name
    return behavior in extensions[field_behavior_pb2.field_behavior]


def oneof_siblings(field: FieldDescriptor) -> list[FieldDescriptor]:
    """Return the fields that cannot be set together with ``field``."""
    oneof = field.containing_oneof
    return [] if oneof is None else [other for other in oneof.fields if other.number != field.number]


def without_null(schema: Schema) -> Schema:
    """Return a schema without null among what it allows, as ``JsonSchemas`` puts it there."""
    match schema:
        case {"anyOf": [one, {"type": "null"}], **rest}:
            return {**one, **rest}
        case {"type": [*types]}:
            kept = [kind for kind in types if kind != "null"]
            return {**schema, "type": kept[0] if len(kept) == 1 else kept}
    return schema


def _merged(schema: Schema, further: Schema) -> Schema:
    inner = {key: _merged(schema[key], value) for key, value in further.items() if isinstance(schema.get(key), dict)}
    return {**schema, **further, **inner}


def _nullable(schema: Schema) -> Schema:
    if not schema:
        return schema  # which allows anything
    match schema:
        case {"type": [*types]} if "enum" not in schema:
            return {**schema, "type": [*types, "null"]}
        case {"type": str(kind)} if kind != "null" and "enum" not in schema:
            return {**schema, "type": [kind, "null"]}
        case {"type": "null"}:
            return schema
    return {"anyOf": [schema, {"type": "null"}]}


def _reachable(messages: Iterable[Descriptor]) -> dict[str, Descriptor | EnumDescriptor]:
    found: dict[str, Descriptor | EnumDescriptor] = {}
    waiting = list(messages)
    while waiting:
        message = waiting.pop()
        if message.full_name in found or message.full_name in _WELL_KNOWN:
            continue
        found[message.full_name] = message
        waiting += [field.message_type for field in message.fields if field.message_type is not None]
        found |= {field.enum_type.full_name: field.enum_type for field in message.fields if field.enum_type is not None}
    return found


def _short_names(named: Mapping[str, Descriptor | EnumDescriptor]) -> dict[str, str]:
    """Return names without their package (``Thing.Part`` is ``ThingPart``); with it where they would be the same."""
    short = {name: name.removeprefix(f"{one.file.package}.").replace(".", "") for name, one in named.items()}
    taken = list(short.values())
    return {name: name if taken.count(one) > 1 else one for name, one in short.items()}


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _scalar(field: FieldDescriptor, side: Side) -> Schema:
    number = _WHOLE_NUMBERS.get(field.cpp_type)
    if number is not None:
        return number(side)
    if field.cpp_type in {FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT}:
        kind = "double" if field.cpp_type == FieldDescriptor.CPPTYPE_DOUBLE else "float"
        text: Schema = {"type": "string", "enum": ["NaN", "Infinity", "-Infinity"]}
        if side is Side.REQUEST:
            text = {"type": "string", "pattern": r"^(NaN|-?Infinity|-?(0|[1-9][0-9]{0,29})(\.[0-9]{1,30})?)$"}
        return {"anyOf": [{"type": "number", "format": kind}, text]}
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return {"type": "boolean"}
    if field.type == FieldDescriptor.TYPE_BYTES:
        return {"type": "string", "format": "byte", "contentEncoding": "base64"}
    return {"type": "string"}


def _whole_number(name: str, least: int, most: int, digits: str) -> Callable[[Side], Schema]:
    """Return what makes the schema of a kind of whole numbers.

    ``digits`` is what they are in quotes; near ``most`` it leaves out some, which would need a far longer pattern.
    """
    in_quotes = most > 2**32  # JSON's readers may keep 53 bits of a number only

    def schema(side: Side) -> Schema:
        if side is Side.REQUEST:
            bounds = {"minimum": least, "maximum": most}
            types = ["string", "integer"] if in_quotes else ["integer", "string"]
            return {"type": types, "format": name, **bounds, "pattern": f"^{digits}$"}
        if in_quotes:
            return {"type": "string", "format": name}
        return {"type": "integer", "format": name}

    return schema


def _of(schema: Schema) -> Callable[[Side], Schema]:
    return lambda _side: dict(schema)


def _any(side: Side) -> Schema:
    required = ["@type"] if side is Side.RESPONSE else []
    return {
        "type": "object",
        "description": "A message of the type that `@type` names, with its fields beside it.",
        "properties": {"@type": {"type": "string"}},
        **({"required": required} if required else {}),
        "additionalProperties": True,
    }


def _empty(side: Side) -> Schema:
    return {"type": "object", **({"additionalProperties": False} if side is Side.REQUEST else {})}


_INT32 = _whole_number("int32", -(2**31), 2**31 - 1, "-?(0|[1-9][0-9]{0,8}|1[0-9]{9})")
_UINT32 = _whole_number("uint32", 0, 2**32 - 1, "(0|[1-9][0-9]{0,8}|[1-3][0-9]{9})")
_INT64 = _whole_number("int64", -(2**63), 2**63 - 1, "-?(0|[1-9][0-9]{0,17}|[1-8][0-9]{18})")
_UINT64 = _whole_number("uint64", 0, 2**64 - 1, "(0|[1-9][0-9]{0,18}|1[0-7][0-9]{18})")

_WHOLE_NUMBERS = {
    FieldDescriptor.CPPTYPE_INT32: _INT32,
    FieldDescriptor.CPPTYPE_UINT32: _UINT32,
    FieldDescriptor.CPPTYPE_INT64: _INT64,
    FieldDescriptor.CPPTYPE_UINT64: _UINT64,
}
_MAP_KEYS = {
    **{kind: make(Side.REQUEST)["pattern"] for kind, make in _WHOLE_NUMBERS.items()},
    FieldDescriptor.CPPTYPE_BOOL: "^(true|false)$",
}


def _wrapped(wrapper: str) -> Callable[[Side], Schema]:

    return lambda side: _scalar(wrappers_pb2.DESCRIPTOR.message_types_by_name[wrapper].fields_by_name["value"], side)


_WELL_KNOWN: Mapping[str, Callable[[Side], Schema]] = {
    f"google.protobuf.{name}": make
    for name, make in {
        "Any": _any,
        "Duration": _of(
            {"type": "string", "pattern": r"^-?(0|[1-9][0-9]{0,11})(\.[0-9]{1,9})?s$", "examples": ["1.5s"]}
        ),
        "Empty": _empty,
        "FieldMask": _of({"type": "string", "format": "field-mask", "examples": ["amount,orderId"]}),
        "ListValue": _of({"type": "array", "items": {}}),
        "Struct": _of({"type": "object", "additionalProperties": True}),
        "Timestamp": _of({"type": "string", "format": "date-time"}),
        "Value": _of({}),
        **{
            f"{kind}Value": _wrapped(f"{kind}Value")
            for kind in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
        },
    }.items()
}
