# ruff: noqa: RUF001 - digits of other scripts, which are rejected
"""Parsing ProtoJSON: each type of field accepts the values of the specification, and no others.

The specification is https://protobuf.dev/programming-guides/json.
"""

import json
import math
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given
from hypothesis import strategies as st

from server.domain.errors import InvalidRequest
from server.transport.rest.gateway.json_text import read_json
from server.transport.rest.gateway.proto_json import message_of_json
from server.transport.rest.gateway.requests import fill_from_parameters, fill_from_path, read_query
from tests.protos import compile_proto

KINDS = compile_proto("kinds.proto")
THING = KINDS.message_types_by_name["Thing"]

INT32 = ("int32Value", "sint32Value", "sfixed32Value", "wrappedInt32", "optionalValue")
INT64 = ("int64Value", "sint64Value", "sfixed64Value", "wrappedInt64", "another")
UINT32 = ("uint32Value", "fixed32Value", "wrappedUint32")
UINT64 = ("uint64Value", "fixed64Value", "wrappedUint64")
SIGNED, UNSIGNED = INT32 + INT64, UINT32 + UINT64
FLOATS, DOUBLES = ("floatValue", "wrappedFloat"), ("doubleValue", "wrappedDouble")
BOOLS, TEXTS, BYTES = ("boolValue", "wrappedBool"), ("stringValue", "wrappedString"), ("bytesValue", "wrappedBytes")

NOT_INTEGERS = (
    *("1.5", "1e-1", "15e-1", "0.1", "1e400", "-1e30", "1e99999999999999999999", "1e-99999999999999999999"),
    *('""', '" 1"', '"1 "', '"\\t5\\n"', '"+1"', '"01"', '"-01"', '"1_000"', '"1,000"', '"1."', '".5"', '"0x10"'),
    *(
        '"１２"',
        '"\u0665"',
        '"²"',
        '"1e"',
        '"1.5"',
        '"--1"',
        '"-"',
        '"NaN"',
        '"Infinity"',
        '"true"',
        '"1n"',
        '"1\\u00a0"',
    ),
    *("true", "false", "[]", "[1]", "{}", '"1e99999999999999999999"', '"1.0000000000000000000000000000001"'),
    "1.00000000000000000000000000000000000000000000001",
)
INTEGERS = (
    *(("0", 0), ("7", 7), ("1.0", 1), ("1.000", 1), ("1e2", 100), ("1E+2", 100), ("1.5e1", 15), ("100e-2", 1)),
    *(('"7"', 7), ('"0"', 0), ('"1.0"', 1), ('"1e2"', 100), ('"10e-1"', 1), ("0.0", 0), ("-0", 0), ('"-0"', 0)),
    *(("0e99999999", 0), ("0e99999999999999999999", 0), ('"\\u0037"', 7)),
)
NOT_NUMBERS = (
    *('""', '" 1"', '"1 "', '"+1"', '"01"', '"1_0"', '"1."', '".5"', '"１"', '"nan"', '"inf"', '"+Infinity"', '"-NaN"'),
    *('"infinity"', "1e400", '"1e400"', "-1e400", "true", "[]", "{}", '"0x1p3"', '"1e"'),
)
NUMBERS = (("0", 0.0), ("1", 1.0), ("1.5", 1.5), ("-1.5e2", -150.0), ('"1.5"', 1.5), ('"1e2"', 100.0), ("1e-400", 0.0))
TIMES = (
    ("2025-02-07T05:28:54Z", (1738906134, 0)),
    ("2025-02-07T05:28:54.5Z", (1738906134, 500_000_000)),
    ("2025-02-07T05:28:54.123456789Z", (1738906134, 123_456_789)),
    ("2025-02-07T10:58:54+05:30", (1738906134, 0)),
    ("2025-02-06T21:28:54-08:00", (1738906134, 0)),
    ("2025-02-07T05:28:54-00:00", (1738906134, 0)),
    ("2025-02-07T23:59:59+23:59", (1738886459, 0)),
    ("2024-02-29T00:00:00Z", (1709164800, 0)),
    ("0001-01-01T00:00:00Z", (-62_135_596_800, 0)),
    ("9999-12-31T23:59:59.999999999Z", (253_402_300_799, 999_999_999)),
    ("1969-12-31T23:59:59.9Z", (-1, 900_000_000)),
)
NOT_TIMES = (
    *("2025-2-7T5:8:4Z", "2025-02-07T05:28:54+25:99", "2025-02-07T05:28:54+24:00", "2025-02-07T05:28:54+05:60"),
    *("2025-02-07T05:28:54", "2025-02-07", "2025-02-07t05:28:54Z", "2025-02-07T05:28:54z", "2025-02-07 05:28:54Z"),
    *("2025-02-07T05:28Z", "2025-02-07T05:28:54.Z", "2025-02-07T05:28:54.1234567890Z", "2025-02-07T05:28:54,5Z"),
    *("2025-02-07T05:28:60Z", "2025-02-07T24:00:00Z", "2025-02-30T05:28:54Z", "2025-13-01T05:28:54Z"),
    *("2023-02-29T00:00:00Z", "0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "-2025-02-07T05:28:54Z"),
    *("0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", "2025-02-07T05:28:54+0530", "2025-02-07T05:28:54+05"),
    *(" 2025-02-07T05:28:54Z", "2025-02-07T05:28:54Z ", "2025-02-07T05:28:54Z\n", "２025-02-07T05:28:54Z", ""),
    *("2025-W06-5T05:28:54Z", "20250207T052854Z", "1738906134", "2025-02-07T05:28:54ZZ", "now"),
)
DURATIONS = (
    *(("0s", (0, 0)), ("1s", (1, 0)), ("1.5s", (1, 500_000_000)), ("-1.5s", (-1, -500_000_000))),
    *(("0.000000001s", (0, 1)), ("-0.5s", (0, -500_000_000)), ("315576000000s", (315_576_000_000, 0))),
)
NOT_DURATIONS = (
    *(
        "",
        "s",
        "1",
        "1.s",
        ".5s",
        "+1s",
        "1 s",
        " 1s",
        "1s ",
        "1S",
        "1e3s",
        "01s",
        "1_0s",
        "１s",
        "1.1234567890s",
        "1m",
    ),
    *("315576000001s", "-315576000001s", "NaNs", "--1s"),
)
NOT_BASE64 = (
    "A",
    "AAAAA",
    "A===",
    "QQ=",
    "QUI==",
    "QUJD=",
    "QUJD====",
    "QQ==QQ==",
    "Q Q=",
    "QQ==\n",
    "Q*==",
    "é",
    "+-AA",
    "=",
)
MASKS: tuple[tuple[str, list[str]], ...] = (
    ("", []),
    ("amount", ["amount"]),
    ("amount,orderId.x", ["amount", "order_id.x"]),
)
NOT_MASKS = ("order_id", "a,", ",a", "a,,b", "a b", "A", "a.", ".a", "a..b", "*", "é")


def accepted_values() -> Iterator[tuple[str, str, object]]:
    """Yield fields, JSON values that they accept, and the resulting values of the fields."""
    for name in SIGNED + UNSIGNED:
        yield from ((name, text, value) for text, value in INTEGERS)
    for names, low, high in (
        *((INT32, -(2**31), 2**31 - 1), (INT64, -(2**63), 2**63 - 1)),
        *((UINT32, 0, 2**32 - 1), (UINT64, 0, 2**64 - 1)),
    ):
        for name in names:
            for number in (low, high):
                yield from (
                    (name, text, number) for text in (f"{number}", f'"{number}"', f"{number}.0", f'"{number}.0"')
                )
    yield from (("int64Value", text, 9007199254740993) for text in ("9007199254740993.0", "9.007199254740993e15"))
    for name in FLOATS + DOUBLES:
        yield from ((name, text, value) for text, value in NUMBERS)
        yield from ((name, f'"{text}"', value) for text, value in (("Infinity", math.inf), ("-Infinity", -math.inf)))
    yield "doubleValue", "1e308", 1e308
    for name in BOOLS:
        yield from ((name, "true", True), (name, "false", False))
    for name in TEXTS:
        yield from ((name, text, json.loads(text)) for text in ('""', '" a "', '"\\ud83d\\ude00"', '"１"', '"null"'))
    for name in BYTES:
        for text in ("QUI=", "QUI"):
            yield name, f'"{text}"', b"AB"
        yield from ((name, '""', b""), (name, '"+/+/"', b"\xfb\xff\xbf"), (name, '"-_-_"', b"\xfb\xff\xbf"))
    yield from (("color", text, 3) for text in ('"COLOR_RED"', "3", "3.0"))
    yield from (("color", text, number) for text, number in (("0", 0), ("7", 7), ("-1", -1)))
    yield from (("null", "null", 0), ("null", '"NULL_VALUE"', 0), ("null", "0", 0))
    yield from (("time", f'"{text}"', value) for text, value in TIMES)
    yield from (("duration", f'"{text}"', value) for text, value in DURATIONS)
    yield from (("mask", f'"{text}"', value) for text, value in MASKS)
    yield from (("strings", "[]", []), ("strings", '["a", ""]', ["a", ""]))


def rejected_values() -> Iterator[tuple[str, str]]:
    """Yield fields, and JSON values that they reject."""
    for name in SIGNED + UNSIGNED:
        yield from ((name, text) for text in NOT_INTEGERS)
    for names, low, high in (
        *((INT32, -(2**31), 2**31 - 1), (INT64, -(2**63), 2**63 - 1)),
        *((UINT32, 0, 2**32 - 1), (UINT64, 0, 2**64 - 1)),
    ):
        for name in names:
            for number in (low - 1, high + 1):
                yield from ((name, text) for text in (f"{number}", f'"{number}"', f"{number}.0", f'"{number}.0"'))
    for name in FLOATS + DOUBLES:
        yield from ((name, text) for text in NOT_NUMBERS)
    yield from ((name, text) for name in FLOATS for text in ("3.5e38", '"-3.5e38"', "1e39"))
    for name in BOOLS:
        yield from ((name, text) for text in ('"true"', '"false"', '""', "0", "1", '"TRUE"', "[]", "{}", "1.0"))
    for name in TEXTS:
        yield from ((name, text) for text in ("1", "1.5", "true", "[]", "{}"))
    for name in BYTES:
        yield from ((name, json.dumps(text)) for text in NOT_BASE64)
        yield from ((name, text) for text in ("1", "1.5", "true", "[65]", "{}"))
    for text in ("true", "false", "1.5", '"3"', '"color_red"', '"RED"', '""', '" COLOR_RED"', "2147483648", "[]", "{}"):
        yield "color", text
    yield from (("null", text) for text in ("false", '"null"', "{}", '""'))
    yield from (("time", json.dumps(text)) for text in NOT_TIMES)
    yield from (("duration", json.dumps(text)) for text in NOT_DURATIONS)
    yield from (("mask", json.dumps(text)) for text in NOT_MASKS)
    yield from ((name, text) for name in ("time", "duration", "mask") for text in ("1", "1.5", "true", "{}", "[]"))
    yield from (("strings", text) for text in ('"a"', "{}", "1", "true"))
    yield from (("part", text) for text in ('"x"', "1", "1.5", "[]", "true"))
    yield from (("parts", text) for text in ("{}", '"x"'))
    yield from (("partsByName", text) for text in ("[]", '"x"', "1"))
    yield from (("struct", text) for text in ("[]", '"x"', "1"))
    yield from (("list", text) for text in ("{}", '"x"', "1"))


ACCEPTED, REJECTED = list(accepted_values()), list(rejected_values())


def thing() -> Any:
    return GetMessageClass(THING)()


def field_of(name: str) -> FieldDescriptor:
    return next(field for field in THING.fields if field.json_name == name)


def value_of(message: Any, name: str) -> object:
    """Return the value of a field, as plain Python values even if it is a well-known message."""
    value = getattr(message, field_of(name).name)
    match getattr(value, "DESCRIPTOR", None) and value.DESCRIPTOR.full_name:
        case "google.protobuf.Timestamp" | "google.protobuf.Duration":
            return value.seconds, value.nanos
        case "google.protobuf.FieldMask":
            return list(value.paths)
        case str() as kind if kind.endswith("Value"):
            return value.value
        case _:
            return list(value) if field_of(name).is_repeated else value


def read_body(text: str) -> Any:
    return message_of_json(THING, read_json(text.encode()))


def violation(text: str) -> tuple[str, str]:
    """Return the field and the description of the violation for which a body is rejected."""
    with pytest.raises(InvalidRequest) as caught:
        read_body(text)
    (found,) = caught.value.violations
    return found.field, found.description


@pytest.mark.parametrize(("name", "text", "expected"), ACCEPTED)
def test_a_value_that_protojson_allows_is_accepted(name: str, text: str, expected: object) -> None:
    assert value_of(read_body(f'{{"{name}": {text}}}'), name) == expected
    assert value_of(read_body(f'{{"{field_of(name).name}": {text}}}'), name) == expected


@pytest.mark.parametrize(("name", "text"), REJECTED)
def test_any_other_value_is_rejected_and_the_error_names_its_field(name: str, text: str) -> None:
    field, description = violation(f'{{"{name}": {text}}}')
    assert field == name
    assert description.startswith("must be ")


ACCEPTED_TEXTS = [
    (name, json.loads(text) if text.startswith('"') else text, expected)
    for name, text, expected in ACCEPTED
    if text[0] not in "[{" and text != "null"
]
REJECTED_TEXTS = [
    (name, json.loads(text))
    for name, text in REJECTED
    if text.startswith('"')
    and not field_of(name).is_repeated
    and name not in {"part", "partsByName"}
    and (name, text) not in {("color", '"3"'), *((bool_, f'"{word}"') for bool_ in BOOLS for word in ("true", "false"))}
]


@pytest.mark.parametrize(("name", "text", "expected"), ACCEPTED_TEXTS)
def test_a_query_and_a_path_accept_the_same_values_without_quotes(name: str, text: str, expected: object) -> None:
    message = thing()
    fill_from_parameters(message, [(name, text)])
    assert value_of(message, name) == expected
    message = thing()
    fill_from_path(message, {(field_of(name).name,): text})
    assert value_of(message, name) == expected


@pytest.mark.parametrize(("name", "text"), REJECTED_TEXTS)
def test_a_query_and_a_path_reject_any_other_value(name: str, text: str) -> None:
    with pytest.raises(InvalidRequest) as in_query:
        fill_from_parameters(thing(), [(name, text)])
    with pytest.raises(InvalidRequest) as in_path:
        fill_from_path(thing(), {(field_of(name).name,): text})
    for caught in (in_query, in_path):
        assert caught.value.violations[0].field == field_of(name).name
        assert caught.value.violations[0].description.startswith("must be ")


def test_nan_is_a_number() -> None:
    for name in FLOATS + DOUBLES:
        number = value_of(read_body(f'{{"{name}": "NaN"}}'), name)
        assert isinstance(number, float)
        assert math.isnan(number)


def test_negative_zero_keeps_its_sign() -> None:
    for text in ("-0", "-0.0", '"-0"'):
        assert math.copysign(1, read_body(f'{{"doubleValue": {text}}}').double_value) == -1


def test_null_leaves_every_field_unset_except_those_that_can_hold_it() -> None:
    names = {field.json_name for field in THING.fields} - {"value", "null"}
    assert read_body(json.dumps(dict.fromkeys(names))) == thing()
    assert read_body('{"value": null}').HasField("value")
    assert read_body('{"one": null, "another": "7"}').another == 7


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('{"strings": ["a", null]}', "strings[1]"),
        ('{"parts": [{}, null]}', "parts[1]"),
        ('{"parts": [{"parts": [{}, {"material": "x"}]}]}', "parts[0].parts[1].material"),
        ('{"partsByName": {"a": null}}', "partsByName.a"),
        ('{"partsByName": {"a": {"size": 1}}}', "partsByName.a.size"),
        ('{"colorsByNumber": {"1_0": "COLOR_RED"}}', "colorsByNumber.1_0"),
        ('{"colorsByNumber": {"1": "COLOR_RED", "1.0": "COLOR_RED"}}', "colorsByNumber.1.0"),
        ('{"colorsByNumber": {"1": true}}', "colorsByNumber.1"),
        ('{"wordsByTruth": {"True": "x"}}', "wordsByTruth.True"),
        ('{"wordsByTruth": {"true": 1}}', "wordsByTruth.true"),
        ('{"part": {"nothing": 1}}', "part.nothing"),
        ('{"Part": {}}', "Part"),
        ('{"named": "a", "itsOwnName": "b"}', "itsOwnName"),
        ('{"boolValue": true, "bool_value": true}', "bool_value"),
        ('{"one": "a", "another": "7"}', "another"),
        ('{"struct": {"a": 1e400}}', "struct"),
        ('{"any": {"value": "1s"}}', "any"),
        ('{"any": {"@type": "x/none.Such", "value": "1s"}}', "any"),
        ('{"any": {"@type": "x/google.protobuf.Duration", "value": "1"}}', "any"),
        ('{"any": {"@type": "x/kinds.v1.Thing", "int32Value": true}}', "any"),
    ],
)
def test_an_error_names_the_field_as_the_caller_wrote_it(text: str, field: str) -> None:
    assert violation(text)[0] == field


def test_an_error_about_a_value_that_is_not_an_object_lists_the_expected_fields() -> None:
    assert violation('{"part": "oak"}') == ("part", "must be an object with material and parts")
    assert violation('{"parts": [5]}') == ("parts[0]", "must be an object with material and parts")
    assert violation('{"empty": 5}') == ("empty", "must be an empty object")


def test_maps_any_and_arbitrary_json_are_parsed() -> None:
    text = """{
      "partsByName": {"a_b": {"material": "MATERIAL_WOOD"}, "aB": {}}, "colorsByNumber": {"-1": 3, "2e1": "COLOR_RED"},
      "wordsByTruth": {"true": "x", "false": ""}, "struct": {"a_b": 1.5, "aB": [null, "x", {"c": 10}]},
      "value": [1.5, true], "list": [1, "a"], "empty": {},
      "any": {"@type": "type.googleapis.com/kinds.v1.Thing", "int32Value": "1"}
    }"""
    message = read_body(text)
    assert dict(message.colors_by_number) == {-1: 3, 20: 3}
    assert sorted(message.parts_by_name) == ["aB", "a_b"]
    assert json_format.MessageToDict(message.struct) == {"a_b": 1.5, "aB": [None, "x", {"c": 10.0}]}
    assert list(message.value.list_value) == [1.5, True]
    inner = thing()
    assert message.any.Unpack(inner)
    assert inner.int32_value == 1


@pytest.mark.parametrize(
    ("body", "description"),
    [
        (b'{"a": 1, "b": 2, "a": 3}', 'the key "a" must not be repeated'),
        (b'{"part": {"x": 1, "x": 1}}', 'the key "x" must not be repeated'),
        (b'{"struct": {"x": 1, "x": 1}}', 'the key "x" must not be repeated'),
        (b"\xef\xbb\xbf{}", "line 1, column 1"),
        (b"{} {}", "line 1, column 4"),
        (b"", "line 1, column 1"),
        (b"[" * 100_000, "nested at most 100 levels deep"),
        (b'{"part": {"parts": [' * 60 + b"]}" * 60, "line 1"),
        (b'{"doubleValue": ' + b"1" * 401 + b"}", "more than 400 digits"),
        (b'{"doubleValue": 1.' + b"1" * 401 + b"}", "more than 400 digits"),
        (b'{"stringValue": "\\udc00"}', "surrogate"),
        (b'{"stringValue": "\xed\xa0\x80"}', "UTF-8"),
        (b'{"int32Value": 01}', "line 1"),
        (b'{"int32Value": +1}', "line 1"),
        (b'{"doubleValue": .5}', "line 1"),
        (b'{"doubleValue": Infinity}', "not a JSON number"),
    ],
)
def test_a_body_that_is_not_strict_json_is_rejected(body: bytes, description: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_json(body)
    assert description in caught.value.violations[0].description


def test_a_message_that_is_nested_too_deeply_is_rejected() -> None:
    deep = '{"parts": [' * 400 + "]}" * 400
    assert "nested at most 100 levels deep" in violation(f'{{"part": {deep}}}')[1]
    assert "a JSON object" in violation('{"struct": {"a": ' + "[" * 150 + "]" * 150 + "}}")[1]
    assert "nested at most 100 levels deep" in violation('{"struct": {"a": ' + "[" * 900 + "]" * 900 + "}}")[1]


@pytest.mark.parametrize("query", [b"stringValue=%FF", b"stringValue=%ED%A0%80", b"stringValue=\xff", b"%FF=1"])
def test_a_query_that_is_not_utf_8_is_rejected(query: bytes) -> None:
    with pytest.raises(InvalidRequest, match="UTF-8"):
        read_query(query)


def test_a_query_sets_a_singular_field_once_under_either_name_and_only_one_field_of_a_oneof() -> None:
    for parameters, field in (
        ([("int32Value", "1"), ("int32Value", "1")], "int32Value"),
        ([("int32Value", "1"), ("int32_value", "1")], "int32_value"),
        ([("itsOwnName", "1"), ("named", "1")], "named"),
        ([("one", "1"), ("another", "1")], "another"),
    ):
        with pytest.raises(InvalidRequest) as caught:
            fill_from_parameters(thing(), parameters)
        assert caught.value.violations[0].field == field
    message = thing()
    fill_from_parameters(message, [("strings", "a"), ("strings", "b"), ("itsOwnName", "c")])
    assert (list(message.strings), message.named) == (["a", "b"], "c")


def test_a_path_and_a_query_must_not_set_two_fields_of_a_oneof() -> None:
    message = thing()
    fill_from_parameters(message, [("one", "x")])
    with pytest.raises(InvalidRequest, match="only one of one, another"):
        fill_from_path(message, {("another",): "7"})


@given(st.integers(-(2**63), 2**63 - 1), st.integers(0, 25))
def test_no_digit_of_a_number_is_lost(number: int, zeros: int) -> None:
    exponent = f"{number}{'0' * zeros if number else ''}e-{zeros}"  # JSON has no number 00
    for text in (f"{number}", f"{number}.{'0' * (zeros + 1)}", exponent, f'"{exponent}"'):
        assert read_body(f'{{"int64Value": {text}}}').int64_value == number


@given(st.text(max_size=12))
def test_text_is_a_number_only_if_it_is_one_in_json(text: str) -> None:
    message = thing()
    try:
        fill_from_parameters(message, [("int64Value", text)])
    except InvalidRequest:
        return
    assert message.int64_value == json.loads(text)
