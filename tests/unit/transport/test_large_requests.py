"""The slow work of a large request runs in the worker thread, so that other calls are answered meanwhile."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, ParamSpec, TypeVar, cast

import grpc
import httpx
import pytest
from google.type.money_pb2 import Money as MoneyMessage
from payments_client.v1 import payments_pb2 as pb
from payments_client.v1.payments_pb2_grpc import PaymentServiceStub

from server.application.event_feed import EventFeed
from server.application.health import HealthMonitor
from server.application.history import PaymentHistory
from server.application.payments import Payments
from server.config.settings import Settings
from server.domain.callers import Role
from server.domain.deadline import Deadline
from server.domain.events import EventKind, EventsPage, EventsQuery, PaymentEvent
from server.domain.listing import Page, PageQuery
from server.domain.money import Currencies, Money
from server.domain.payment import (
    ChargeOutcome,
    Payment,
    PaymentDetails,
    PaymentMethod,
    Refund,
    RefundsQuery,
    Status,
)
from server.transport.grpc.handlers import RpcHandlers
from server.transport.grpc.stream_writer import StreamWriter
from server.transport.pipeline.auth import ROLES, Authorizer, Keys
from server.transport.pipeline.calls import Calls
from server.transport.pipeline.cross_site import CrossSiteRule
from server.transport.pipeline.worker_thread import MAX_INLINE_BYTES, MAX_INLINE_ITEMS, WorkerThread
from server.transport.rest.application import http_app
from server.transport.rest.server import HttpServer
from server.transport.service.servicer import SERVICE, PaymentServicer

P = ParamSpec("P")
Result = TypeVar("Result")

TIMEOUT_SECONDS = 20
NOW = datetime(2025, 2, 7, tzinfo=UTC)
RUPEE = Money("INR", 100)
PAYMENT = Payment(
    1,
    7,
    RUPEE,
    PaymentMethod.UPI,
    "",
    Status.SUCCEEDED,
    "ECI-1",
    NOW,
    Money("INR", 0),
    is_refunded=False,
    caller="shop",
    request_id="r",
)
REFUND = Refund(1, 1, RUPEE, Status.SUCCEEDED, "", NOW, "shop", "r")
EVENT = PaymentEvent(1, EventKind.REFUNDED, NOW, PAYMENT, REFUND, "shop", "r")
CHARGE = pb.ChargeRequest(order_id=7, amount=MoneyMessage(units=1), method=pb.PAYMENT_METHOD_UPI)
CHARGE_JSON = {"orderId": "7", "amount": {"units": "1"}}


class BlockedWorkerThread(WorkerThread):
    """A worker thread that starts no long work until ``may_begin`` is set."""

    def __init__(self) -> None:
        """Block long work."""
        super().__init__()
        self.may_begin = threading.Event()

    async def run(self, is_long: bool, work: Callable[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result:  # noqa: FBT001 - as in the base class
        def wait_and_work() -> Result:
            assert self.may_begin.wait(TIMEOUT_SECONDS)
            return work(*args, **kwargs)

        return await super().run(is_long, wait_and_work) if is_long else work(*args, **kwargs)


class ManyPayments:
    """Use cases that return as many payments and refunds as a request asks for."""

    async def charge(self, _charge: object, _deadline: Deadline) -> ChargeOutcome:
        return ChargeOutcome(PAYMENT, replayed=False)

    async def charge_many(self, charges: Sequence[object], _deadline: Deadline) -> list[ChargeOutcome]:
        return [ChargeOutcome(PAYMENT, replayed=False) for _ in charges]

    async def list_payments(self, query: PageQuery, _deadline: Deadline) -> Page:
        return Page((PAYMENT,) * query.size, None, None)

    async def list_refunds(self, query: RefundsQuery, _deadline: Deadline) -> PaymentDetails:
        return PaymentDetails(PAYMENT, (REFUND,) * query.size, has_more=False)


class ManyEvents:
    """The history of a payment, with as many events as a request asks for."""

    async def list_events(self, query: EventsQuery, _deadline: Deadline) -> EventsPage:
        return EventsPage((EVENT,) * query.size, has_more=False)


@dataclass(frozen=True)
class RunningService:
    """Clients of a running service, and its worker thread."""

    http: httpx.Client
    stub: PaymentServiceStub
    worker_thread: BlockedWorkerThread


async def serve(
    worker_thread: BlockedWorkerThread, report_ports: Callable[[int, int], None], stopping: asyncio.Event
) -> None:
    """Serve ``ManyPayments`` over REST and gRPC, and report the ports."""
    authorizer = Authorizer(
        ROLES, cast("Keys", None), anonymous_roles=frozenset(Role), certificate_roles={}, requires_certificate=False
    )
    calls = Calls(100, authorizer)
    currencies = Currencies("INR", frozenset({"INR"}))
    payments = cast("Payments", ManyPayments())
    servicer = PaymentServicer(
        payments, cast("PaymentHistory", ManyEvents()), cast("EventFeed", None), currencies, worker_thread
    )
    settings = Settings(mysql_host="none")
    monitor = cast("HealthMonitor", SimpleNamespace(is_serving=True))
    rest = HttpServer(
        http_app(settings, [(SERVICE, servicer)], payments, currencies, calls, monitor, worker_thread), settings
    )
    server = grpc.aio.server()
    handlers = RpcHandlers(
        calls,
        StreamWriter(TIMEOUT_SECONDS),
        worker_thread,
        has_client_certificates=False,
        cross_site=CrossSiteRule(frozenset()),
    )
    server.add_registered_method_handlers(SERVICE.full_name, handlers.handlers_for(SERVICE, servicer))
    rest.listen("127.0.0.1", 0)
    rest_port, grpc_port = rest.port, server.add_insecure_port("127.0.0.1:0")
    await server.start()
    await rest.start()
    report_ports(rest_port, grpc_port)
    await stopping.wait()
    await asyncio.gather(rest.stop(1), server.stop(1))


@pytest.fixture
def running() -> Iterator[RunningService]:
    worker_thread = BlockedWorkerThread()
    ports: Future[tuple[int, int]] = Future()
    loop, stopping = asyncio.new_event_loop(), asyncio.Event()
    serving = serve(worker_thread, lambda *bound: ports.set_result(bound), stopping)
    thread = threading.Thread(target=loop.run_until_complete, args=(serving,))
    thread.start()
    rest_port, grpc_port = ports.result(TIMEOUT_SECONDS)
    with (
        httpx.Client(base_url=f"http://127.0.0.1:{rest_port}", timeout=TIMEOUT_SECONDS) as http,
        grpc.insecure_channel(f"127.0.0.1:{grpc_port}") as channel,
    ):
        yield RunningService(http, PaymentServiceStub(channel), worker_thread)
    worker_thread.may_begin.set()
    loop.call_soon_threadsafe(stopping.set)
    thread.join(TIMEOUT_SECONDS)
    loop.close()
    worker_thread.close()


def rest(verb: str, path: str, **parts: Any) -> Callable[[RunningService], int]:
    return lambda running: running.http.request(verb, path, **parts).status_code


def call(rpc: str, request: Any) -> Callable[[RunningService], Any]:
    return lambda running: getattr(running.stub, rpc)(request, timeout=TIMEOUT_SECONDS)


MANY = MAX_INLINE_ITEMS + 1
SMALL = [
    rest("POST", "/v1/payments/charge", json={"order_id": 7, "amount": 1}),
    rest("POST", "/v2/payments:batchCharge", json={"charges": [CHARGE_JSON] * 2}),
    rest("GET", "/v2/payments?page_size=2"),
    call("ListRefunds", pb.ListRefundsRequest(payment_id=1, page_size=2)),
    call("ListPaymentEvents", pb.ListPaymentEventsRequest(payment_id=1, page_size=2)),
    call("BatchCharge", pb.BatchChargeRequest(charges=[CHARGE] * 2)),
]
LARGE = {
    "body, /v1": rest("POST", "/v1/payments/charge", json={"order_id": 7, "amount": 1, "more": "x" * MAX_INLINE_BYTES}),
    "invalid body, /v1": rest("POST", "/v1/payments/charge", json={"order_id": ["x"]}),
    "body": rest("POST", "/v2/payments:batchCharge", content=b'{"charges":[]' + b" " * MAX_INLINE_BYTES + b"}"),
    "batch": rest("POST", "/v2/payments:batchCharge", json={"charges": [CHARGE_JSON] * MANY}),
    "page": rest("GET", f"/v2/payments?page_size={MANY}"),
    "page of refunds": rest("GET", f"/v2/payments/1/refunds?page_size={MANY}"),
    "page of events": rest("GET", f"/v2/payments/1/events?page_size={MANY}"),
    "batch, gRPC": call("BatchCharge", pb.BatchChargeRequest(charges=[CHARGE] * MANY)),
    "message, gRPC": call(
        "Charge", pb.ChargeRequest(order_id=7, amount=MoneyMessage(units=1), request_id="x" * MAX_INLINE_BYTES)
    ),
    "page, gRPC": call("ListPayments", pb.ListPaymentsRequest(page_size=MANY)),
    "page of refunds, gRPC": call("ListRefunds", pb.ListRefundsRequest(payment_id=1, page_size=MANY)),
    "page of events, gRPC": call("ListPaymentEvents", pb.ListPaymentEventsRequest(payment_id=1, page_size=MANY)),
}


@pytest.mark.parametrize("large", LARGE.values(), ids=LARGE)
def test_other_calls_are_answered_while_a_large_request_is_processed(
    running: RunningService, large: Callable[[RunningService], Any]
) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(large, running)
        for small in SMALL:
            small(running)
        with pytest.raises(TimeoutError):
            waiting.result(0.2)
        running.worker_thread.may_begin.set()
        try:
            waiting.result(TIMEOUT_SECONDS)
        except grpc.RpcError as error:
            assert error.code() is grpc.StatusCode.INVALID_ARGUMENT  # noqa: PT017
