"""Requirements on each gRPC engine beyond the contract: limits, deadlines, cancellation, unusual and slow clients."""

import itertools
import secrets
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack

import grpc
import pytest
from payments_client.v1 import payments_pb2 as pb

from server.config.grpc import Engine
from tests.support.databases import LockPaymentRows
from tests.support.drivers import http2_peer
from tests.support.drivers.calls import CallFailed, GrpcDriver, call_failed
from tests.support.drivers.http2_peer import Http2Peer
from tests.support.drivers.requests import charge, new_order_id, refund
from tests.support.metrics import metric
from tests.support.running_service import RunningService
from tests.support.waiting import wait_until

StartService = Callable[..., RunningService]

_LIST_PATH = "/payments.v1.PaymentService/ListPayments"
_PAYMENTS = 400
_CONNECTIONS = 1000
_MAX_CALLS = 30


@pytest.fixture(params=list(Engine))
def running(request: pytest.FixtureRequest, start_service: StartService) -> RunningService:
    """A server of each engine, whose low limit on concurrent calls reveals a call that is never released."""
    return start_service(GRPC_ENGINE=request.param, MAX_CONCURRENT_CALLS=str(_MAX_CALLS))


@pytest.fixture
def calls(running: RunningService) -> Iterator[GrpcDriver]:
    with grpc.insecure_channel(running.target) as channel:
        yield GrpcDriver(channel)


def failure(call: Callable[[], object]) -> CallFailed:
    with pytest.raises(grpc.RpcError) as failed:
        call()
    return call_failed(failed.value)  # type: ignore[arg-type]


def charge_many(calls: GrpcDriver, count: int) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: calls.charge(charge()), range(count)))


def test_a_request_is_accepted_up_to_the_message_size_limit(calls: GrpcDriver) -> None:
    for size, code in (((1 << 20) - 64, "INVALID_ARGUMENT"), ((1 << 20) + 64, "RESOURCE_EXHAUSTED")):
        request = pb.RefundRequest(payment_id=1, reason="x" * size)
        assert failure(lambda request=request: calls.stub.Refund(request)).code == code  # type: ignore[misc]
    calls.charge(charge())


def test_metadata_above_the_limit_is_rejected_without_harm(calls: GrpcDriver, running: RunningService) -> None:
    # Envoy closes the connection far above the limit.
    far_above = "UNAVAILABLE" if running.engine is Engine.ENVOY else "RESOURCE_EXHAUSTED"
    for size, code in ((30_000, "RESOURCE_EXHAUSTED"), (1_000_000, far_above)):
        metadata = (("x-large", "x" * size),)
        failed = failure(lambda metadata=metadata: calls.stub.Charge(charge(), metadata=metadata))  # type: ignore[misc]
        assert failed.code == code
    calls.stub.Charge(charge(), metadata=(("x-small", "x" * 4_000),), wait_for_ready=True)


def test_a_call_ends_at_its_deadline_and_its_started_work_completes(
    calls: GrpcDriver, lock_payments_table: Callable[[], AbstractContextManager[None]]
) -> None:
    request = charge(request_id=secrets.token_hex(8))
    with lock_payments_table():
        started = time.monotonic()
        assert failure(lambda: calls.stub.Charge(request, timeout=0.3)).code == "DEADLINE_EXCEEDED"
        assert time.monotonic() - started < 10
    assert calls.charge(request).payment.order_id == request.order_id
    listed = calls.list_payments(pb.ListPaymentsRequest(filter=pb.PaymentFilter(order_id=request.order_id)))
    assert len(listed.payments) == 1


def test_cancelled_calls_no_longer_count_as_in_flight(
    calls: GrpcDriver, running: RunningService, lock_payments_table: Callable[[], AbstractContextManager[None]]
) -> None:
    with lock_payments_table():
        for _ in range(3):
            futures = [calls.stub.Charge.future(charge()) for _ in range(_MAX_CALLS)]
            wait_until(lambda: metric(running, "payments_calls_in_progress") == _MAX_CALLS)
            for future in futures:
                future.cancel()
            # Not at once with Envoy, where the service has to look for clients that have left.
            wait_until(lambda: metric(running, "payments_calls_in_progress") == 0)
    charge_many(calls, 16)
    assert [event for event in running.events if event.get("code") == "CANCELLED"]
    assert not [event for event in running.events if event.get("code") == "RESOURCE_EXHAUSTED"]


def test_a_large_response_arrives_complete_through_small_windows(calls: GrpcDriver, running: RunningService) -> None:
    charge_many(calls, _PAYMENTS)
    with Http2Peer(running.port, {http2_peer.INITIAL_WINDOW_SIZE: 1_000}) as peer:
        peer.request(_LIST_PATH, pb.ListPaymentsRequest(page_size=_PAYMENTS).SerializeToString(), stream=1)
        message = b""
        for frame in peer.frames():
            if frame.kind == http2_peer.DATA and frame.payload:
                assert len(frame.payload) <= 1_000
                message += frame.payload
                for stream in (0, 1):
                    peer.send(http2_peer.WINDOW_UPDATE, len(frame.payload).to_bytes(4, "big"), stream=stream)
            if frame.stream == 1 and frame.flags & http2_peer.END_STREAM:
                break
    assert len(pb.ListPaymentsResponse.FromString(message[5:]).payments) == _PAYMENTS


def test_clients_that_never_read_block_nobody(calls: GrpcDriver, running: RunningService) -> None:
    charge_many(calls, _PAYMENTS)
    request = pb.ListPaymentsRequest(page_size=_PAYMENTS).SerializeToString()
    with ExitStack() as stack:
        for _ in range(20):
            peer = stack.enter_context(Http2Peer(running.port, {http2_peer.INITIAL_WINDOW_SIZE: 0}))
            peer.request(_LIST_PATH, request, stream=1)
        charge_many(calls, 50)
        assert len(calls.list_payments(pb.ListPaymentsRequest(page_size=_PAYMENTS)).payments) == _PAYMENTS


def test_a_ping_is_acknowledged(running: RunningService) -> None:
    with Http2Peer(running.port) as peer:
        peer.send(http2_peer.PING, b"12345678")
        response = next(
            frame for frame in peer.frames() if frame.kind == http2_peer.PING and frame.flags & http2_peer.ACK
        )
    assert response.payload == b"12345678"


def test_a_thousand_connections_are_served_and_released(calls: GrpcDriver, running: RunningService) -> None:
    order_id = new_order_id()
    request = pb.ListPaymentsRequest(filter=pb.PaymentFilter(order_id=order_id)).SerializeToString()
    with ExitStack() as stack:
        peers = [stack.enter_context(Http2Peer(running.port)) for _ in range(_CONNECTIONS)]
        calls.charge(charge(order_id))
        for peer in peers[:: _CONNECTIONS // 10]:
            peer.request(_LIST_PATH, request, stream=1)
            assert any(frame.kind == http2_peer.DATA and frame.payload for frame in _frames_to_end(peer))
    calls.charge(charge(order_id))


def test_connections_that_close_at_any_step_do_no_harm(calls: GrpcDriver, running: RunningService) -> None:
    request = pb.ListPaymentsRequest().SerializeToString()
    for step in range(4):
        for _ in range(25):
            if step == 0:
                socket.create_connection(("127.0.0.1", running.port)).close()
                continue
            with Http2Peer(running.port) as peer:
                if step > 1:
                    peer.request(_LIST_PATH, request, stream=1)
                if step > 2:
                    peer.send(http2_peer.RST_STREAM, (8).to_bytes(4, "big"), stream=1)
    charge_many(calls, 16)


def test_a_drain_sends_goaway_and_completes_calls_in_flight(
    calls: GrpcDriver, running: RunningService, lock_payment_rows: LockPaymentRows
) -> None:
    payment = calls.charge(charge()).payment
    with Http2Peer(running.port) as idle, ThreadPoolExecutor(1) as threads:
        with lock_payment_rows() as wait_until_blocked:
            refund_call = threads.submit(calls.refund, refund(payment.payment_id))
            wait_until_blocked(refund_call)
            running.send(signal.SIGTERM)
            running.wait_for("draining")
            if running.engine is Engine.ENVOY:  # which tells clients with the next response to them
                idle.request(_LIST_PATH, b"", stream=1)
        assert refund_call.result().payment.refund_state == pb.REFUND_STATE_FULL
        kinds = [frame.kind for frame in idle.frames()]
        assert http2_peer.GOAWAY in kinds
        assert running.wait() == 0


def test_a_connection_serves_1500_calls_in_a_row(calls: GrpcDriver) -> None:
    order_id = new_order_id()
    for number in itertools.count(1):
        calls.charge(charge(order_id))
        if number == 1_500:  # more than the concurrent streams of a connection
            break
    request = pb.ListPaymentsRequest(filter=pb.PaymentFilter(order_id=order_id), page_size=1, include_total_size=True)
    assert calls.list_payments(request).total_size == 1_500


def _frames_to_end(peer: Http2Peer) -> Iterator[http2_peer.Frame]:
    for frame in peer.frames():
        yield frame
        if frame.stream and frame.flags & http2_peer.END_STREAM:
            return
