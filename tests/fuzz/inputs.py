"""Inputs of the fuzz tests: messages that their descriptors allow, and arbitrary bytes and JSON.

``make test`` uses the same inputs each time. ``make fuzz`` uses different ones each time, and many more.
"""

import json
import os
from collections.abc import Callable
from typing import Any, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from payments_client.v1 import payments_pb2 as pb

REQUESTS = {
    method.name: GetMessageClass(method.input_type)
    for method in pb.DESCRIPTOR.services_by_name["PaymentService"].methods
}
"""The request message type of each RPC, by the name of the RPC."""

IS_LONG = "FUZZ" in os.environ
_LONG_FACTOR = 4


def examples(count: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Test a property with ``count`` inputs, or several times as many in ``make fuzz``."""
    return settings(
        max_examples=count * (_LONG_FACTOR if IS_LONG else 1),
        derandomize=not IS_LONG,
        suppress_health_check=list(HealthCheck),
    )


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
INTEGERS = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0, 1, -1, 2**31, 2**63 - 1, -(2**63)])

_SCALARS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.CPPTYPE_INT64: INTEGERS,
    FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1) | st.integers(-2, 1001),
    FieldDescriptor.CPPTYPE_ENUM: st.integers(-1, 5) | st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
    FieldDescriptor.CPPTYPE_STRING: TEXTS | st.sampled_from(["INR", "USD", "create_time asc", "x" * 300, "\0"]),
}


_LABELS = st.dictionaries(TEXTS, TEXTS, max_size=20)
"""The values of maps, all of which have texts as keys and values."""


def descriptor_of(message_type: type[Message]) -> Descriptor:
    """Return the descriptor of a message type."""
    return cast("Descriptor", message_type.DESCRIPTOR)


@st.composite
def messages(draw: st.DrawFn, message_type: type[Message]) -> Message:
    """Generate messages of a type, with any values that its fields allow."""
    message = message_type()
    _fill(draw, message, descriptor_of(message_type))
    return message


def _fill(draw: st.DrawFn, message: Message, descriptor: Descriptor) -> None:
    for field in descriptor.fields:
        if not draw(st.booleans()):
            continue
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            getattr(message, field.name).update(draw(_LABELS))
            continue
        count = draw(st.integers(0, 22 if field.message_type is None else 3)) if field.is_repeated else 1
        for _ in range(count):
            if field.message_type is not None:
                inner = getattr(message, field.name)
                inner = inner.add() if field.is_repeated else inner
                inner.SetInParent()
                _fill(draw, inner, field.message_type)
            elif field.is_repeated:
                getattr(message, field.name).append(draw(_SCALARS[field.cpp_type]))
            else:
                setattr(message, field.name, draw(_SCALARS[field.cpp_type]))


@st.composite
def mutations(draw: st.DrawFn, message_type: type[Message]) -> bytes:
    """Generate serialized messages with some bytes changed, removed, duplicated or inserted."""
    payload = bytearray(draw(messages(message_type)).SerializeToString())
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(payload)))
        end = draw(st.integers(start, min(len(payload), start + 8)))
        payload[start:end] = draw(st.just(b"") | st.just(bytes(payload[start:end] * 2)) | st.binary(max_size=6))
    return bytes(payload)


def _tag(number: int, wire_type: int) -> bytes:
    return _varint(number << 3 | wire_type)


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def _nested(tag: bytes, depth: int) -> bytes:
    payload = b""
    for _ in range(depth):
        payload = tag + _varint(len(payload)) + payload
    return payload


_NUMBERS = st.integers(1, 12) | st.sampled_from([0, 19_000, 2**29 - 1, 2**29, 2**32])
_FIELDS = st.one_of(
    st.builds(lambda number, value: _tag(number, 0) + _varint(value), _NUMBERS, st.integers(0, 2**70)),
    st.builds(lambda number, length: _tag(number, 0) + b"\xff" * length, _NUMBERS, st.integers(1, 40)),
    st.builds(lambda number, value: _tag(number, 1) + value, _NUMBERS, st.binary(max_size=9)),
    st.builds(lambda number, value: _tag(number, 2) + _varint(len(value)) + value, _NUMBERS, st.binary(max_size=30)),
    st.builds(lambda number, length: _tag(number, 2) + _varint(length), _NUMBERS, st.integers(0, 2**64)),
    st.builds(lambda number, depth: _nested(_tag(number, 2), depth), _NUMBERS, st.sampled_from([2, 99, 101, 3000])),
    st.builds(lambda number, depth: _tag(number, 3) * depth, _NUMBERS, st.sampled_from([1, 99, 101, 20_000])),
    st.builds(lambda number, depth: _tag(number, 3) * depth + _tag(number, 4) * depth, _NUMBERS, st.just(500)),
    st.builds(_tag, _NUMBERS, st.sampled_from([4, 5, 6, 7])),
    st.builds(lambda number, text: _tag(number, 2) + _varint(len(text)) + text, _NUMBERS, st.just(b"\xff\xc0\x80")),
)


def payloads(message_type: type[Message]) -> st.SearchStrategy[bytes]:
    """Generate payloads for a message type: valid ones, almost valid ones, and arbitrary bytes."""
    return st.one_of(
        messages(message_type).map(lambda message: message.SerializeToString()),
        mutations(message_type),
        st.lists(_FIELDS, max_size=6).map(b"".join),
        st.builds(bytes.__add__, messages(message_type).map(lambda message: message.SerializeToString()), _FIELDS),
        st.binary(max_size=60),
    )


def names_in(descriptor: Descriptor) -> list[str]:
    """Return the names of all fields of a message and its nested messages, in snake_case and camelCase."""
    found: list[str] = []
    for field in descriptor.fields:
        found += [field.name, field.json_name]
        if field.message_type is not None:
            found += names_in(field.message_type)
    return sorted(set(found))


NAMES = sorted({name for request in REQUESTS.values() for name in names_in(descriptor_of(request))})
LEGACY_NAMES = ["order_id", "amount", "page", "per_page", "method", "status", "amount_gt", "start_date", "end_date"]

_TEXTS = st.one_of(
    TEXTS,
    st.text(st.characters(exclude_categories=()), max_size=10),  # including lone surrogates
    INTEGERS.map(str),
    st.sampled_from(["", "NaN", "-0", "1e999999999", "0x10", "٣", "2025-02-07", "9" * 5000, "true", "\ud800", "asc"]),
)
_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    INTEGERS,
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.sampled_from([0.1, 561.005, 1e308, 5e-324]),
    _TEXTS,
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    _LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(NAMES + LEGACY_NAMES) | _TEXTS, inner, max_size=6)
        | st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, inner))
    ),
    max_leaves=12,
)
"""JSON values, including some that only Python's JSON module accepts."""

BODIES = st.one_of(
    VALUES.map(lambda value: json.dumps(value).encode()),
    VALUES.map(lambda value: json.dumps(value, ensure_ascii=False).encode(errors="surrogatepass")),
    st.builds(lambda value, codec: json.dumps(value).encode(codec), VALUES, st.sampled_from(["utf-16", "utf-32-be"])),
    st.binary(max_size=60),
    st.sampled_from(
        [
            b"[" * 100_000,
            b'{"a":' * 50_000,
            b'{"amount":' * 99 + b"1" + b"}" * 99,
            b"1" * 100_000,
            b"1e" + b"9" * 400,
            b'{"order_id": 1, "order_id": 2}',
            b'{"orderId": 1, "order_id": 2}',
            b'"\\ud800"',
            b'{"\\ud800": 1}',
            b'{"amount": {"\\udfff": 1}, "method": "\\ud800"}',
            b"\xef\xbb\xbf{}",
            b'{"order_id": 1, "amount": 1E+1000000}',
            b'{"order_id": 1, "amount": 1' + b"0" * 5000 + b"}",
            b"NaN",
            b"-",
        ]
    ),
)

_ENCODABLE_TEXTS = _TEXTS.filter(lambda text: not any("\ud800" <= character <= "\udfff" for character in text))
"""Texts that percent-encoding can represent, which excludes lone surrogates."""

PARAMETERS = st.lists(
    st.tuples(
        st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map(".".join)
        | st.sampled_from([*LEGACY_NAMES, "filter.orderId", "filter.minAmount.units", "filter.methods", "pageToken"])
        | _ENCODABLE_TEXTS,
        _ENCODABLE_TEXTS,
    ),
    max_size=5,
)
