"""Charges of the fake that the payer must approve, where the conformance cases do not cover them."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import payments_client
import pytest
from payments_client import Failure, NewCharge, NextAction, NextActionType, PaymentsClient
from payments_client.testing import FakePayments

from tests.unit.tools.python_client_fake.conftest import NOW, Clock

HTTPS_URL = "must be an https URL of at most 2048 characters"
RETURN_URL = "https://shop.example/orders/1"


def charge(client: PaymentsClient, source: str = "sim_approval_5s") -> payments_client.Payment:
    return client.charge(order_id=1, amount=Decimal(1), payment_source=source, return_url=RETURN_URL)


def test_a_charge_waits_for_the_approval_and_then_succeeds(client: PaymentsClient, clock: Clock) -> None:
    payment = charge(client)
    assert (payment.status, payment.next_action) == (
        "PENDING",
        NextAction(
            type=NextActionType.REDIRECT,
            redirect_url=f"https://payments.example/approve/{payment.reference}",
            expire_time=NOW + timedelta(seconds=5),
        ),
    )
    clock.advance(4.999)
    assert client.get_payment(payment_id=1).payment == payment
    clock.advance(0.001)
    approved = client.get_payment(payment_id=1).payment
    assert (approved.status, approved.failure, approved.next_action) == ("SUCCEEDED", None, None)


def test_a_charge_that_the_payer_refuses_fails(client: PaymentsClient, clock: Clock) -> None:
    assert charge(client, "sim_approval_5s_refused").next_action is not None
    clock.advance(5)
    payment = client.get_payment(payment_id=1).payment
    assert (payment.status, payment.failure, payment.failure_code, payment.next_action) == (
        "FAILED",
        Failure.AUTHENTICATION_REQUIRED,
        "authentication_required",
        None,
    )


def test_every_event_has_the_current_next_action(client: PaymentsClient, clock: Clock) -> None:
    token = next(client.watch_payments()).resume_token
    payment = charge(client)
    updates = client.watch_payments(resume_token=token)
    next(updates)  # a heartbeat
    watched = [next(updates).event for _ in range(2)]
    assert watched == list(client.list_payment_events(payment_id=1))
    seen = [(event.type, event.payment.next_action) for event in watched if event]
    assert seen == [("PENDING", payment.next_action), ("ACTION_REQUIRED", payment.next_action)]
    clock.advance(5)
    later = [(event.type, event.payment.next_action) for event in client.list_payment_events(payment_id=1)]
    assert later == [("PENDING", None), ("ACTION_REQUIRED", None), ("CHARGED", None)]
    replayed = client.watch_payments(resume_token=token)
    next(replayed)
    assert [event.payment.next_action for event in (next(replayed).event for _ in range(3)) if event] == [None] * 3


def test_a_payment_that_waits_for_an_approval_is_pending(client: PaymentsClient) -> None:
    charge(client)
    with pytest.raises(payments_client.PaymentPending):
        client.refund(payment_id=1)
    with pytest.raises(payments_client.OrderHasPendingPayment):
        client.charge(order_id=1, amount=Decimal(1), unless_pending=True)


@pytest.mark.parametrize(
    ("source", "url", "description"),
    [
        ("sim_success", "https://s", None),
        ("sim_success", "https://" + "s" * 2040, None),
        ("sim_success", "https://" + "s" * 2041, HTTPS_URL),
        ("sim_success", "http://shop.example", HTTPS_URL),
        ("sim_success", "https://", HTTPS_URL),
        ("sim_success", "https://shop.example/a b", HTTPS_URL),
        ("sim_success", "https://shop.example/\n", HTTPS_URL),
        ("sim_success", "https://zürich.example", HTTPS_URL),
        ("", RETURN_URL, "must be empty without a payment_source"),
        ("", "http://shop.example", "must be empty without a payment_source"),
    ],
)
def test_a_return_url_is_an_https_url_and_needs_a_source(
    client: PaymentsClient, source: str, url: str, description: str | None
) -> None:
    new_charge = NewCharge(order_id=1, amount=Decimal(1), payment_source=source, return_url=url)
    (outcome,) = client.batch_charge([new_charge])
    if description is None:
        assert isinstance(outcome, payments_client.Payment)
        return
    assert isinstance(outcome, payments_client.InvalidRequest)
    assert outcome.violations == (payments_client.FieldViolation("return_url", description),)


def test_the_asyncio_client_sends_the_return_url_too(fake: FakePayments) -> None:
    async def call() -> None:
        async with fake.async_client() as client:
            with pytest.raises(payments_client.InvalidRequest, match=f"return_url: {HTTPS_URL}"):
                await client.charge(order_id=1, amount=Decimal(1), payment_source="sim_success", return_url="http://s")

    asyncio.run(call())
