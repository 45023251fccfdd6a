"""Watches of the fake by both clients, which wait for events, outcomes and heartbeats."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import grpc
import payments_client
import pytest
from payments_client import AsyncPaymentsClient, PaymentEvent, PaymentEventType, PaymentsClient, PaymentUpdate
from payments_client.testing import FakePayments
from payments_client.testing import _watch as watch_module

from tests.unit.tools.python_client_fake.conftest import Clock, RunningClock


def test_a_watch_that_waits_gets_the_events_of_another_thread(fake: FakePayments, client: PaymentsClient) -> None:
    updates = client.watch_payments(types=[PaymentEventType.CHARGED])
    assert next(updates).event is None
    with ThreadPoolExecutor(1) as threads:
        update = threads.submit(next, updates)
        with fake.client() as other:
            failed = other.charge(order_id=1, amount=Decimal(1), payment_source="sim_declined")
            payment = other.charge(order_id=1, amount=Decimal(1))
        event = update.result().event
    assert event is not None
    assert (event.payment, failed.payment_id) == (payment, 1)


def test_a_watch_that_waits_gets_the_outcome_of_a_pending_payment() -> None:
    clock = RunningClock()
    with FakePayments(clock=clock).client() as client:
        updates = client.watch_payments()
        next(updates)
        client.charge(order_id=1, amount=Decimal(1), payment_source="sim_pending_5s")
        pending = next(updates).event
        clock.advance(4.9)
        charged = next(updates).event
    assert [event.type for event in (pending, charged) if event] == ["PENDING", "CHARGED"]


def test_a_watch_without_events_gets_heartbeats(client: PaymentsClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "_HEARTBEAT_SECONDS", 0.01)
    updates = client.watch_payments(order_id=2)
    first = next(updates)
    client.charge(order_id=1, amount=Decimal(1))
    later = [next(updates) for _ in range(3)][-1]
    assert (first.event, later.event) == (None, None)
    assert first.resume_token != later.resume_token, "a heartbeat is after the events that the filter leaves out"


def test_a_watch_resumes_after_its_token(client: PaymentsClient) -> None:
    updates = client.watch_payments()
    next(updates)
    for order_id in (1, 2):
        client.charge(order_id=order_id, amount=Decimal(1))
    token = next(updates).resume_token
    resumed = client.watch_payments(resume_token=token)
    seen = [next(resumed), next(resumed)]
    assert (seen[0].event, seen[0].resume_token) == (None, token)
    assert seen[1] == next(updates)


def test_a_token_of_another_fake_has_expired(client: PaymentsClient) -> None:
    client.charge(order_id=1, amount=Decimal(1))
    token = next(client.watch_payments()).resume_token
    with FakePayments().client() as other, pytest.raises(payments_client.ResumeTokenExpired):
        next(other.watch_payments(resume_token=token))


def test_a_watch_rejects_types_that_do_not_exist(client: PaymentsClient) -> None:
    with pytest.raises(payments_client.InvalidRequest) as raised:
        next(client.watch_payments(types=[PaymentEventType.CHARGED] * 21, customer_id=""))
    fields = [violation.field for violation in raised.value.violations]
    assert fields == ["filter.customer_id", "filter.types"]


def test_closing_the_client_ends_a_watch_that_waits(fake: FakePayments, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "_HEARTBEAT_SECONDS", 1_000.0)
    client = fake.client()
    updates = client.watch_payments()
    next(updates)
    is_waiting = threading.Event()

    def wait() -> PaymentUpdate:
        is_waiting.set()
        return next(updates)

    with ThreadPoolExecutor(1) as threads:
        update = threads.submit(wait)
        is_waiting.wait()
        client.close()
        with pytest.raises(payments_client.OutcomeUnknown, match="closed"):
            update.result()


def test_a_watch_that_has_ended_is_not_woken(fake: FakePayments, client: PaymentsClient) -> None:
    updates = client.watch_payments()
    next(updates)
    assert len(fake._service._wakes) == 1
    updates.close()
    assert not fake._service._wakes


async def next_event(client: AsyncPaymentsClient, resume_token: str) -> PaymentEvent:
    """Return the next event after a token."""
    async for update in client.watch_payments(resume_token=resume_token):
        if update.event is not None:
            return update.event
    raise AssertionError("a watch is endless")


@pytest.mark.asyncio
async def test_an_async_watch_that_waits_gets_events_and_outcomes() -> None:
    clock = RunningClock()
    fake = FakePayments(clock=clock)
    async with fake.async_client() as client:
        updates = client.watch_payments()
        assert (await anext(updates)).event is None
        update = asyncio.create_task(anext(updates))
        await asyncio.sleep(0)
        payment = await client.charge(order_id=1, amount=Decimal(1), payment_source="sim_pending_5s")
        event = (await update).event
        assert event is not None
        assert (event.type, event.payment) == ("PENDING", payment)
        clock.advance(4.9)
        outcome = (await anext(updates)).event
        assert outcome is not None
        assert outcome.type == "CHARGED"
        await updates.aclose()
        assert not fake._service._wakes


@pytest.mark.asyncio
async def test_an_async_watch_is_woken_by_a_blocking_client_in_another_thread(fake: FakePayments) -> None:
    async with fake.async_client() as client:
        token = (await anext(client.watch_payments())).resume_token
        event = asyncio.create_task(next_event(client, token))
        await asyncio.sleep(0)
        payment = await asyncio.to_thread(fake.client().charge, order_id=1, amount=Decimal(1))
        assert (await event).payment == payment


@pytest.mark.asyncio
async def test_the_async_client_has_the_errors_and_pages_of_the_blocking_one(fake: FakePayments) -> None:
    async with fake.async_client() as client:
        with pytest.raises(payments_client.InvalidRequest) as raised:
            await client.charge(amount=Decimal(1))
        assert [violation.field for violation in raised.value.violations] == ["order_id"]
        assert raised.value.call_id
        with pytest.raises(ValueError, match="amount must have at most 4 decimals"):
            await client.charge(order_id=1, amount=Decimal("0.00001"))
        with pytest.raises(payments_client.InvalidRequest):
            await anext(client.watch_payments(resume_token="altered"))
        for _ in range(3):
            await client.charge(order_id=1, amount=Decimal(1))
        assert [payment.payment_id async for payment in client.list_payments(page_size=1)] == [3, 2, 1]


@pytest.mark.asyncio
async def test_a_closed_async_client_makes_no_calls(fake: FakePayments, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "_HEARTBEAT_SECONDS", 1_000.0)
    client = fake.async_client()
    updates = client.watch_payments()
    await anext(updates)
    waiting = asyncio.create_task(anext(updates))
    await asyncio.sleep(0.01)
    await client.close()
    with pytest.raises(payments_client.OutcomeUnknown, match="closed"):
        await waiting
    with pytest.raises(grpc.aio.UsageError, match="closed"):
        await client.charge(order_id=1, amount=Decimal(1))


@pytest.mark.asyncio
async def test_a_loop_that_only_polls_does_not_starve_other_tasks(fake: FakePayments, clock: Clock) -> None:
    async with fake.async_client() as client:
        await client.charge(order_id=1, amount=Decimal(1), payment_source="sim_pending_5s")

        async def wait_for_the_outcome() -> None:
            while (await client.get_payment(payment_id=1)).payment.status == "PENDING":
                pass

        async def let_time_pass() -> None:
            clock.advance(5)

        await asyncio.wait_for(asyncio.gather(wait_for_the_outcome(), let_time_pass()), 10)
