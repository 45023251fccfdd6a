"""The number of fields in a serialized message, as protobuf's own parser counts them."""

import pytest
from google.protobuf.struct_pb2 import ListValue
from hypothesis import given
from hypothesis import strategies as st
from payments_client.v1 import payments_pb2 as pb

from server.transport.grpc.wire_fields import has_more_fields_than

VARINT, FIXED_64, FIXED_32, GROUP = b"\x08\x96\x01", b"\x09" + b"x" * 8, b"\x0d" + b"x" * 4, b"\x0b\x08\x01\x0c"


@pytest.mark.parametrize(
    ("payload", "count"),
    [
        (b"", 0),
        (pb.BatchChargeRequest(charges=[pb.ChargeRequest()] * 7).SerializeToString(), 7),
        (pb.BatchChargeRequest(charges=[pb.ChargeRequest(order_id=1 << 62)] * 3).SerializeToString(), 3),
        (pb.ChargeRequest(order_id=7, request_id="x" * 300).SerializeToString(), 2),
        (VARINT * 2 + FIXED_64 + FIXED_32 * 3, 6),
        (GROUP, 3),
    ],
)
def test_fields_are_counted(payload: bytes, count: int) -> None:
    assert not has_more_fields_than(payload, count)
    assert count == 0 or has_more_fields_than(payload, count - 1)


@pytest.mark.parametrize("payload", [b"\xff", b"\x0a", b"\x0a\xff", b"\x0a\x05x", b"\x0e", b"\xff" * 50])
def test_malformed_bytes_are_left_to_the_parser(payload: bytes) -> None:
    assert not has_more_fields_than(payload, len(payload))


@given(st.binary(max_size=200), st.integers(0, 20))
def test_any_bytes_can_be_counted(payload: bytes, max_fields: int) -> None:
    assert not has_more_fields_than(payload, max_fields) or len(payload) > max_fields


@given(st.lists(st.floats() | st.text(max_size=200) | st.booleans(), max_size=30))
def test_a_list_has_as_many_fields_as_items(items: list[object]) -> None:
    values = ListValue()
    values.extend(items)  # type: ignore[arg-type]
    payload = values.SerializeToString()
    assert not has_more_fields_than(payload, len(items))
    assert not items or has_more_fields_than(payload, len(items) - 1)
