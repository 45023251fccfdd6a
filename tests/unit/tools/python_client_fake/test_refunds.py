"""Refunds of the fake, where the conformance cases do not cover them."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import grpc
import payments_client
import pytest
from google.type.money_pb2 import Money
from payments_client import Failure, PaymentsClient, RefundState, RefundStatus
from payments_client.v1 import payments_pb2 as pb
from payments_client.v1.payments_pb2_grpc import PaymentServiceStub

from tests.unit.tools.python_client_fake.conftest import NOW, Clock


def event_types(client: PaymentsClient, payment_id: int) -> list[str]:
    return [event.type.value for event in client.list_payment_events(payment_id=payment_id)]


def test_a_failed_refund_can_be_tried_again(client: PaymentsClient) -> None:
    client.charge(order_id=1, amount=Decimal(10), payment_source="sim_refund_fails")
    for _ in range(2):
        result = client.refund(payment_id=1)
        assert result.refund is not None
        assert (result.refund.status, result.refund.failure) == (RefundStatus.FAILED, Failure.DECLINED)
        assert (result.refund.failure_code, result.refund.amount) == ("declined", Decimal("10.00"))
        assert (result.payment.refunded_amount, result.payment.refund_state) == (Decimal("0.00"), RefundState.NONE)
    _, pending, failed, *_ = client.list_payment_events(payment_id=1)
    assert (pending.type, pending.payment.refund_state) == ("REFUND_PENDING", "FULL")
    assert (failed.type, failed.payment.refund_state) == ("REFUND_FAILED", "NONE")
    assert failed.refund == next(iter(client.list_refunds(payment_id=1)))


def test_a_pending_refund_counts_as_refunded(client: PaymentsClient, clock: Clock) -> None:
    client.charge(order_id=1, amount=Decimal(10), payment_source="sim_refund_pending_5s")
    result = client.refund(payment_id=1, amount=Decimal(4), request_id="mine")
    assert result.refund is not None
    assert (result.refund.status, result.payment.refunded_amount) == ("PENDING", Decimal("4.00"))
    with pytest.raises(payments_client.RefundExceedsPayment, match=r"only 6\.00 INR is left to refund"):
        client.refund(payment_id=1, amount=Decimal("6.01"))
    clock.advance(5)
    replay = client.refund(payment_id=1, amount=Decimal(4), request_id="mine").refund
    assert replay is not None
    assert replay.status == "SUCCEEDED"
    assert event_types(client, 1) == ["CHARGED", "REFUND_PENDING", "REFUNDED"]


def test_a_refund_that_fails_late_can_be_made_again(client: PaymentsClient, clock: Clock) -> None:
    client.charge(order_id=1, amount=Decimal(10), payment_source="sim_refund_fails_after_5s")
    result = client.refund(payment_id=1, request_id="mine")
    assert result.refund is not None
    assert (result.refund.status, result.refund.failure) == (RefundStatus.SUCCEEDED, None)
    clock.advance(4.999)
    with pytest.raises(payments_client.RefundExceedsPayment, match="nothing is left to refund"):
        client.refund(payment_id=1)
    clock.advance(0.001)
    late = client.refund(payment_id=1, request_id="mine")
    assert late.refund is not None
    assert (late.refund.status, late.refund.failure) == (RefundStatus.FAILED, Failure.DECLINED)
    assert (late.refund.failure_code, late.payment.refund_state) == ("declined", RefundState.NONE)
    again = client.refund(payment_id=1, amount=Decimal(4))
    assert (again.payment.refunded_amount, again.payment.refund_state) == (Decimal("4.00"), RefundState.PARTIAL)
    kinds = event_types(client, 1)
    assert kinds == ["CHARGED", "REFUND_PENDING", "REFUNDED", "REFUND_FAILED", "REFUND_PENDING", "REFUNDED"]


def test_each_event_of_a_late_failure_has_the_refund_as_it_was_then(client: PaymentsClient, clock: Clock) -> None:
    client.charge(order_id=1, amount=Decimal(10), payment_source="sim_refund_fails_after_5s")
    client.refund(payment_id=1)
    clock.advance(5)
    _, *events = client.list_payment_events(payment_id=1)
    seen = [(event.refund.status, event.payment.refund_state) for event in events if event.refund]
    assert seen == [("PENDING", "FULL"), ("SUCCEEDED", "FULL"), ("FAILED", "NONE")]
    assert events[2].event_time == NOW + timedelta(seconds=5)


def test_a_pending_payment_cannot_be_refunded(client: PaymentsClient) -> None:
    client.charge(order_id=1, amount=Decimal(10), payment_source="sim_pending_5s")
    with pytest.raises(payments_client.PaymentPending):
        client.refund(payment_id=1)


def test_a_refund_must_be_in_the_currency_of_the_payment(client: PaymentsClient) -> None:
    client.charge(order_id=1, amount=Decimal(10), currency="JPY")
    with pytest.raises(payments_client.InvalidRequest) as raised:
        client.refund(payment_id=1, amount=Decimal(1))
    assert [violation.field for violation in raised.value.violations] == ["amount.currency_code"]
    with pytest.raises(payments_client.RefundExceedsPayment, match="only 10 JPY is left to refund"):
        client.refund(payment_id=1, amount=Decimal(11), currency="JPY")


def test_nothing_is_left_after_a_full_refund(client: PaymentsClient) -> None:
    client.charge(order_id=1, amount=Decimal(10))
    client.refund(payment_id=1)
    with pytest.raises(payments_client.RefundExceedsPayment, match="nothing is left to refund"):
        client.refund(payment_id=1)


def test_a_full_refund_without_a_request_id_returns_the_last_refund(stub: PaymentServiceStub) -> None:
    stub.Charge(pb.ChargeRequest(order_id=1, amount=Money(units=10)))
    stub.Refund(pb.RefundRequest(payment_id=1, amount=Money(units=4)))
    last = stub.Refund(pb.RefundRequest(payment_id=1)).refund
    assert last.refund_id == 2
    for again in (pb.RefundRequest(payment_id=1), pb.RefundRequest(payment_id=1, amount=Money(units=10))):
        assert stub.Refund(again).refund == last
    with pytest.raises(grpc.RpcError, match="nothing is left to refund"):
        stub.Refund(pb.RefundRequest(payment_id=1, amount=Money(units=6)))


def test_concurrent_refunds_never_exceed_the_charge(client: PaymentsClient) -> None:
    client.charge(order_id=1, amount=Decimal(10))

    def refund(_: int) -> bool:
        try:
            client.refund(payment_id=1, amount=Decimal(1))
        except payments_client.RefundExceedsPayment:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(refund, range(40))) == 10
    details = client.get_payment(payment_id=1)
    assert (len(details.refunds), details.payment.refund_state) == (10, RefundState.FULL)


def test_a_refund_has_a_reason_of_at_most_255_characters(client: PaymentsClient) -> None:
    client.charge(order_id=1, amount=Decimal(1))
    with pytest.raises(payments_client.InvalidRequest, match="reason: must be at most 255 characters"):
        client.refund(payment_id=1, reason="x" * 256)
