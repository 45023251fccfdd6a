"""Limits hold before memory is spent: the service stays small while clients send too much, and others are served.

The attacks respect HTTP/2 flow control, so nothing but the limits of the service stops them.
"""

import asyncio
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain, repeat
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2
from payments_client.v1 import payments_pb2 as pb

from server.config.grpc import Engine
from server.domain.callers import Role
from tests.support.databases import DatabaseServer
from tests.support.drivers.calls import CallFailed, GrpcDriver, call_failed, health_stub
from tests.support.drivers.raw_calls import MAX_CHUNK_BYTES, RawCall, RawConnection, chunks_of, prefix
from tests.support.drivers.requests import charge
from tests.support.keys import bearer, key_maker
from tests.support.running_service import RunningService

_MAX_MEMORY_KIB = 256 * 1024

_GET = "/payments.v1.PaymentService/GetPayment"
_WATCH = "/grpc.health.v1.Health/Watch"
_MAX_MESSAGE_BYTES = 1 << 20
_HUGE_BYTES = 500 << 20
_INFLATED_BYTES = 64 << 20
_HALF_SENT_CALLS = 200
_REJECTED_CALLS = 150
"""How many of them must be rejected. The others fit in the memory for requests."""

_MAX_HEALTH_WATCHES = 1000
_WATCHES_PER_WAVE, _WAVES, _ADDRESSES = 500, 10, 5
_SECONDS = 30


@pytest.fixture(params=list(Engine))
def engine(request: pytest.FixtureRequest) -> Engine:
    engine: Engine = request.param
    return engine


@pytest.fixture
def key(database_server: DatabaseServer, migrated_database: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """The metadata of the innocent caller, which has an API key."""
    return bearer(key_maker(database_server, migrated_database["MYSQL_DB"])("innocent", *Role))


@contextmanager
def others_are_served(service: RunningService, metadata: tuple[tuple[str, str], ...]) -> Iterator[None]:
    """Check that memory stays below its limit during the context, and that every call of another client succeeds."""
    process = Path(f"/proc/{service.process_id}")
    stop = threading.Event()
    with grpc.insecure_channel(service.target) as channel, ThreadPoolExecutor(1) as threads:
        calls, health = GrpcDriver(channel), health_stub(channel)
        payment = calls.stub.Charge(charge(), metadata=metadata).payment

        def call_repeatedly() -> None:
            while not stop.wait(0.005):
                calls.stub.GetPayment(pb.GetPaymentRequest(payment_id=payment.payment_id), metadata=metadata)
                health.Check(health_pb2.HealthCheckRequest())

        (process / "clear_refs").write_text("5")  # resets VmHWM, the highest resident memory
        innocent = threads.submit(call_repeatedly)
        try:
            yield
        finally:
            stop.set()
        innocent.result()
    status = (process / "status").read_text()
    peak_kib = int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])
    assert peak_kib < _MAX_MEMORY_KIB


async def open_connections(port: int, count: int, addresses: int = 1) -> list[RawConnection]:
    return [await RawConnection.open(port, f"127.0.0.{2 + number % addresses}") for number in range(count)]


async def close(connections: list[RawConnection]) -> None:
    for connection in connections:
        await connection.close()


@pytest.mark.parametrize("anonymous_roles", ["payments.read", "-"], ids=["without keys", "with keys"])
@pytest.mark.parametrize("is_compressed", [False, True], ids=["plain", "compressed"])
def test_a_message_of_500_mb_is_rejected_before_it_is_received(
    start_service: Callable[..., RunningService],
    engine: Engine,
    key: tuple[tuple[str, str], ...],
    anonymous_roles: str,
    *,
    is_compressed: bool,
) -> None:
    async def attack() -> list[RawCall]:
        connections = await open_connections(service.port, 4)
        made = [connection.start(_GET, {"grpc-encoding": "gzip"}) for connection in connections]
        message = chain([prefix(_HUGE_BYTES, is_compressed=is_compressed)], repeat(bytes(MAX_CHUNK_BYTES)))
        limited = (chunk for chunk, _ in zip(message, range(_HUGE_BYTES // MAX_CHUNK_BYTES), strict=False))
        async with asyncio.timeout(_SECONDS):
            await connections[0].send(made[0], limited)
            for connection, call in zip(connections[1:], made[1:], strict=True):
                await connection.send(call, [prefix(_HUGE_BYTES, is_compressed=is_compressed)], ends=False)
            await asyncio.wait([call.outcome for call in made])
        await close(connections)
        return made

    service = start_service(GRPC_ENGINE=engine, ANONYMOUS_ROLES=anonymous_roles)
    with others_are_served(service, key):
        calls = asyncio.run(attack())
    assert [call.outcome.result() for call in calls] == ["RESOURCE_EXHAUSTED"] * len(calls)
    assert max(call.sent_bytes for call in calls) < _HUGE_BYTES / 10


@pytest.mark.parametrize("anonymous_roles", ["payments.read", "-"], ids=["without keys", "with keys"])
def test_messages_that_inflate_to_far_more_are_rejected_before_they_are_inflated(
    start_service: Callable[..., RunningService],
    engine: Engine,
    key: tuple[tuple[str, str], ...],
    anonymous_roles: str,
) -> None:
    deflater = zlib.compressobj(wbits=31)
    bomb = deflater.compress(bytes(_INFLATED_BYTES)) + deflater.flush()
    message = prefix(len(bomb), is_compressed=True) + bomb
    assert len(message) < _MAX_MESSAGE_BYTES

    async def attack() -> list[str]:
        connections = await open_connections(service.port, 10)
        made = [connection.start(_GET, {"grpc-encoding": "gzip"}) for connection in connections for _ in range(10)]
        async with asyncio.timeout(_SECONDS):
            senders = (connections[number // 10].send(call, chunks_of(message)) for number, call in enumerate(made))
            await asyncio.gather(*senders)
            outcomes = await asyncio.gather(*(call.outcome for call in made))
        await close(connections)
        return outcomes

    service = start_service(GRPC_ENGINE=engine, ANONYMOUS_ROLES=anonymous_roles)
    with others_are_served(service, key):
        outcomes = asyncio.run(attack())
    assert set(outcomes) == {"RESOURCE_EXHAUSTED"}


@pytest.mark.parametrize("connection_count", [4, _HALF_SENT_CALLS])
def test_half_sent_messages_are_rejected_when_they_take_too_much_memory(
    start_service: Callable[..., RunningService],
    engine: Engine,
    key: tuple[tuple[str, str], ...],
    connection_count: int,
) -> None:
    length = _MAX_MESSAGE_BYTES - 10
    message = prefix(length) + bytes(length - 10)

    async def attack() -> list[str]:
        connections = await open_connections(service.port, connection_count)
        made = [
            (connection, connection.start(_GET)) for connection in connections * (_HALF_SENT_CALLS // connection_count)
        ]
        async with asyncio.timeout(_SECONDS):
            await asyncio.gather(*(one.send(call, chunks_of(message), ends=False) for one, call in made))
            outcomes: list[str] = []
            pending = {call.outcome for _, call in made}
            while len(outcomes) < _REJECTED_CALLS:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                outcomes += [outcome.result() for outcome in done]
        await close(connections)
        return outcomes

    service = start_service(GRPC_ENGINE=engine)
    with others_are_served(service, key):
        outcomes = asyncio.run(attack())
    assert set(outcomes) == {"RESOURCE_EXHAUSTED"}


def test_health_watches_beyond_the_limit_are_rejected(
    start_service: Callable[..., RunningService], engine: Engine, key: tuple[tuple[str, str], ...]
) -> None:
    """The watches come in waves, because grpcio cancels calls when more than about 1,000 wait for Python."""

    async def attack() -> Counter[str]:
        connections = await open_connections(service.port, 40, _ADDRESSES)
        made: list[RawCall] = []
        async with asyncio.timeout(_SECONDS):
            for _ in range(_WAVES):
                wave = [
                    (connection, connection.start(_WATCH))
                    for connection in connections
                    for _ in range(_WATCHES_PER_WAVE // 40)
                ]
                await asyncio.gather(*(connection.send(call, [prefix(0)]) for connection, call in wave))
                await asyncio.gather(*(call.answered.wait() for _, call in wave))
                made += [call for _, call in wave]
        outcomes = Counter(call.outcome.result() if call.outcome.done() else "OPEN" for call in made)
        await close(connections)
        return outcomes

    service = start_service(GRPC_ENGINE=engine, GRPC_MAX_HEALTH_WATCHES=str(_MAX_HEALTH_WATCHES))
    with others_are_served(service, key):
        outcomes = asyncio.run(attack())
    assert set(outcomes) == {"OPEN", "RESOURCE_EXHAUSTED"}
    assert outcomes["OPEN"] == _MAX_HEALTH_WATCHES


def test_envoy_limits_how_fast_one_address_opens_health_watches(start_service: Callable[..., RunningService]) -> None:
    async def open_one_from_another_address() -> RawCall:
        connection = await RawConnection.open(service.port, "127.0.0.9")
        call = connection.start(_WATCH)
        await connection.send(call, [prefix(0)])
        async with asyncio.timeout(_SECONDS):
            await call.answered.wait()
        await connection.close()
        return call

    def rejection_by_envoy(channel: grpc.Channel) -> CallFailed:
        for _ in range(_MAX_HEALTH_WATCHES):
            watch = health_stub(channel).Watch(health_pb2.HealthCheckRequest())
            try:
                next(watch)
            except grpc.RpcError as error:
                failed = call_failed(error)  # type: ignore[arg-type]
                # The service, too, rejects some, until it has noticed that earlier ones have ended.
                if failed.message == "too many health watches are being opened; try again later":
                    return failed
            watch.cancel()
        pytest.fail("Envoy let all of them through")

    service = start_service(GRPC_ENGINE=Engine.ENVOY)
    with grpc.insecure_channel(service.target) as channel:
        failed = rejection_by_envoy(channel)
    assert (failed.code, failed.reason, failed.retry_after_seconds) == ("RESOURCE_EXHAUSTED", "TOO_MANY_WATCHES", 1)
    assert asyncio.run(open_one_from_another_address()).responses == 1
