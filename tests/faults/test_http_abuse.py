"""Attacks on the REST server: it still serves other clients, and afterwards its resources are released."""

import contextlib
import http
import http.client
import re
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest

from server.config.grpc import Engine
from tests.faults.test_http2_abuse import max_connections as max_connections  # noqa: PLC0414 - the same fixture
from tests.faults.test_http2_abuse import no_lasting_harm
from tests.support.running_service import RunningService

StartService = Callable[..., RunningService]

_CHARGE = "/v1/payments/charge"
_HEAD = b"POST /v1/payments/charge HTTP/1.1\r\nHost: payments\r\nContent-Type: application/json\r\n"
_TIMEOUT_SECONDS = 30


@pytest.fixture(params=[Engine.GRPCIO, Engine.ENVOY])
def engine(request: pytest.FixtureRequest) -> Engine:
    """With grpcio, uvicorn serves REST; otherwise Envoy does."""
    engine: Engine = request.param
    return engine


@pytest.fixture
def running(start_service: StartService, engine: Engine) -> RunningService:
    """A server with short timeouts, so that tests are fast."""
    return start_service(
        GRPC_ENGINE=engine,
        CALL_TIMEOUT_SECONDS="5",
        EVENT_HEARTBEAT_INTERVAL_SECONDS="5",
        REST_HEADER_TIMEOUT_SECONDS="1",
        REST_BODY_TIMEOUT_SECONDS="1",
        REST_MAX_HEADER_BYTES="8192",
        REST_MAX_HEADERS="50",
        REST_MAX_CONNECTIONS="12000",
    )


@pytest.fixture
def running_with_long_timeouts(start_service: StartService, engine: Engine) -> RunningService:
    """A server with long timeouts, so that only size limits end a connection."""
    return start_service(GRPC_ENGINE=engine, REST_HEADER_TIMEOUT_SECONDS="300", REST_BODY_TIMEOUT_SECONDS="300")


@contextlib.contextmanager
def open_connection(service: RunningService) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", service.rest_port), timeout=_TIMEOUT_SECONDS) as connection:
        yield connection


def read_to_end(connection: socket.socket) -> bytes:
    """Read until the server closes the connection."""
    received = b""
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(65_536):
            received += part
    return received


def read_status(connection: socket.socket) -> int:
    """Read the next response completely, and return its status."""
    with http.client.HTTPResponse(connection) as response:
        response.begin()
        response.read()
        return response.status


def charge_over_rest(service: RunningService) -> None:
    """Make a charge as a well-behaved client."""
    body = {"order_id": 7, "amount": 5}
    response = httpx.post(service.rest_url + _CHARGE, json=body, timeout=_TIMEOUT_SECONDS)
    assert response.status_code == 201


def trickle(connection: socket.socket, data: bytes) -> bool:
    """Send one byte at a time, and return whether the server closed the connection before the end."""
    connection.settimeout(0.05)
    for byte in data:
        try:
            connection.sendall(bytes([byte]))
            if not connection.recv(65_536):
                return True
        except TimeoutError:
            continue
        except OSError:
            return True
    return False


def test_a_slow_request_head_ends_its_connection_and_blocks_nobody(running: RunningService, engine: Engine) -> None:
    with no_lasting_harm(running), ExitStack() as stack:
        others = [stack.enter_context(open_connection(running)) for _ in range(50)]
        for other in others:
            other.sendall(_HEAD[:40])
        with open_connection(running) as connection:
            assert trickle(connection, _HEAD + b"X-Word: " + b"x" * 500)
        charge_over_rest(running)
        for other in others:
            response = read_to_end(other)
            assert response == b"" if engine is Engine.GRPCIO else response.startswith(b"HTTP/1.1 408 ")


def test_a_slow_request_body_ends_its_connection_and_blocks_nobody(running: RunningService) -> None:
    with no_lasting_harm(running), open_connection(running) as connection:
        connection.sendall(_HEAD + b"Content-Length: 2000\r\n\r\n")
        assert trickle(connection, b"{" + b" " * 1_999)
        charge_over_rest(running)


@pytest.mark.parametrize(
    "head",
    [
        _HEAD + b"X-Large: " + b"x" * 9_000 + b"\r\n\r\n",
        b"GET /" + b"x" * 9_000 + b" HTTP/1.1\r\nHost: payments\r\n\r\n",
        _HEAD + b"".join(b"X-%d: 1\r\n" % number for number in range(60)) + b"\r\n",
    ],
    ids=["a large header", "a long path", "many headers"],
)
def test_a_head_above_a_limit_is_rejected_with_the_limits(running: RunningService, head: bytes) -> None:
    with open_connection(running) as connection:
        connection.sendall(head)
        response = read_to_end(connection)
    assert response.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert b"the head must be at most 8192 bytes and 50 headers" in response
    charge_over_rest(running)


@pytest.mark.parametrize("head", [_HEAD + b"X-Endless: ", b"GET /"], ids=["header", "path"])
def test_an_endless_head_ends_its_connection(running_with_long_timeouts: RunningService, head: bytes) -> None:
    with no_lasting_harm(running_with_long_timeouts), open_connection(running_with_long_timeouts) as connection:
        connection.sendall(head)
        with contextlib.suppress(OSError):
            for _ in range(100):
                connection.sendall(b"x" * 100_000)
            pytest.fail("the server accepted a head of ten megabytes")


def test_a_head_within_the_limits_can_arrive_in_pieces(running: RunningService) -> None:
    body = b'{"order_id": 7, "amount": 5}'
    head = _HEAD + b"X-Large: " + b"x" * 7_000 + b"\r\nContent-Length: %d\r\n\r\n" % len(body)
    with open_connection(running) as connection:
        for request in (head + body, head + body):
            for start in range(0, len(request), 1_000):
                connection.sendall(request[start : start + 1_000])
            assert read_status(connection) == http.HTTPStatus.CREATED


def test_endless_trailers_end_their_connection(running_with_long_timeouts: RunningService) -> None:
    with no_lasting_harm(running_with_long_timeouts), open_connection(running_with_long_timeouts) as connection:
        connection.sendall(_HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX-Endless: ")
        with contextlib.suppress(OSError):
            for _ in range(100):
                connection.sendall(b"x" * 100_000)
            pytest.fail("the server accepted a trailer of ten megabytes")


def test_many_small_requests_on_a_connection_do_not_count_as_one_head(running: RunningService) -> None:
    with open_connection(running) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: payments\r\n\r\n" * 1_000 + b"GET / HTTP/1.0\r\n\r\n")
        assert read_to_end(connection).count(b"HTTP/1.1 200 ") == 1_000


def test_a_body_of_many_small_chunks_does_not_count_as_a_head(running: RunningService) -> None:
    body = b'{"order_id": 7, "amount": 5' + b" " * 5_000 + b"}"
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    with open_connection(running) as connection:
        connection.sendall(_HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
        assert read_status(connection) == http.HTTPStatus.CREATED


def test_clients_that_do_not_read_responses_are_disconnected(running: RunningService) -> None:
    for _ in range(40):
        charge_over_rest(running)
    with no_lasting_harm(running), ExitStack() as stack:
        for _ in range(20):
            connection = stack.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            connection.connect(("127.0.0.1", running.rest_port))
            connection.settimeout(1)
            with contextlib.suppress(OSError):
                for _ in range(2_000):
                    connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: payments\r\n\r\n")
        charge_over_rest(running)
        deadline = time.monotonic() + _TIMEOUT_SECONDS
        while _connections_of(running) > 2:
            assert time.monotonic() < deadline
            time.sleep(0.2)


def test_silent_connections_are_closed_and_block_nobody(running: RunningService, max_connections: int) -> None:
    with no_lasting_harm(running), ExitStack() as stack:
        silent = [stack.enter_context(open_connection(running)) for _ in range(max_connections)]
        charge_over_rest(running)
        assert read_to_end(silent[0]) == b""
        assert read_to_end(silent[-1]) == b""


def test_connections_above_the_limit_are_rejected(start_service: StartService, engine: Engine) -> None:
    service = start_service(GRPC_ENGINE=engine, REST_MAX_CONNECTIONS="5")
    with ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(open_connection(service))
        with open_connection(service) as one_too_many:
            response = read_to_end(one_too_many)
    time.sleep(0.5)
    charge_over_rest(service)
    if engine is Engine.GRPCIO:
        assert response.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert b"\r\nretry-after: 1\r\n" in response
        assert service.wait_for("connections_refused")["count"] == 1
    else:
        assert response == b""
        metrics = httpx.get(f"{service.rest_url}/metrics/envoy").text
        assert re.search(r'^envoy_connection_limit_limited_connections\{.*"rest"\} 1$', metrics, re.MULTILINE)


def test_random_bytes_do_no_harm(running: RunningService) -> None:
    with no_lasting_harm(running):
        for _ in range(20):
            with open_connection(running) as connection, contextlib.suppress(OSError):
                connection.sendall(secrets.token_bytes(100_000))
        charge_over_rest(running)


def _connections_of(service: RunningService) -> int:
    """Return the number of established REST connections on the server's side."""
    port = f":{service.rest_port:04X}"
    lines = open("/proc/net/tcp", encoding="ascii").read().splitlines()[1:]  # noqa: PTH123, SIM115
    return sum(1 for line in lines if line.split()[1].endswith(port) and line.split()[3] == "01")
