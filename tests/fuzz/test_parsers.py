"""Every parser of input from callers and files either accepts arbitrary input or rejects it with a proper error."""

import dataclasses
import gzip
import io
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC
from typing import Any, Literal

import pytest
from google.protobuf.json_format import SerializeToJsonError
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st
from payments_client.v1 import payments_pb2 as pb

from server.domain import tokens
from server.domain.callers import CALLING_ROLES, Caller
from server.domain.errors import InvalidRequest, InvalidValue, PaymentsError
from server.domain.identifiers import RequestKey
from server.domain.listing import Order, PaymentFilter, Position
from server.domain.money import Currencies
from server.transport.grpc.handlers import _parse
from server.transport.pipeline.errors import failure_of
from server.transport.rest.gateway.json_text import read_json
from server.transport.rest.gateway.proto_json import message_of_json
from server.transport.rest.gateway.requests import fill_from_parameters, fill_from_path
from server.transport.rest.responses import json_text, to_json
from server.transport.rest.v1 import parameters as legacy_parameters
from server.transport.service import event_codec, requests
from tests.fuzz import inputs
from tests.fuzz.inputs import examples
from tools.transfer.files.csv_records import Record, RecordReader
from tools.transfer.files.errors import CsvError, DamagedFile
from tools.transfer.files.records import (
    PAYMENT_COLUMNS,
    REFUND_COLUMNS,
    InvalidRecord,
    is_refunds,
    payment_converter,
    refund_converter,
)

VIEWER = Caller("someone", CALLING_ROLES)
CURRENCIES = Currencies("INR", frozenset({"INR", "USD", "JPY"}))
MAX_STATUS_BYTES = 6000
"""Small enough that its Base64 fits into the 8 KiB of trailers that clients accept."""

PARSERS: dict[str, Callable[[Any], object]] = {
    "Charge": lambda message: requests.charge_request(message, "someone", CURRENCIES),
    "BatchCharge": lambda message: requests.batch_charge_request(message, "someone", CURRENCIES),
    "Refund": lambda message: requests.refund_request(message, "someone", CURRENCIES),
    "GetPayment": lambda message: requests.get_request(message, VIEWER),
    "ListRefunds": requests.refunds_request,
    "ListPayments": lambda message: requests.list_request(message, VIEWER, CURRENCIES),
    "ListPaymentEvents": event_codec.events_request,
    "WatchPayments": event_codec.watch_request,
}


def test_every_rpc_has_a_parser_here() -> None:
    assert PARSERS.keys() == inputs.REQUESTS.keys()


@contextmanager
def only_contract_errors(max_bytes: float = math.inf) -> Iterator[None]:
    """Allow only errors of the contract, and check that their status can be encoded in ``max_bytes``."""
    try:
        yield
    except PaymentsError as error:
        failure = failure_of(error, "call")
        assert failure.reason != "INTERNAL"
        assert failure.message
        assert failure.status.ByteSize() <= max_bytes
        json_text(to_json(failure.status))


@pytest.mark.parametrize("rpc", PARSERS)
def test_any_bytes_are_a_request_or_are_rejected(rpc: str) -> None:
    @examples(250)
    @given(inputs.payloads(inputs.REQUESTS[rpc]))
    def holds(payload: bytes) -> None:
        with only_contract_errors(MAX_STATUS_BYTES):
            PARSERS[rpc](_parse(inputs.REQUESTS[rpc], payload))

    holds()


@pytest.mark.parametrize("rpc", PARSERS)
def test_any_body_is_a_request_or_is_rejected(rpc: str) -> None:
    @examples(100)
    @given(inputs.BODIES)
    def holds(body: bytes) -> None:
        with only_contract_errors():
            PARSERS[rpc](message_of_json(inputs.descriptor_of(inputs.REQUESTS[rpc]), read_json(body)))

    holds()


@pytest.mark.parametrize("rpc", PARSERS)
def test_any_json_object_is_a_request_or_is_rejected(rpc: str) -> None:
    @examples(80)
    @given(st.dictionaries(st.sampled_from(inputs.names_in(inputs.descriptor_of(inputs.REQUESTS[rpc]))), inputs.VALUES))
    def holds(value: dict[str, object]) -> None:
        with only_contract_errors():
            PARSERS[rpc](message_of_json(inputs.descriptor_of(inputs.REQUESTS[rpc]), value))

    holds()


@pytest.mark.parametrize("rpc", PARSERS)
def test_any_query_is_a_request_or_is_rejected(rpc: str) -> None:
    @examples(100)
    @given(inputs.PARAMETERS)
    def holds(parameters: list[tuple[str, str]]) -> None:
        with only_contract_errors():
            message = inputs.REQUESTS[rpc]()
            fill_from_parameters(message, parameters, reserved=[("payment_id",)])
            PARSERS[rpc](message)

    holds()


@pytest.mark.parametrize("field", ["payment_id", "reference"])
def test_any_path_is_a_request_or_is_rejected(field: str) -> None:
    @examples(300)
    @given(st.text() | inputs.INTEGERS.map(str))
    def holds(text: str) -> None:
        with only_contract_errors():
            message = pb.GetPaymentRequest()
            fill_from_path(message, {(field,): text})
            requests.get_request(message, VIEWER)

    holds()


@pytest.mark.parametrize("rpc", PARSERS)
def test_any_message_survives_a_round_trip_through_json(rpc: str) -> None:
    @examples(50)
    @given(inputs.messages(inputs.REQUESTS[rpc]))
    def holds(message: Message) -> None:
        try:
            value = to_json(message)
        except SerializeToJsonError:
            return  # a time that JSON cannot represent
        with only_contract_errors():
            assert message_of_json(inputs.descriptor_of(inputs.REQUESTS[rpc]), value) == message

    holds()


TOKEN = tokens.encode_page_token(Position(None, 7), PaymentFilter(), Order.NEWEST_FIRST)


@examples(600)
@given(
    st.text(max_size=60)
    | st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=", min_size=38, max_size=42)
    | st.builds(
        lambda index, character: TOKEN[:index] + character + TOKEN[index + 1 :],
        st.integers(0, len(TOKEN)),
        st.text(max_size=2),
    )
)
def test_any_page_token_is_canonical_or_is_rejected(token: str) -> None:
    try:
        position = tokens.decode_page_token(token, PaymentFilter(), Order.NEWEST_FIRST)
    except InvalidValue:
        return
    assert tokens.encode_page_token(position, PaymentFilter(), Order.NEWEST_FIRST) == token


@contextmanager
def only_v1_errors() -> Iterator[None]:
    """Allow only errors of ``/v1``, and check that they can be encoded."""
    try:
        yield
    except legacy_parameters.InvalidParameters as error:
        json_text({"detail": error.detail})
    except InvalidRequest as error:
        json_text({"detail": [dataclasses.asdict(violation) for violation in error.violations]})


@examples(250)
@given(inputs.BODIES, st.sampled_from(["", "application/json", "text/plain", "application/x+json; charset=\xff"]))
def test_any_v1_body_is_a_charge_or_is_rejected(body: bytes, content_type: str) -> None:
    with only_v1_errors():
        charge = legacy_parameters.read_body(body, content_type)
        legacy_parameters.charge_money("INR", charge.amount)


@pytest.mark.parametrize(
    ("model", "source"),
    [(legacy_parameters.ListParameters, "query"), (legacy_parameters.RefundPath, "path")],
)
def test_any_v1_parameters_are_accepted_or_rejected(model: type[Any], source: Literal["query", "path"]) -> None:
    @examples(200)
    @given(
        st.dictionaries(
            st.sampled_from([*model.model_fields]),
            inputs.TEXTS | st.text(max_size=9) | inputs.INTEGERS.map(str) | st.floats().map(str) | st.just("9" * 5000),
        )
    )
    def holds(values: dict[str, str]) -> None:
        with only_v1_errors():
            legacy_parameters.read(model, source, values)

    holds()


@examples(500)
@given(st.none() | st.text(max_size=300))
def test_any_request_id_is_valid_or_is_rejected(request_id: str | None) -> None:
    with only_v1_errors():
        legacy_parameters.read_key("someone", request_id)
    try:
        key = RequestKey.of("someone", request_id)
    except InvalidValue:
        return
    assert key.request_id.isascii()


_COLUMNS = [*PAYMENT_COLUMNS, *REFUND_COLUMNS]
_CELLS = st.one_of(
    inputs.TEXTS,
    st.text(max_size=8),
    inputs.INTEGERS.map(str),
    st.sampled_from(
        ['"', '""', "UPI", "SUCCESS", "561.00", "2025-02-07 05:28:54", "1", "0", "INR", "x" * 5000, "\r\n"]
    ),
)
_LINES = st.lists(st.lists(_CELLS, max_size=10).map(",".join), max_size=6)
_HEADERS = (
    st.permutations(["payment_id", "order_id", "amount", "method", "status", "reference", "created_at"]).map(",".join)
    | st.lists(st.sampled_from(_COLUMNS), max_size=14, unique=True).map(",".join)
    | st.just("payment_id;order_id;amount;method;status;reference;created_at")
)
_TEXT_FILES = st.builds(
    lambda separator_line, header, lines, end, byte_order_mark, encoding: (
        byte_order_mark + end.join([*separator_line, header, *lines]).encode(encoding, "surrogatepass")
    ),
    st.sampled_from([[], [], ["sep=;"], ["sep=\t"], ["sep="], ["sep=\ud800"]]),
    _HEADERS,
    _LINES,
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from([b"", b"", b"\xef\xbb\xbf", b"\xff\xfe", b"\xff"]),
    st.sampled_from(["utf-8", "utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]),
)
_FILES = st.one_of(
    st.binary(max_size=80),
    _TEXT_FILES,
    _TEXT_FILES.map(gzip.compress),
    st.builds(lambda file, length: gzip.compress(file)[:length], _TEXT_FILES, st.integers(0, 300)),
    st.binary(max_size=80).map(b"\x1f\x8b\x08".__add__),
)


@examples(300)
@given(_FILES)
def test_any_file_has_records_or_rejected_lines_with_reasons(file: bytes) -> None:
    try:
        reader = RecordReader(io.BytesIO(file), _COLUMNS)
        converter = (
            refund_converter(reader.header, UTC)
            if is_refunds(reader.header)
            else payment_converter(reader.header, "INR", UTC)
        )
    except CsvError:
        return
    with suppress(DamagedFile):
        for record in reader:
            if not isinstance(record, Record):
                assert record.reason
                continue
            assert len(record.fields) == len(reader.header)
            with suppress(InvalidRecord):
                converter.convert(record.fields)
