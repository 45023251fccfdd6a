"""A running server responds to arbitrary input within the contract, and serves the next call."""

import json
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.config.grpc import Engine
from server.transport.service.servicer import SERVICE
from tests.fuzz import inputs
from tests.fuzz.inputs import examples
from tests.support.drivers.calls import GrpcDriver
from tests.support.drivers.requests import charge, new_request_id
from tests.support.running_service import RunningService

ALLOWED_STATUSES = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.FAILED_PRECONDITION,
}


@pytest.fixture(params=list(Engine))
def server(request: pytest.FixtureRequest, start_service: Callable[..., RunningService]) -> Iterator[RunningService]:
    running = start_service(GRPC_ENGINE=request.param)
    yield running
    assert running.stop() == 0
    assert not [event for event in running.events if event.get("level") in {"error", "critical"}]


@pytest.fixture
def rest(start_service: Callable[..., RunningService]) -> Iterator[httpx.Client]:
    running = start_service(TRUSTED_PROXIES="127.0.0.1")
    with httpx.Client(base_url=running.rest_url, timeout=20) as http:
        yield http
    assert running.stop() == 0
    assert not [event for event in running.events if event.get("level") in {"error", "critical"}]


def raw_call(channel: grpc.Channel, rpc: str) -> Callable[[bytes], object]:
    """Return a function that calls an RPC with arbitrary bytes and reads its first response."""
    path = f"/payments.v1.PaymentService/{rpc}"
    if not SERVICE.methods_by_name[rpc].server_streaming:
        unary = channel.unary_unary(path, request_serializer=bytes, response_deserializer=bytes)
        return lambda payload: unary(payload, timeout=20)
    streaming = channel.unary_stream(path, request_serializer=bytes, response_deserializer=bytes)

    def first(payload: bytes) -> None:
        stream = streaming(payload, timeout=20)
        next(stream)
        stream.cancel()

    return first


def test_any_bytes_get_a_response_and_the_next_valid_call_succeeds(server: RunningService) -> None:
    with grpc.insecure_channel(server.target) as channel:
        calls = {rpc: raw_call(channel, rpc) for rpc in inputs.REQUESTS}
        api = GrpcDriver(channel)

        @examples(120)
        @given(st.sampled_from(sorted(calls)).flatmap(_with_payload))
        def holds(call: tuple[str, bytes]) -> None:
            rpc, payload = call
            try:
                calls[rpc](payload)
            except grpc.RpcError as error:
                if error.code() not in ALLOWED_STATUSES:
                    raise
            assert api.charge(charge(request_id=new_request_id())).payment.payment_id

        holds()


def _with_payload(rpc: str) -> st.SearchStrategy[tuple[str, bytes]]:
    return st.tuples(st.just(rpc), inputs.payloads(inputs.REQUESTS[rpc]))


PATHS = [
    ("POST", "/v1/payments/charge"),
    ("POST", "/v2/payments:charge"),
    ("POST", "/v2/payments:batchCharge"),
    ("POST", "/v2/payments/7:refund"),
    ("GET", "/v1/payments"),
    ("GET", "/v2/payments"),
]
_HEADERS = st.fixed_dictionaries(
    {},
    optional={
        name: st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=30)
        for name in ("idempotency-key", "content-type", "x-request-id", "accept-encoding", "origin", "x-forwarded-for")
    },
)
_QUERIES = st.one_of(
    inputs.PARAMETERS.map(lambda pairs: urllib.parse.urlencode(pairs, errors="surrogatepass").encode()[:4000]),
    st.text("&=%;+.abcdefg0123456789[]", max_size=40).map(str.encode),
)
_SEGMENTS = st.text("%/:.*?{}7abcdefEDA08", max_size=30).map(str.encode)


def conforms(response: httpx.Response) -> bool:
    """Return whether a response conforms to the contract: no server error, and valid JSON if it claims to be JSON."""
    if response.headers.get("content-type") == "application/json":
        json.loads(response.content)
    return response.status_code < 500 or response.status_code == 501


def test_any_request_gets_a_response_and_the_next_valid_one_succeeds(rest: httpx.Client) -> None:
    @examples(200)
    @given(st.sampled_from(PATHS), _QUERIES, inputs.BODIES, _HEADERS)
    def holds(route: tuple[str, str], query: bytes, body: bytes, headers: dict[str, str]) -> None:
        verb, path = route
        target: dict[str, Any] = {"target": path.encode() + (b"?" + query if query else b"")}
        sent = [(name.encode(), value.strip().encode("latin-1")) for name, value in headers.items()]
        request = rest.build_request(
            verb, path, content=body if verb == "POST" else None, headers=sent, extensions=target
        )
        response = rest.send(request)
        assert conforms(response), response.text
        assert rest.post("/v1/payments/charge", json={"order_id": 1, "amount": 1}).status_code == 201

    holds()


def test_any_path_gets_a_response(rest: httpx.Client) -> None:
    @examples(150)
    @given(
        st.sampled_from(["GET", "POST", "DELETE", "OPTIONS"]), st.sampled_from(["/", "/v1/", "/v2/payments"]), _SEGMENTS
    )
    def holds(verb: str, start: str, rest_of_path: bytes) -> None:
        request = rest.build_request(verb, "/", extensions={"target": start.encode() + rest_of_path})
        response = rest.send(request)
        assert conforms(response), response.text

    holds()
