"""What clients may do to wear out a server of HTTP/2: meanwhile it serves others, and afterwards all is as it was."""

import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import grpc
import pytest
from payments.v1 import payments_pb2 as pb

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
_AT_ONCE = 200
_CANCEL = (8).to_bytes(4, "big")
_MAX_GROWTH_KIB = 400 * 1024
_IDLE_CONNECTIONS = 10_000
_FILES_BESIDES = 500
_SETTLED_SECONDS = 30


@pytest.fixture(params=list(Engine))
def running(request: pytest.FixtureRequest, start_service: StartService) -> RunningService:
    """A service that waits long for its database, which is slow while everybody wants the processor."""
    patience = dict.fromkeys(("MYSQL_ACQUIRE_TIMEOUT_SECONDS", "MYSQL_CONNECT_TIMEOUT_SECONDS"), "60")
    return start_service(GRPC_ENGINE=request.param, **patience)


def memory_kib(service: RunningService) -> int:
    """Return how much memory the server has."""
    status = Path(f"/proc/{service.process_id}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


def open_files(service: RunningService) -> int:
    """Return how many files and connections the server has open."""
    return len(list(Path(f"/proc/{service.process_id}/fd").iterdir()))


def charge_some(service: RunningService, count: int = 5) -> None:
    """Be a client that does nothing wrong, on a connection of its own: it tries again what is refused for overload."""
    with grpc.insecure_channel(service.target) as channel:
        api = GrpcDriver(channel)
        done, deadline = 0, time.monotonic() + _SETTLED_SECONDS
        while done < count:
            try:
                assert api.charge(charge()).payment.payment_id
                done += 1
            except CallFailed as failed:
                if failed.reason != "OVERLOADED" or time.monotonic() > deadline:
                    raise
                time.sleep(0.2)


@contextmanager
def nothing_lost(service: RunningService) -> Iterator[None]:
    """Check that others are served after what happens inside, and that it costs neither memory nor files."""
    charge_some(service)
    files, memory = open_files(service), memory_kib(service)
    yield
    started = time.monotonic()
    charge_some(service)
    print(  # noqa: T201 - measured and shown, not asserted to the letter
        f"{service.engine}: {memory} to {memory_kib(service)} KiB, {files} to {open_files(service)} files, "
        f"{time.monotonic() - started:.2f} s for others' charges afterwards"
    )
    # What was on its way when it ended is dealt with first: how much that is, is up to the machine.
    deadline = time.monotonic() + _SETTLED_SECONDS
    while open_files(service) > files + 20 or memory_kib(service) - memory > _MAX_GROWTH_KIB:
        told = f"{memory} to {memory_kib(service)} KiB, {files} to {open_files(service)} files"
        assert time.monotonic() < deadline, told
        time.sleep(0.2)


def rapid_reset(port: int, stop: threading.Event) -> None:
    """Begin requests and cancel them at once, which costs the server more than the client (CVE-2023-44487)."""
    with Http2Peer(port, timeout_seconds=5) as peer:
        headers = request_headers(_LIST_PATH)
        for stream in _STREAMS:
            begun = frame(http2_peer.HEADERS, headers, flags=http2_peer.END_HEADERS, stream=stream)
            asked = frame(http2_peer.DATA, b"\0\0\0\0\0", flags=http2_peer.END_STREAM, stream=stream)
            peer.send_raw(begun + asked + frame(http2_peer.RST_STREAM, _CANCEL, stream=stream))
            if stop.is_set():
                return


def reset_before_the_body(port: int, stop: threading.Event) -> None:
    """Cancel requests of which only the headers were sent."""
    with Http2Peer(port, timeout_seconds=5) as peer:
        headers = request_headers(_LIST_PATH)
        for stream in _STREAMS:
            begun = frame(http2_peer.HEADERS, headers, flags=http2_peer.END_HEADERS, stream=stream)
            peer.send_raw(begun + frame(http2_peer.RST_STREAM, _CANCEL, stream=stream))
            if stop.is_set():
                return


def continuation_flood(port: int, stop: threading.Event) -> None:
    """Send headers that never end (CVE-2024-27316): 32 MB of them, and not as many as this machine can."""
    literal = b"\0\x7f\0" + b"n" * 127 + b"\0"
    with Http2Peer(port, timeout_seconds=5) as peer:
        peer.send(http2_peer.HEADERS, request_headers(_LIST_PATH), stream=1)
        for _ in range(2_000):
            peer.send(http2_peer.CONTINUATION, (literal * 128)[:16_000], stream=1)
            if stop.is_set():
                return
        stop.wait()


def empty_continuation_flood(port: int, stop: threading.Event) -> None:
    """Send headers that never end, and never grow."""
    with Http2Peer(port, timeout_seconds=5) as peer:
        peer.send(http2_peer.HEADERS, request_headers(_LIST_PATH), stream=1)
        while not stop.is_set():
            peer.send_raw(frame(http2_peer.CONTINUATION, stream=1) * 1000)


def header_bomb(port: int, stop: threading.Event) -> None:
    """Name one large header, kept in the table, many times over: each takes a byte to send (CVE-2016-6581)."""
    size = 3_800 - 127  # how RFC 7541, section 5.1, writes a number above 126
    kept = b"\x40\x01x\x7f" + bytes([0x80 | size & 0x7F, size >> 7]) + b"v" * 3_800
    with Http2Peer(port, timeout_seconds=5) as peer:
        for stream in range(1, 200, 2):
            block = request_headers(_LIST_PATH) + kept + b"\xbe" * 12_000
            peer.send(http2_peer.HEADERS, block, flags=http2_peer.END_HEADERS, stream=stream)
            if stop.is_set():
                return


def settings_flood(port: int, stop: threading.Event) -> None:
    """Send settings, each of which wants an answer, and read none (CVE-2019-9515)."""
    _flood(port, stop, frame(http2_peer.SETTINGS, b"\0\4\0\0\xff\xff"))


def ping_flood(port: int, stop: threading.Event) -> None:
    """Ask for signs of life, and read none (CVE-2019-9512)."""
    _flood(port, stop, frame(http2_peer.PING, b"12345678"))


def _flood(port: int, stop: threading.Event, one: bytes) -> None:
    with Http2Peer(port, timeout_seconds=5) as peer:
        while not stop.is_set():
            peer.send_raw(one * 1000)


def half_requests(port: int, stop: threading.Event) -> None:
    """Begin as many requests as a connection may have, and end none."""
    with Http2Peer(port) as peer:
        for stream in range(1, 2 * _AT_ONCE, 2):
            peer.send(http2_peer.HEADERS, request_headers(_LIST_PATH), flags=http2_peer.END_HEADERS, stream=stream)
            peer.send(http2_peer.DATA, b"\0\0\0\1\0" + b"x" * 10, stream=stream)
        stop.wait()


def reading_nothing(port: int, stop: threading.Event) -> None:
    """Ask for long lists, and open no window for any (CVE-2019-9517)."""
    with Http2Peer(port, {http2_peer.INITIAL_WINDOW_SIZE: 0}) as peer:
        for stream in range(1, 2 * _AT_ONCE, 2):
            peer.request(_LIST_PATH, _LIST, stream=stream)
        stop.wait()


def trickle(port: int, stop: threading.Event) -> None:
    """Send the beginning of HTTP/2 byte for byte."""
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
    (reading_nothing, 10),
    (trickle, 100),
]
"""Each with how many connections do it at the same time."""


@pytest.mark.parametrize(("attack", "connections"), ATTACKS, ids=[attack.__name__ for attack, _ in ATTACKS])
def test_others_are_served_while_clients_try_to_wear_out_the_server(
    running: RunningService, attack: Attack, connections: int
) -> None:
    stop = threading.Event()

    def be_hung_up_on() -> None:
        with suppress(OSError):  # which is what the server should do to some of them
            attack(running.port, stop)

    with nothing_lost(running):
        threads = [threading.Thread(target=be_hung_up_on) for _ in range(connections)]
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
def many_files() -> Iterator[int]:
    """Let this process open as many connections as it may, and say how many those of a test may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield min(_IDLE_CONNECTIONS, hard - _FILES_BESIDES) if hard != resource.RLIM_INFINITY else _IDLE_CONNECTIONS
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("begun", [b"", http2_peer.PREFACE + frame(http2_peer.SETTINGS)], ids=["mute", "idle"])
def test_others_are_served_while_ten_thousand_connections_do_nothing(
    running: RunningService, many_files: int, begun: bytes
) -> None:
    with nothing_lost(running), ExitStack() as stack:
        for _ in range(many_files):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", running.port), timeout=30))
            connection.sendall(begun)
        charge_some(running)


def test_headers_over_the_limit_leave_nothing_behind(running: RunningService, request: pytest.FixtureRequest) -> None:
    if running.engine is Engine.GRPCIO:
        reason = "grpcio 1.85.1 keeps some 25 KiB of each call whose headers were over the limit"
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
