"""Disputes of the fake, where the conformance cases do not cover them."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import payments_client
import pytest
from payments_client import Dispute, DisputeStatus, PaymentsClient
from payments_client.testing import FakePayments

from tests.unit.tools.python_client_fake.conftest import NOW, Clock, RunningClock

OPEN_DISPUTE = Dispute(
    status=DisputeStatus.OPEN,
    amount=Decimal("7.00"),
    currency="INR",
    reason="fraudulent",
    open_time=NOW + timedelta(seconds=5),
    close_time=None,
    processor_reference="sim_dispute_1",
)


def charge(client: PaymentsClient, source: str) -> payments_client.Payment:
    return client.charge(order_id=1, amount=Decimal(7), payment_source=source)


@pytest.mark.parametrize(
    ("source", "end"), [("sim_dispute_5s_won", DisputeStatus.WON), ("sim_dispute_5s_lost", DisputeStatus.LOST)]
)
def test_a_payment_is_disputed_after_5_seconds_and_the_dispute_ends_after_10(
    client: PaymentsClient, clock: Clock, source: str, end: DisputeStatus
) -> None:
    payment = charge(client, source)
    assert (payment.status, payment.dispute) == ("SUCCEEDED", None)
    for seconds, dispute in (
        (4.999, None),
        (5, OPEN_DISPUTE),
        (9.999, OPEN_DISPUTE),
        (10, replace(OPEN_DISPUTE, status=end, close_time=NOW + timedelta(seconds=10))),
    ):
        clock.now = NOW + timedelta(seconds=seconds)
        disputed = client.get_payment(payment_id=1).payment
        assert disputed == replace(payment, dispute=dispute), seconds
    assert list(client.list_payments()) == [disputed]


def test_each_event_has_the_dispute_as_it_was_then(client: PaymentsClient, clock: Clock) -> None:
    payment = charge(client, "sim_dispute_5s_lost")
    clock.advance(60)
    lost = replace(OPEN_DISPUTE, status=DisputeStatus.LOST, close_time=NOW + timedelta(seconds=10))
    events = list(client.list_payment_events(payment_id=1))
    assert [(event.type, event.event_time, event.payment.dispute) for event in events] == [
        ("PENDING", NOW, None),
        ("CHARGED", NOW, None),
        ("DISPUTE_OPENED", NOW + timedelta(seconds=5), OPEN_DISPUTE),
        ("DISPUTE_LOST", NOW + timedelta(seconds=10), lost),
    ]
    assert [event.caller for event in events] == ["anonymous", "anonymous", "", ""]
    assert [event.request_id for event in events] == [payment.request_id, payment.request_id, "", ""]


def test_a_refund_is_rejected_while_a_dispute_is_open_and_possible_once_it_is_won(
    client: PaymentsClient, clock: Clock
) -> None:
    charge(client, "sim_dispute_5s_won")
    early = client.refund(payment_id=1, amount=Decimal(1), request_id="early")
    clock.advance(5)
    with pytest.raises(payments_client.PaymentDisputed) as raised:
        client.refund(payment_id=1, amount=Decimal(1), request_id="mine")
    message = "the payer disputes this payment; it cannot be refunded while the dispute is open"
    assert (raised.value.message, raised.value.request_id) == (message, "mine")
    assert client.refund(payment_id=1, amount=Decimal(1), request_id="early").refund == early.refund
    clock.advance(5)
    assert client.refund(payment_id=1, amount=Decimal(1), request_id="mine").payment.refunded_amount == Decimal("2.00")


def test_a_payment_with_a_lost_dispute_is_never_refunded(client: PaymentsClient, clock: Clock) -> None:
    charge(client, "sim_dispute_5s_lost")
    clock.advance(10)
    with pytest.raises(
        payments_client.PaymentDisputed, match="the payer got the money back by a dispute; it cannot be refunded"
    ):
        client.refund(payment_id=1)


def test_nothing_is_left_to_refund_of_a_refunded_payment_with_a_dispute(client: PaymentsClient, clock: Clock) -> None:
    charge(client, "sim_dispute_5s_lost")
    client.refund(payment_id=1)
    clock.advance(10)
    with pytest.raises(payments_client.RefundExceedsPayment, match="nothing is left to refund"):
        client.refund(payment_id=1)


def test_a_watch_that_waits_gets_the_events_of_a_dispute() -> None:
    clock = RunningClock()
    with FakePayments(clock=clock).client() as client:
        charge(client, "sim_dispute_5s_won")
        updates = client.watch_payments()
        next(updates)
        seen = []
        for _ in range(2):
            clock.advance(4.9)
            seen.append(next(updates).event)
    assert [event.type for event in seen if event] == ["DISPUTE_OPENED", "DISPUTE_WON"]
