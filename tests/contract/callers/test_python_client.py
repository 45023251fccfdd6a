"""The blocking and the asyncio Python client, against a running service and a fake that fails on demand."""

import asyncio
import itertools
import re
import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator
from concurrent import futures
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import grpc
import payments_client
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2
from google.type.money_pb2 import Money
from payments_client import AsyncPaymentsClient, PaymentMethod, PaymentsClient, PaymentStatus, RefundState
from payments_client.v1 import payments_pb2 as pb
from payments_client.v1.payments_pb2_grpc import PaymentServiceServicer, add_PaymentServiceServicer_to_server

from tests.support.running_service import RunningService

ROOT = Path(__file__).parents[3]

P = ParamSpec("P")
R = TypeVar("R")


# One interface for both clients


class BlockingClient:
    """The asyncio client behind blocking calls, so that one test serves both clients."""

    def __init__(self, runner: asyncio.Runner, client: AsyncPaymentsClient) -> None:
        """Run the calls of ``client`` in the loop of ``runner``."""
        self.charge = _blocking(runner, client.charge)
        self.batch_charge = _blocking(runner, client.batch_charge)
        self.refund = _blocking(runner, client.refund)
        self.get_payment = _blocking(runner, client.get_payment)
        self.list_refunds = _blocking_iterator(runner, client.list_refunds)
        self.list_refunds_page = _blocking(runner, client.list_refunds_page)
        self.list_payments = _blocking_iterator(runner, client.list_payments)
        self.list_payments_page = _blocking(runner, client.list_payments_page)
        self.list_payment_events = _blocking_iterator(runner, client.list_payment_events)
        self.list_payment_events_page = _blocking(runner, client.list_payment_events_page)
        self.watch_payments = _blocking_iterator(runner, client.watch_payments)
        self.close = _blocking(runner, client.close)


def _blocking(runner: asyncio.Runner, call: Callable[P, Coroutine[object, object, R]]) -> Callable[P, R]:
    def blocking(*args: P.args, **kwargs: P.kwargs) -> R:
        return runner.run(call(*args, **kwargs))

    return blocking


def _blocking_iterator(runner: asyncio.Runner, call: Callable[P, AsyncIterator[R]]) -> Callable[P, Iterator[R]]:
    async def next_item(iterator: AsyncIterator[R]) -> R:
        return await anext(iterator)

    def walk(iterator: AsyncIterator[R]) -> Iterator[R]:
        with suppress(StopAsyncIteration):
            while True:
                yield runner.run(next_item(iterator))

    def blocking(*args: P.args, **kwargs: P.kwargs) -> Iterator[R]:
        return walk(call(*args, **kwargs))

    return blocking


Client = PaymentsClient | BlockingClient


@dataclass(frozen=True)
class ClientFactory:
    """Creates blocking or asyncio clients, and closes them when the test ends."""

    kind: str
    stack: ExitStack

    def __call__(
        self,
        target: str,
        *,
        timeout_seconds: float = 10,
        credentials: grpc.ChannelCredentials | None = None,
        api_key: str | None = None,
        user_agent: str = "",
    ) -> Client:
        """Return a client of the service at ``target``."""
        if self.kind == "blocking":
            return self.stack.enter_context(
                PaymentsClient(
                    target,
                    timeout_seconds=timeout_seconds,
                    credentials=credentials,
                    api_key=api_key,
                    user_agent=user_agent,
                )
            )

        async def create() -> AsyncPaymentsClient:
            return AsyncPaymentsClient(
                target,
                timeout_seconds=timeout_seconds,
                credentials=credentials,
                api_key=api_key,
                user_agent=user_agent,
            )

        runner = self.stack.enter_context(asyncio.Runner())
        client = BlockingClient(runner, runner.run(create()))
        self.stack.callback(client.close)
        return client


@pytest.fixture(params=["blocking", "asyncio"])
def connect(request: pytest.FixtureRequest) -> Iterator[ClientFactory]:
    with ExitStack() as stack:
        yield ClientFactory(request.param, stack)


@pytest.fixture
def client(connect: ClientFactory, service: RunningService) -> Client:
    return connect(service.target)


@pytest.fixture
def order_id() -> int:
    """Return an order id that no other test uses."""
    return secrets.randbelow(2**62) + 1


# Charges


def test_a_charge_returns_a_payment_with_python_types(client: Client, order_id: int) -> None:
    payment = client.charge(order_id=order_id, amount=Decimal("561.50"), method=PaymentMethod.UPI)
    assert payment.payment_id >= 1
    assert payment.order_id == order_id
    assert (str(payment.amount), payment.currency) == ("561.50", "INR")
    assert payment.method is PaymentMethod.UPI
    assert payment.status is PaymentStatus.SUCCEEDED
    assert payment.reference
    assert payment.create_time is not None
    assert payment.create_time.tzinfo is UTC
    assert abs(datetime.now(UTC) - payment.create_time) < timedelta(minutes=1)
    assert (str(payment.refunded_amount), payment.refund_state) == ("0.00", RefundState.NONE)


def test_a_declined_charge_is_a_failed_payment_and_not_an_error(client: Client, order_id: int) -> None:
    payment = client.charge(order_id=order_id, amount=Decimal(1), method=PaymentMethod.CARD)
    assert payment.status is PaymentStatus.FAILED


def test_a_charge_can_have_another_currency(client: Client, order_id: int) -> None:
    payment = client.charge(order_id=order_id, amount=Decimal("0.10"), currency="USD", method=PaymentMethod.COD)
    assert (payment.amount, payment.currency) == (Decimal("0.10"), "USD")


def test_a_payment_has_the_callers_own_names_and_is_found_by_them(client: Client, order_id: int) -> None:
    payment = client.charge(
        amount=Decimal(5),
        request_id=f"request-{order_id}",
        external_reference=f"ORD-{order_id}",
        customer_id=f"customer-{order_id}",
        labels={"channel": "web"},
        payment_source="sim_declined",
    )
    assert (payment.order_id, payment.external_reference) == (0, f"ORD-{order_id}")
    assert (payment.customer_id, payment.labels) == (f"customer-{order_id}", {"channel": "web"})
    assert (payment.caller, payment.request_id) == ("anonymous", f"request-{order_id}")
    assert payment.failure is payments_client.Failure.DECLINED
    assert client.get_payment(request_id=f"request-{order_id}").payment == payment
    assert list(client.list_payments(request_id=f"request-{order_id}")) == [payment]
    assert list(client.list_payments(external_reference=f"ORD-{order_id}")) == [payment]
    assert list(client.list_payments(customer_id=f"customer-{order_id}", caller="anonymous")) == [payment]


def test_an_order_with_a_pending_payment_is_not_charged_again_on_request(client: Client, order_id: int) -> None:
    pending = client.charge(order_id=order_id, amount=Decimal(5), payment_source="sim_pending_5s")
    with pytest.raises(payments_client.OrderHasPendingPayment) as raised:
        client.charge(order_id=order_id, amount=Decimal(5), unless_pending=True)
    assert raised.value.payment_id == pending.payment_id


def test_a_charge_that_the_payer_must_approve_has_a_next_action(client: Client, order_id: int) -> None:
    payment = client.charge(
        order_id=order_id,
        amount=Decimal(5),
        payment_source="sim_approval_5s",
        return_url="https://shop.example/orders/1",
    )
    assert payment.next_action is not None
    assert payment.create_time is not None
    assert payment.next_action == payments_client.NextAction(
        type=payments_client.NextActionType.REDIRECT,
        redirect_url=f"https://payments.example/approve/{payment.reference}",
        expire_time=payment.create_time + timedelta(seconds=5),
    )
    assert (payment.status, payment.dispute) == (PaymentStatus.PENDING, None)


def test_an_invalid_return_url_is_rejected(client: Client, order_id: int) -> None:
    for source, url in (("sim_success", "http://shop.example"), ("", "https://shop.example")):
        with pytest.raises(payments_client.InvalidRequest) as raised:
            client.charge(order_id=order_id, amount=Decimal(5), payment_source=source, return_url=url)
        assert [violation.field for violation in raised.value.violations] == ["return_url"]


def test_another_callers_request_id_needs_a_role(client: Client) -> None:
    with pytest.raises(payments_client.PermissionDenied):
        client.get_payment(request_id="order-342", caller="another shop")


def test_the_same_request_id_charges_once(client: Client, order_id: int) -> None:
    first, second = (
        client.charge(order_id=order_id, amount=Decimal(5), method=PaymentMethod.UPI, request_id=f"order-{order_id}")
        for _ in range(2)
    )
    assert first == second
    assert [payment.payment_id for payment in client.list_payments(order_id=order_id)] == [first.payment_id]


def test_two_charges_without_a_request_id_are_two_payments(client: Client, order_id: int) -> None:
    first, second = (client.charge(order_id=order_id, amount=Decimal(5), method=PaymentMethod.UPI) for _ in range(2))
    assert first.payment_id != second.payment_id


def test_the_same_request_id_with_other_arguments_is_an_error(client: Client, order_id: int) -> None:
    request_id = f"order-{order_id}"
    client.charge(order_id=order_id, amount=Decimal(5), method=PaymentMethod.UPI, request_id=request_id)
    with pytest.raises(payments_client.RequestIdReused) as raised:
        client.charge(order_id=order_id, amount=Decimal(6), method=PaymentMethod.UPI, request_id=request_id)
    assert raised.value.code is grpc.StatusCode.ALREADY_EXISTS
    assert raised.value.reason == "REQUEST_ID_REUSED"
    assert raised.value.request_id == request_id


def test_an_invalid_charge_names_every_invalid_field(client: Client) -> None:
    with pytest.raises(payments_client.InvalidRequest) as raised:
        client.charge(order_id=0, amount=Decimal("10.50"), currency="JPY", request_id="")
    fields = [violation.field for violation in raised.value.violations]
    assert sorted(each.partition(".")[0] for each in fields) == ["amount", "order_id", "request_id"]
    assert all(violation.description for violation in raised.value.violations)
    assert raised.value.reason == "INVALID_REQUEST"
    assert raised.value.call_id


def test_an_inexact_amount_is_rejected_before_a_request_is_sent(client: Client, order_id: int) -> None:
    for amount, kind in ((10.0, TypeError), (10, TypeError), (Decimal("0.00001"), ValueError)):
        with pytest.raises(kind, match="amount must"):
            client.charge(order_id=order_id, amount=amount)  # type: ignore[arg-type]
    assert list(client.list_payments(order_id=order_id)) == []


# Batches


def test_a_batch_returns_a_payment_or_an_error_for_each_charge(client: Client, order_id: int) -> None:
    request_id = f"batch-{order_id}"
    charged_payment, rejected, reused = client.batch_charge(
        [
            payments_client.NewCharge(
                order_id=order_id, amount=Decimal("5.00"), method=PaymentMethod.UPI, request_id=f"batch-{order_id}"
            ),
            payments_client.NewCharge(order_id=0, amount=Decimal("-1.00")),
            payments_client.NewCharge(order_id=order_id, amount=Decimal("6.00"), request_id=request_id),
        ]
    )
    assert isinstance(charged_payment, payments_client.Payment)
    assert (charged_payment.amount, charged_payment.status) == (Decimal("5.00"), "SUCCEEDED")
    assert isinstance(rejected, payments_client.InvalidRequest)
    assert [violation.field for violation in rejected.violations] == ["order_id", "amount"]
    assert rejected.request_id
    assert rejected.call_id
    assert isinstance(reused, payments_client.RequestIdReused)
    assert (reused.reason, reused.request_id) == ("REQUEST_ID_REUSED", request_id)
    assert [payment.payment_id for payment in client.list_payments(order_id=order_id)] == [charged_payment.payment_id]


def test_an_empty_batch_is_invalid(client: Client) -> None:
    with pytest.raises(payments_client.InvalidRequest):
        client.batch_charge([])


# Refunds


def test_a_payment_can_be_refunded_in_parts_and_then_in_full(client: Client, order_id: int) -> None:
    payment_id = client.charge(order_id=order_id, amount=Decimal(10), method=PaymentMethod.UPI).payment_id
    partial = client.refund(payment_id=payment_id, amount=Decimal("2.50"), reason="damaged")
    assert partial.refund is not None
    assert (partial.refund.payment_id, partial.refund.reason) == (payment_id, "damaged")
    assert (str(partial.refund.amount), partial.refund.currency) == ("2.50", "INR")
    assert partial.refund.status is payments_client.RefundStatus.SUCCEEDED
    assert partial.refund.create_time.tzinfo is UTC
    assert (str(partial.payment.refunded_amount), partial.payment.refund_state) == ("2.50", RefundState.PARTIAL)
    rest = client.refund(payment_id=payment_id)
    assert rest.refund is not None
    assert rest.refund.amount == Decimal("7.50")
    assert (rest.payment.refunded_amount, rest.payment.refund_state) == (Decimal(10), RefundState.FULL)
    details = client.get_payment(payment_id=payment_id)
    assert details == payments_client.PaymentDetails(payment=rest.payment, refunds=(partial.refund, rest.refund))


def test_the_same_request_id_refunds_once(client: Client, order_id: int) -> None:
    payment_id = client.charge(order_id=order_id, amount=Decimal(10), method=PaymentMethod.UPI).payment_id
    first, second = (
        client.refund(payment_id=payment_id, amount=Decimal(4), request_id=f"refund-{order_id}") for _ in range(2)
    )
    assert first == second
    assert second.payment.refunded_amount == Decimal(4)


def test_a_refund_above_the_remaining_amount_is_an_error(client: Client, order_id: int) -> None:
    payment_id = client.charge(order_id=order_id, amount=Decimal(10), method=PaymentMethod.UPI).payment_id
    with pytest.raises(payments_client.RefundExceedsPayment):
        client.refund(payment_id=payment_id, amount=Decimal("10.01"))


def test_a_failed_payment_cannot_be_refunded(client: Client, order_id: int) -> None:
    payment_id = client.charge(order_id=order_id, amount=Decimal(10), method=PaymentMethod.CARD).payment_id
    with pytest.raises(payments_client.PaymentFailed):
        client.refund(payment_id=payment_id)


def test_an_unknown_payment_is_not_found(client: Client) -> None:
    for find in (
        lambda: client.refund(payment_id=2**62),
        lambda: client.get_payment(payment_id=2**62),
        lambda: client.get_payment(reference="no-such-reference"),
        lambda: list(client.list_refunds(payment_id=2**62)),
        lambda: client.list_refunds_page(payment_id=2**62),
        lambda: list(client.list_payment_events(payment_id=2**62)),
        lambda: client.list_payment_events_page(payment_id=2**62),
    ):
        with pytest.raises(payments_client.PaymentNotFound):
            find()


def refund_in_parts(client: Client, order_id: int, count: int) -> tuple[int, list[payments_client.Refund]]:
    """Create a payment, refund it ``count`` times, and return its id and the refunds."""
    payment_id = client.charge(order_id=order_id, amount=Decimal(10_000), method=PaymentMethod.UPI).payment_id
    results = [client.refund(payment_id=payment_id, amount=Decimal(number)) for number in range(1, count + 1)]
    return payment_id, [result.refund for result in results if result.refund is not None]


def test_refunds_are_listed_over_all_pages_oldest_first(client: Client, order_id: int) -> None:
    payment_id, refunds = refund_in_parts(client, order_id, 5)
    assert list(client.list_refunds(payment_id=payment_id, page_size=2)) == refunds
    assert list(client.list_refunds(payment_id=payment_id)) == refunds


def test_a_page_of_refunds_has_a_token_for_the_next_page(client: Client, order_id: int) -> None:
    payment_id, refunds = refund_in_parts(client, order_id, 3)
    first = client.list_refunds_page(payment_id=payment_id, page_size=2)
    assert list(first.refunds) == refunds[:2]
    second = client.list_refunds_page(payment_id=payment_id, page_size=2, page_token=first.next_page_token)
    assert second == payments_client.RefundPage(refunds=(refunds[2],), next_page_token="")
    assert list(client.list_refunds(payment_id=payment_id, page_token=first.next_page_token)) == refunds[2:]
    with pytest.raises(payments_client.InvalidRequest) as raised:
        client.list_refunds_page(payment_id=payment_id + 1, page_token=first.next_page_token)
    assert [violation.field for violation in raised.value.violations] == ["page_token"]


def test_a_payment_with_many_refunds_has_the_first_ones_and_a_token_for_the_rest(client: Client, order_id: int) -> None:
    payment_id, refunds = refund_in_parts(client, order_id, 103)
    details = client.get_payment(payment_id=payment_id)
    assert list(details.refunds) == refunds[:100]
    rest = client.list_refunds(payment_id=payment_id, page_size=2, page_token=details.next_refunds_page_token)
    assert list(rest) == refunds[100:]


def test_the_events_of_a_payment_are_listed_over_all_pages_oldest_first(client: Client, order_id: int) -> None:
    payment_id, refunds = refund_in_parts(client, order_id, 3)
    events = list(client.list_payment_events(payment_id=payment_id, page_size=2))
    assert [event.type for event in events] == ["CHARGED", "REFUNDED", "REFUNDED", "REFUNDED"]
    assert [event.refund for event in events] == [None, *refunds]
    assert [event.payment.refunded_amount for event in events] == [Decimal(total) for total in (0, 1, 3, 6)]
    first = client.list_payment_events_page(payment_id=payment_id, page_size=3)
    rest = client.list_payment_events_page(payment_id=payment_id, page_token=first.next_page_token)
    assert (*first.events, *rest.events) == tuple(events)
    assert rest.next_page_token == ""
    assert list(client.list_payment_events(payment_id=payment_id, page_token=first.next_page_token)) == events[3:]


# Finding payments


def test_a_payment_is_found_by_its_reference(client: Client, order_id: int) -> None:
    payment = client.charge(order_id=order_id, amount=Decimal(10), method=PaymentMethod.UPI)
    assert client.get_payment(reference=payment.reference) == payments_client.PaymentDetails(
        payment=payment, refunds=()
    )


def test_a_list_covers_all_pages_newest_first_or_oldest_first(client: Client, order_id: int) -> None:
    charged = [
        client.charge(order_id=order_id, amount=Decimal(amount), method=PaymentMethod.UPI) for amount in range(1, 8)
    ]
    assert list(client.list_payments(order_id=order_id, page_size=2)) == charged[::-1]
    assert list(client.list_payments(order_id=order_id, page_size=2, order_by="create_time asc")) == charged
    assert list(client.list_payments(order_id=order_id)) == charged[::-1]


def test_a_page_has_a_token_for_the_next_page_and_a_total_on_request(client: Client, order_id: int) -> None:
    for _ in range(3):
        client.charge(order_id=order_id, amount=Decimal(1), method=PaymentMethod.UPI)
    first = client.list_payments_page(order_id=order_id, page_size=2, include_total_size=True)
    assert (len(first.payments), first.total_size) == (2, 3)
    second = client.list_payments_page(order_id=order_id, page_size=2, page_token=first.next_page_token)
    assert (len(second.payments), second.next_page_token, second.total_size) == (1, "", None)
    with pytest.raises(payments_client.InvalidRequest) as raised:
        client.list_payments_page(order_id=order_id + 1, page_token=first.next_page_token)
    assert [violation.field for violation in raised.value.violations] == ["page_token"]


def test_a_list_contains_the_payments_that_match_every_condition(client: Client, order_id: int) -> None:
    upi = client.charge(order_id=order_id, amount=Decimal(10), method=PaymentMethod.UPI)
    card = client.charge(order_id=order_id, amount=Decimal(20), method=PaymentMethod.CARD)
    cod = client.charge(order_id=order_id, amount=Decimal(30), method=PaymentMethod.COD)
    cod = client.refund(payment_id=cod.payment_id, amount=Decimal(1)).payment
    assert upi.create_time is not None
    assert cod.create_time is not None

    def list_with(**conditions: Any) -> list[payments_client.Payment]:  # noqa: ANN401 - the conditions are typed where they are defined
        return list(client.list_payments(order_id=order_id, order_by="create_time asc", **conditions))

    assert list_with() == [upi, card, cod]
    assert list_with(methods=[PaymentMethod.UPI, PaymentMethod.COD]) == [upi, cod]
    assert list_with(statuses=[PaymentStatus.FAILED]) == [card]
    assert list_with(refund_states=[RefundState.PARTIAL]) == [cod]
    assert list_with(reference=card.reference) == [card]
    assert list_with(min_amount=Decimal(20)) == [card, cod]
    assert list_with(min_amount=Decimal(20), max_amount=Decimal("29.99"), currency="INR") == [card]
    assert list_with(max_amount=Decimal(30), currency="USD") == []
    assert list_with(min_create_time=cod.create_time) == [cod]
    assert list_with(max_create_time=upi.create_time) == [upi]
    assert list_with(methods=[PaymentMethod.UPI], statuses=[PaymentStatus.FAILED]) == []


def test_conditions_of_invalid_types_are_rejected_when_the_list_is_requested(client: Client) -> None:
    with pytest.raises(ValueError, match="min_create_time must be aware"):
        client.list_payments(min_create_time=datetime(2025, 1, 1))  # noqa: DTZ001 - the test needs a naive time
    with pytest.raises(TypeError, match="min_amount must be a decimal"):
        client.list_payments(min_amount=1.0)  # type: ignore[arg-type]


def test_conditions_that_the_service_rejects_fail_during_iteration(client: Client) -> None:
    iterator = client.list_payments(order_by="amount")
    with pytest.raises(payments_client.InvalidRequest) as raised:
        next(iterator)
    assert [violation.field for violation in raised.value.violations] == ["order_by"]


def test_both_clients_return_equal_payments(service: RunningService, order_id: int) -> None:
    with PaymentsClient(service.target) as blocking:
        charged = blocking.charge(order_id=order_id, amount=Decimal("561.00"), method=PaymentMethod.UPI)

    async def find() -> list[payments_client.Payment]:
        async with AsyncPaymentsClient(service.target) as client:
            return [payment async for payment in client.list_payments(order_id=order_id)]

    assert asyncio.run(find()) == [charged]


@pytest.mark.asyncio
async def test_many_tasks_share_one_client(service: RunningService, order_id: int) -> None:
    async with AsyncPaymentsClient(service.target) as client:
        charged = await asyncio.gather(
            *(client.charge(order_id=order_id, amount=Decimal(1), method=PaymentMethod.UPI) for _ in range(50))
        )
        listed = [payment.payment_id async for payment in client.list_payments(order_id=order_id, page_size=20)]
    assert sorted(listed) == sorted(payment.payment_id for payment in charged)
    assert len(set(listed)) == 50


def test_many_threads_share_one_client(service: RunningService, order_id: int) -> None:
    with PaymentsClient(service.target) as client, futures.ThreadPoolExecutor(8) as threads:
        charged = list(
            threads.map(
                lambda _: client.charge(order_id=order_id, amount=Decimal(1), method=PaymentMethod.UPI), range(50)
            )
        )
        listed = [payment.payment_id for payment in client.list_payments(order_id=order_id, page_size=20)]
    assert sorted(listed) == sorted(payment.payment_id for payment in charged)


# Watching


def next_event(updates: Iterator[payments_client.PaymentUpdate]) -> payments_client.PaymentEvent:
    """Return the next event, and skip heartbeats."""
    return next(update.event for update in updates if update.event is not None)


def test_a_watch_returns_the_events_of_a_payment_in_order(client: Client, order_id: int) -> None:
    updates = client.watch_payments()
    first_update = next(updates)
    assert first_update.event is None
    assert first_update.resume_token
    payment = client.charge(order_id=order_id, amount=Decimal(10), method=PaymentMethod.UPI, request_id=f"c{order_id}")
    refunded = client.refund(payment_id=payment.payment_id, amount=Decimal(4), request_id=f"r{order_id}")
    seen = itertools.islice(
        (update.event for update in updates if update.event and update.event.payment.payment_id == payment.payment_id),
        2,
    )
    charged_event, refund_event = list(seen)
    assert charged_event == payments_client.PaymentEvent(
        type=payments_client.PaymentEventType.CHARGED,
        event_time=payment.create_time,
        payment=payment,
        refund=None,
        caller="anonymous",
        request_id=f"c{order_id}",
    )
    assert refunded.refund is not None
    assert refund_event == payments_client.PaymentEvent(
        type=payments_client.PaymentEventType.REFUNDED,
        event_time=refunded.refund.create_time,
        payment=refunded.payment,
        refund=refunded.refund,
        caller="anonymous",
        request_id=f"r{order_id}",
    )
    resumed = client.watch_payments(resume_token=first_update.resume_token)
    events = (
        update.event for update in resumed if update.event and update.event.payment.payment_id == payment.payment_id
    )
    assert list(itertools.islice(events, 2)) == [charged_event, refund_event]


def test_a_watch_returns_only_the_events_that_match_its_filter(client: Client, order_id: int) -> None:
    token = next(client.watch_payments()).resume_token
    payment = client.charge(order_id=order_id, amount=Decimal(10), method=PaymentMethod.UPI)
    client.charge(order_id=order_id + 1, amount=Decimal(10), method=PaymentMethod.UPI)
    client.refund(payment_id=payment.payment_id)
    updates = client.watch_payments(resume_token=token, order_id=order_id)
    assert [next_event(updates).type for _ in range(2)] == ["CHARGED", "REFUNDED"]
    refunds = client.watch_payments(
        resume_token=token, order_id=order_id, types=[payments_client.PaymentEventType.REFUNDED]
    )
    assert next_event(refunds).payment.payment_id == payment.payment_id


def test_an_altered_resume_token_is_rejected(client: Client) -> None:
    token = next(client.watch_payments()).resume_token
    with pytest.raises(payments_client.InvalidRequest) as raised:
        next(client.watch_payments(resume_token=token[:-1] + ("A" if token[-1] != "A" else "B")))
    assert [violation.field for violation in raised.value.violations] == ["resume_token"]


def test_a_watch_resumes_after_the_service_was_killed_and_misses_nothing(
    connect: ClientFactory, start_service: Callable[..., RunningService], order_id: int
) -> None:
    service = start_service()
    client = connect(service.target, timeout_seconds=30)
    updates = client.watch_payments()
    next(updates)
    first = client.charge(order_id=order_id, amount=Decimal(1), method=PaymentMethod.UPI)
    assert next_event(updates).payment == first
    service.kill()
    service.start()
    second = client.charge(order_id=order_id, amount=Decimal(2), method=PaymentMethod.UPI)
    assert next_event(updates).payment == second


# A service that restarts


StartService = Callable[..., RunningService]


def test_a_charge_sent_while_the_service_is_down_succeeds_once_after_its_restart(
    connect: ClientFactory, start_service: StartService, order_id: int
) -> None:
    service = start_service()
    client = connect(service.target)
    before = client.charge(order_id=order_id, amount=Decimal(1), method=PaymentMethod.UPI)
    service.stop()
    restart = threading.Timer(3, service.start)
    restart.start()
    try:
        started_seconds = time.monotonic()
        payment = client.charge(order_id=order_id, amount=Decimal(2), method=PaymentMethod.UPI, timeout_seconds=30)
        assert time.monotonic() - started_seconds >= 3
    finally:
        restart.join()
    assert list(client.list_payments(order_id=order_id)) == [payment, before]


def restart_after_a_kill(service: RunningService) -> None:
    """Kill the service, wait for a second, and start it again."""
    service.kill()
    time.sleep(1)
    service.start()


def assert_each_charge_is_stored_once(target: str, order_id: int, charged: set[int]) -> None:
    """Assert that the order has exactly the charged payments, with the amounts 1 to 300."""
    with PaymentsClient(target) as client:
        listed = list(client.list_payments(order_id=order_id, page_size=100))
    assert {payment.payment_id for payment in listed} == charged
    assert sorted(payment.amount for payment in listed if payment.amount is not None) == list(range(1, 301))


def test_concurrent_charges_of_threads_that_a_kill_interrupts_are_each_stored_once(
    start_service: StartService, order_id: int
) -> None:
    service = start_service()
    with PaymentsClient(service.target, timeout_seconds=60) as client, futures.ThreadPoolExecutor(16) as threads:
        charges = [
            threads.submit(client.charge, order_id=order_id, amount=Decimal(number), method=PaymentMethod.UPI)
            for number in range(1, 301)
        ]
        next(futures.as_completed(charges))
        restart_after_a_kill(service)
        assert not all(charge.done() for charge in charges), "the kill came too late to interrupt any charge"
        charged = {charge.result().payment_id for charge in charges}
    assert_each_charge_is_stored_once(service.target, order_id, charged)


@pytest.mark.asyncio
async def test_concurrent_charges_of_tasks_that_a_kill_interrupts_are_each_stored_once(
    start_service: StartService, order_id: int
) -> None:
    service = start_service()
    async with AsyncPaymentsClient(service.target, timeout_seconds=60) as client:
        charges = [
            asyncio.create_task(client.charge(order_id=order_id, amount=Decimal(number), method=PaymentMethod.UPI))
            for number in range(1, 301)
        ]
        await asyncio.wait(charges, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.to_thread(restart_after_a_kill, service)
        charged = {payment.payment_id for payment in await asyncio.gather(*charges)}
    await asyncio.to_thread(assert_each_charge_is_stored_once, service.target, order_id, charged)


# A fake service that fails on demand


def failure(
    code: grpc.StatusCode, reason: str = "", retry_after_seconds: float | None = None
) -> tuple[grpc.StatusCode, tuple[tuple[str, str | bytes], ...]]:
    """Return a status with the trailers that the service sends with it."""
    status = status_pb2.Status(code=code.value[0])
    trailers: list[tuple[str, str | bytes]] = [("x-request-id", "call-1")]
    if reason:
        status.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, domain="payments"))
    if retry_after_seconds is not None:
        nanos = round(retry_after_seconds * 1e9)
        delay = Duration(seconds=nanos // 10**9, nanos=nanos % 10**9)
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
        trailers.append(("grpc-retry-pushback-ms", str(round(retry_after_seconds * 1000))))
    return code, (*trailers, ("grpc-status-details-bin", status.SerializeToString()))


Request = (
    pb.ChargeRequest
    | pb.BatchChargeRequest
    | pb.ListRefundsRequest
    | pb.ListPaymentsRequest
    | pb.ListPaymentEventsRequest
    | pb.WatchPaymentsRequest
)


@dataclass
class FakeService(PaymentServiceServicer):
    """Fails once with each of ``failures``, in order, then succeeds. Each call takes ``seconds_per_call``."""

    failures: Iterator[tuple[grpc.StatusCode, tuple[tuple[str, str | bytes], ...]]] = field(
        default_factory=lambda: iter(())
    )
    seconds_per_call: float = 0
    events_per_stream: int = 2
    requests: list[Request] = field(default_factory=list)
    call_times_seconds: list[float] = field(default_factory=list)
    metadata: dict[str, str | bytes] = field(default_factory=dict)
    received: threading.Event = field(default_factory=threading.Event)
    target: str = ""

    def Charge(self, request: pb.ChargeRequest, context: grpc.ServicerContext) -> pb.ChargeResponse:  # noqa: N802
        """Return a payment."""
        self._record_and_fail(request, context)
        payment = pb.Payment(payment_id=7, order_id=request.order_id, amount=Money(currency_code="INR", units=1))
        return pb.ChargeResponse(payment=payment)

    def BatchCharge(  # noqa: N802
        self, request: pb.BatchChargeRequest, context: grpc.ServicerContext
    ) -> pb.BatchChargeResponse:
        """Return a payment for each charge."""
        self._record_and_fail(request, context)
        payment = pb.Payment(payment_id=7, amount=Money(currency_code="INR", units=1))
        return pb.BatchChargeResponse(results=[pb.BatchChargeResult(payment=payment) for _ in request.charges])

    def Refund(self, request: pb.RefundRequest, context: grpc.ServicerContext) -> pb.RefundResponse:  # noqa: N802
        """Reject every refund."""
        code, trailers = failure(grpc.StatusCode.FAILED_PRECONDITION, "PAYMENT_PENDING")
        context.set_trailing_metadata(trailers)
        context.abort(code, f"payment {request.payment_id} is pending")

    def GetPayment(  # noqa: N802
        self, request: pb.GetPaymentRequest, context: grpc.ServicerContext
    ) -> pb.GetPaymentResponse:
        """Fail without a reason."""
        context.abort(grpc.StatusCode.UNKNOWN, f"cannot get {request.payment_id}")

    def ListRefunds(  # noqa: N802
        self, request: pb.ListRefundsRequest, context: grpc.ServicerContext
    ) -> pb.ListRefundsResponse:
        """Return the requested page, of three pages with two refunds each."""
        self._record_and_fail(request, context)
        page = int(request.page_token or 0)
        return pb.ListRefundsResponse(
            refunds=[pb.Refund(refund_id=page * 2), pb.Refund(refund_id=page * 2 + 1)],
            next_page_token="" if page == 2 else str(page + 1),
        )

    def ListPaymentEvents(  # noqa: N802
        self, request: pb.ListPaymentEventsRequest, context: grpc.ServicerContext
    ) -> pb.ListPaymentEventsResponse:
        """Return the requested page, of three pages with two events each."""
        self._record_and_fail(request, context)
        page = int(request.page_token or 0)
        return pb.ListPaymentEventsResponse(
            events=[pb.PaymentEvent(request_id=str(page * 2)), pb.PaymentEvent(request_id=str(page * 2 + 1))],
            next_page_token="" if page == 2 else str(page + 1),
        )

    def ListPayments(  # noqa: N802
        self, request: pb.ListPaymentsRequest, context: grpc.ServicerContext
    ) -> pb.ListPaymentsResponse:
        """Return the requested page, of three pages with two payments each."""
        self._record_and_fail(request, context)
        page = int(request.page_token or 0)
        return pb.ListPaymentsResponse(
            payments=[pb.Payment(payment_id=page * 2), pb.Payment(payment_id=page * 2 + 1)],
            next_page_token="" if page == 2 else str(page + 1),
        )

    def WatchPayments(  # noqa: N802
        self, request: pb.WatchPaymentsRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.WatchPaymentsResponse]:
        """Send the events that follow the token, then fail with the next failure, or end the stream."""
        last = int(request.resume_token or 0)
        self.requests.append(request)
        self.call_times_seconds.append(time.monotonic())
        for payment_id in range(last + 1, last + self.events_per_stream + 1):
            event = pb.PaymentEvent(
                type=pb.PAYMENT_EVENT_TYPE_CHARGED, payment=pb.Payment(payment_id=payment_id), caller="shop"
            )
            yield pb.WatchPaymentsResponse(event=event, resume_token=str(payment_id))
        for code, trailers in self.failures:
            context.set_trailing_metadata(trailers)
            context.abort(code, "failed on demand")

    def _record_and_fail(self, request: Request, context: grpc.ServicerContext) -> None:
        self.call_times_seconds.append(time.monotonic())
        self.requests.append(request)
        self.metadata = {key: value for key, value in context.invocation_metadata()}  # noqa: C416
        self.received.set()
        time.sleep(self.seconds_per_call)
        for code, trailers in self.failures:
            context.set_trailing_metadata(trailers)
            context.abort(code, "failed on demand")


@contextmanager
def serving(fake: FakeService, credentials: grpc.ServerCredentials | None = None) -> Iterator[FakeService]:
    """Serve the fake on a free port, and set its target."""
    server = grpc.server(futures.ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
    add_PaymentServiceServicer_to_server(fake, server)
    address = "127.0.0.1:0"
    port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    fake.target = f"127.0.0.1:{port}"
    server.start()
    try:
        yield fake
    finally:
        server.stop(None).wait()


def charge(client: Client, *, timeout_seconds: float | None = None) -> payments_client.Payment:
    """Make a charge with fixed arguments."""
    return client.charge(order_id=1, amount=Decimal(1), timeout_seconds=timeout_seconds)


@pytest.mark.parametrize(
    ("code", "reason"),
    [(grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE"), (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")],
)
def test_a_charge_is_retried_with_the_same_request_id_until_it_succeeds(
    connect: ClientFactory, code: grpc.StatusCode, reason: str
) -> None:
    with serving(FakeService(failures=iter([failure(code, reason, 0.05)] * 8))) as fake:
        assert charge(connect(fake.target)).payment_id == 7
    assert len(fake.requests) == 9, "gRPC makes only five attempts by itself"
    assert all(request == fake.requests[0] for request in fake.requests)


def test_a_batch_is_retried_with_the_same_request_ids_until_it_succeeds(connect: ClientFactory) -> None:
    charges = [payments_client.NewCharge(order_id=1, amount=Decimal(1)) for _ in range(3)]
    with serving(FakeService(failures=iter([failure(grpc.StatusCode.UNAVAILABLE, "", 0.05)] * 8))) as fake:
        assert len(connect(fake.target).batch_charge(charges)) == 3
    assert len(fake.requests) == 9
    assert all(request == fake.requests[0] for request in fake.requests)
    batch = fake.requests[0]
    assert isinstance(batch, pb.BatchChargeRequest)
    assert len({charge.request_id for charge in batch.charges}) == 3


def test_retries_wait_for_the_retry_delay_of_the_service(connect: ClientFactory) -> None:
    with serving(FakeService(failures=iter([failure(grpc.StatusCode.UNAVAILABLE, "", 0.2)] * 6))) as fake:
        charge(connect(fake.target))
    waits = [later - earlier for earlier, later in itertools.pairwise(fake.call_times_seconds)]
    assert len(waits) == 6
    assert all(wait >= 0.19 for wait in waits), waits


@pytest.mark.parametrize(
    "code",
    [grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.INTERNAL],
)
def test_a_permanent_error_is_not_retried(connect: ClientFactory, code: grpc.StatusCode) -> None:
    with serving(FakeService(failures=iter([failure(code)]))) as fake:
        client = connect(fake.target)
        with pytest.raises(payments_client.PaymentsError) as raised:
            charge(client)
    assert raised.value.code is code
    assert len(fake.requests) == 1


def test_the_deadline_covers_all_attempts(connect: ClientFactory) -> None:
    with serving(FakeService(failures=itertools.repeat(failure(grpc.StatusCode.UNAVAILABLE)))) as fake:
        client = connect(fake.target, timeout_seconds=2)
        started_seconds = time.monotonic()
        with pytest.raises(payments_client.Unavailable, match="failed on demand") as raised:
            charge(client)
    assert time.monotonic() - started_seconds < 2.5
    assert len(fake.requests) > 5
    (request_id,) = {request.request_id for request in fake.requests if isinstance(request, pb.ChargeRequest)}
    assert raised.value.request_id == request_id
    assert raised.value.call_id == "call-1"


def test_a_call_can_have_its_own_deadline(connect: ClientFactory) -> None:
    with serving(FakeService(seconds_per_call=1)) as fake:
        client = connect(fake.target)
        started_seconds = time.monotonic()
        with pytest.raises(payments_client.DeadlineExceeded) as raised:
            charge(client, timeout_seconds=0.2)
        assert time.monotonic() - started_seconds < 0.9
        assert isinstance(raised.value, payments_client.OutcomeUnknown)
        (request,) = fake.requests
        assert isinstance(request, pb.ChargeRequest)
        assert raised.value.request_id == request.request_id


def test_a_stopped_service_is_unavailable(connect: ClientFactory) -> None:
    with serving(FakeService()) as fake:
        pass
    client = connect(fake.target, timeout_seconds=2)
    with pytest.raises(payments_client.Unavailable, match="Connection refused") as raised:
        charge(client)
    assert (raised.value.reason, raised.value.call_id) == ("", None)
    assert raised.value.request_id


def test_a_pending_payment_cannot_be_refunded_yet(connect: ClientFactory) -> None:
    with serving(FakeService()) as fake:
        client = connect(fake.target)
        with pytest.raises(payments_client.PaymentPending, match="payment 7 is pending"):
            client.refund(payment_id=7)


def test_an_error_without_a_reason_leaves_the_outcome_unknown(connect: ClientFactory) -> None:
    with serving(FakeService()) as fake:
        client = connect(fake.target)
        with pytest.raises(payments_client.OutcomeUnknown, match="cannot get 7"):
            client.get_payment(payment_id=7)


def test_pages_of_payments_are_fetched_when_the_iteration_reaches_them(connect: ClientFactory) -> None:
    with serving(FakeService()) as fake:
        iterator = connect(fake.target).list_payments(order_id=1, page_size=2)
        assert fake.requests == []
        assert [next(iterator).payment_id for _ in range(2)] == [0, 1]
        assert len(fake.requests) == 1
        assert [payment.payment_id for payment in iterator] == [2, 3, 4, 5]
        assert len(fake.requests) == 3
    first, second, _ = fake.requests
    assert isinstance(first, pb.ListPaymentsRequest)
    assert isinstance(second, pb.ListPaymentsRequest)
    assert (first.page_token, second.page_token) == ("", "1")
    assert first.filter == second.filter == pb.PaymentFilter(order_id=1)


def test_a_transient_failure_of_a_page_does_not_end_the_iteration(connect: ClientFactory) -> None:
    with serving(FakeService()) as fake:
        iterator = connect(fake.target).list_payments()
        next(iterator)
        fake.failures = iter([failure(grpc.StatusCode.UNAVAILABLE)] * 6)
        assert [payment.payment_id for payment in iterator] == [1, 2, 3, 4, 5]


def test_pages_of_refunds_are_fetched_when_the_iteration_reaches_them(connect: ClientFactory) -> None:
    with serving(FakeService()) as fake:
        iterator = connect(fake.target).list_refunds(payment_id=7, page_size=2)
        assert fake.requests == []
        assert [next(iterator).refund_id for _ in range(2)] == [0, 1]
        assert len(fake.requests) == 1
        assert [refund.refund_id for refund in iterator] == [2, 3, 4, 5]
    assert fake.requests == [
        pb.ListRefundsRequest(payment_id=7, page_size=2, page_token=token) for token in ("", "1", "2")
    ]


def test_a_list_of_refunds_can_start_at_a_page_token(connect: ClientFactory) -> None:
    with serving(FakeService()) as fake:
        iterator = connect(fake.target).list_refunds(payment_id=7, page_token="1")
        assert [refund.refund_id for refund in iterator] == [2, 3, 4, 5]


def test_a_transient_failure_of_a_page_of_refunds_does_not_end_the_iteration(connect: ClientFactory) -> None:
    with serving(FakeService()) as fake:
        iterator = connect(fake.target).list_refunds(payment_id=7)
        next(iterator)
        fake.failures = iter([failure(grpc.StatusCode.UNAVAILABLE)] * 6)
        assert [refund.refund_id for refund in iterator] == [1, 2, 3, 4, 5]


def test_pages_of_events_are_fetched_when_the_iteration_reaches_them(connect: ClientFactory) -> None:
    with serving(FakeService()) as fake:
        iterator = connect(fake.target).list_payment_events(payment_id=7, page_size=2)
        assert fake.requests == []
        assert [next(iterator).request_id for _ in range(2)] == ["0", "1"]
        assert len(fake.requests) == 1
        fake.failures = iter([failure(grpc.StatusCode.UNAVAILABLE)] * 6)
        assert [event.request_id for event in iterator] == ["2", "3", "4", "5"]
    assert fake.requests[-1] == pb.ListPaymentEventsRequest(payment_id=7, page_size=2, page_token="2")


def test_refunds_of_an_unknown_payment_raise_payment_not_found(connect: ClientFactory) -> None:
    missing = failure(grpc.StatusCode.NOT_FOUND, "PAYMENT_NOT_FOUND")
    with serving(FakeService(failures=iter([missing, missing]))) as fake:
        client = connect(fake.target)
        iterator = client.list_refunds(payment_id=7)
        with pytest.raises(payments_client.PaymentNotFound):
            next(iterator)
        with pytest.raises(payments_client.PaymentNotFound):
            client.list_refunds_page(payment_id=7)
    assert len(fake.requests) == 2


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_WATCHES"),
        (grpc.StatusCode.CANCELLED, ""),
    ],
)
def test_a_watch_resumes_from_its_last_token_after_a_transient_error(
    connect: ClientFactory, code: grpc.StatusCode, reason: str
) -> None:
    with serving(FakeService(failures=iter([failure(code, reason)] * 4))) as fake:
        updates = connect(fake.target).watch_payments(resume_token="7")
        assert [next_event(updates).payment.payment_id for _ in range(6)] == list(range(8, 14))
    tokens = [request.resume_token for request in fake.requests if isinstance(request, pb.WatchPaymentsRequest)]
    assert tokens == ["7", "9", "11"]


def test_a_watch_resumes_when_its_stream_ends_without_an_error(connect: ClientFactory) -> None:
    with serving(FakeService()) as fake:
        updates = connect(fake.target).watch_payments()
        assert [next_event(updates).payment.payment_id for _ in range(5)] == [1, 2, 3, 4, 5]
        assert next_event(updates).caller == "shop"


def test_a_watch_keeps_its_filter_when_it_resumes(connect: ClientFactory) -> None:
    with serving(FakeService()) as fake:
        updates = connect(fake.target).watch_payments(
            resume_token="7", customer_id="customer-7", types=[payments_client.PaymentEventType.CHARGED]
        )
        assert [next_event(updates).payment.payment_id for _ in range(5)] == [8, 9, 10, 11, 12]
    event_filter = pb.PaymentEventFilter(customer_id="customer-7", types=[pb.PAYMENT_EVENT_TYPE_CHARGED])
    assert fake.requests == [
        pb.WatchPaymentsRequest(resume_token=token, filter=event_filter) for token in ("7", "9", "11")
    ]


def test_a_permanent_error_ends_a_watch(connect: ClientFactory) -> None:
    failures = iter([failure(grpc.StatusCode.FAILED_PRECONDITION, "RESUME_TOKEN_EXPIRED")])
    with (
        serving(FakeService(failures=failures, events_per_stream=0)) as fake,
        pytest.raises(payments_client.ResumeTokenExpired),
    ):
        next(connect(fake.target).watch_payments(resume_token="7"))
    assert len(fake.requests) == 1


def test_a_watch_gives_up_when_the_service_is_unavailable_longer_than_its_timeout(connect: ClientFactory) -> None:
    failures = itertools.repeat(failure(grpc.StatusCode.UNAVAILABLE))
    with (
        serving(FakeService(failures=failures, events_per_stream=0)) as fake,
        pytest.raises(payments_client.Unavailable),
    ):
        next(connect(fake.target).watch_payments(timeout_seconds=1))
    assert len(fake.requests) > 1


def test_a_watch_that_keeps_receiving_events_never_gives_up(connect: ClientFactory) -> None:
    failures = itertools.repeat(failure(grpc.StatusCode.UNAVAILABLE, "", 0.3))
    with serving(FakeService(failures=failures)) as fake:
        updates = connect(fake.target).watch_payments(timeout_seconds=1)
        assert [next_event(updates).payment.payment_id for _ in range(12)] == list(range(1, 13))


def test_the_user_agent_names_the_application_and_the_client(connect: ClientFactory) -> None:
    with serving(FakeService()) as fake:
        charge(connect(fake.target, user_agent="checkout/1.4"))
    assert re.match(r"checkout/1\.4 payments-client-python/\S+ grpc-python\S*/", str(fake.metadata["user-agent"]))


def test_an_api_key_is_sent_with_every_attempt(connect: ClientFactory) -> None:
    with serving(FakeService(failures=iter([failure(grpc.StatusCode.UNAVAILABLE)] * 6))) as fake:
        charge(connect(fake.target, api_key="a-key"))
        assert fake.metadata["authorization"] == "Bearer a-key"


@pytest.mark.parametrize("target", ["payments:50051", "dns:///payments.internal:50051", "ipv4:127.0.0.1:1,10.0.0.1:1"])
def test_an_api_key_never_leaves_the_machine_in_the_clear(connect: ClientFactory, target: str) -> None:
    with pytest.raises(ValueError, match="api_key needs credentials") as rejected:
        connect(target, api_key="a-key")
    assert "a-key" not in str(rejected.value)


@pytest.mark.parametrize(
    "target", ["localhost:1", "dns:///localhost:1", "ipv4:127.0.0.1:1,127.0.0.2:1", "[::1]:1", "unix:/x"]
)
def test_an_api_key_can_be_sent_to_this_machine_in_the_clear(connect: ClientFactory, target: str) -> None:
    connect(target, api_key="a-key")


def test_calls_are_balanced_over_all_addresses_and_over_the_remaining_ones_when_one_stops(
    connect: ClientFactory,
) -> None:
    with serving(FakeService()) as one:
        with serving(FakeService()) as other:
            client = connect(f"ipv4:{one.target},{other.target}")
            deadline_seconds = time.monotonic() + 10
            while not (one.requests and other.requests) and time.monotonic() < deadline_seconds:
                charge(client)
            assert one.requests
            assert other.requests
        received = len(one.requests)
        for _ in range(10):
            charge(client)
        assert len(one.requests) == received + 10


def test_a_target_can_name_several_addresses(service: RunningService, connect: ClientFactory) -> None:
    assert charge(connect(f"ipv4:{service.target},{service.target}")).payment_id > 0


def test_a_closed_client_makes_no_calls(connect: ClientFactory) -> None:
    with serving(FakeService()) as fake:
        client = connect(fake.target)
        charge(client)
        client.close()
        with pytest.raises((ValueError, grpc.aio.UsageError), match="closed"):
            charge(client)


def test_a_connection_can_be_encrypted(connect: ClientFactory) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "payments test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    key_pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with serving(FakeService(), grpc.ssl_server_credentials([(key_pem, certificate)])) as fake:
        assert charge(connect(fake.target, credentials=grpc.ssl_channel_credentials(certificate))).payment_id == 7
        client = connect(fake.target, credentials=grpc.ssl_channel_credentials(), timeout_seconds=2)
        with pytest.raises(payments_client.Unavailable):
            charge(client)


class RecordingInterceptor(grpc.UnaryUnaryClientInterceptor):
    """Records the method of each attempt."""

    def __init__(self) -> None:
        """Start without recorded methods."""
        self.methods: list[str] = []

    def intercept_unary_unary(  # type: ignore[no-untyped-def]  # noqa: ANN201 - generic over a call's messages
        self,
        continuation,  # noqa: ANN001
        client_call_details,  # noqa: ANN001
        request,  # noqa: ANN001
    ):
        """Record the method."""
        self.methods.append(client_call_details.method)
        return continuation(client_call_details, request)


class AsyncRecordingInterceptor(grpc.aio.UnaryUnaryClientInterceptor):
    """Records the method of each attempt."""

    def __init__(self) -> None:
        """Start without recorded methods."""
        self.methods: list[str] = []

    async def intercept_unary_unary(  # type: ignore[no-untyped-def]  # noqa: ANN201 - generic over a call's messages
        self,
        continuation,  # noqa: ANN001
        client_call_details,  # noqa: ANN001
        request,  # noqa: ANN001
    ):
        """Record the method."""
        self.methods.append(client_call_details.method)
        return await continuation(client_call_details, request)


@pytest.mark.asyncio
async def test_interceptors_see_each_attempt_of_the_client() -> None:
    # gRPC makes five attempts by itself, which the client counts as its first attempt.
    failures = [failure(grpc.StatusCode.UNAVAILABLE)] * 5
    interceptor, async_interceptor = RecordingInterceptor(), AsyncRecordingInterceptor()
    with serving(FakeService(failures=iter(failures))) as fake:
        with PaymentsClient(fake.target, interceptors=[interceptor]) as client:
            charge(client)
        fake.failures = iter(failures)
        async with AsyncPaymentsClient(fake.target, interceptors=[async_interceptor]) as async_client:
            await async_client.charge(order_id=1, amount=Decimal(1))
    assert [str(method) for method in interceptor.methods] == ["/payments.v1.PaymentService/Charge"] * 2
    assert len(async_interceptor.methods) == 2


def test_closing_the_iterator_of_a_watch_ends_its_stream(service: RunningService) -> None:
    with PaymentsClient(service.target) as client:
        for _ in range(150):
            updates = client.watch_payments(timeout_seconds=20)
            next(updates)
            assert isinstance(updates, Generator)
            updates.close()


@pytest.mark.asyncio
async def test_cancelling_a_task_ends_its_call_without_a_retry() -> None:
    with serving(FakeService(seconds_per_call=0.5)) as fake:
        async with AsyncPaymentsClient(fake.target) as client:
            task = asyncio.create_task(client.charge(order_id=1, amount=Decimal(1)))
            assert await asyncio.to_thread(fake.received.wait, 10)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.sleep(0.7)
    assert len(fake.requests) == 1
