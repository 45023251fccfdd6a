"""Charges of the fake, where the conformance cases do not cover them."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import grpc
import payments_client
import pytest
from google.type.money_pb2 import Money
from payments_client import Failure, NewCharge, PaymentsClient, PaymentStatus, RefundState
from payments_client.testing import FakePayments
from payments_client.v1 import payments_pb2 as pb
from payments_client.v1.payments_pb2_grpc import PaymentServiceStub

from tests.unit.tools.python_client_fake.conftest import NOW, Clock


def event_types(client: PaymentsClient, payment_id: int) -> list[str]:
    return [event.type.value for event in client.list_payment_events(payment_id=payment_id)]


def test_a_charge_succeeds_by_card_in_the_default_currency(client: PaymentsClient) -> None:
    payment = client.charge(order_id=342, amount=Decimal("561.00"), request_id="mine", labels={"channel": "web"})
    assert payment == payments_client.Payment(
        payment_id=1,
        order_id=342,
        amount=Decimal("561.00"),
        currency="INR",
        method=payments_client.PaymentMethod.CARD,
        other_method="",
        status=PaymentStatus.SUCCEEDED,
        reference=payment.reference,
        create_time=NOW,
        refunded_amount=Decimal("0.00"),
        refund_state=RefundState.NONE,
        caller="anonymous",
        request_id="mine",
        labels={"channel": "web"},
    )
    assert payment.reference.startswith("ECI20260102-")
    assert event_types(client, 1) == ["CHARGED"]


def test_times_are_in_utc_whatever_the_zone_of_the_clock() -> None:
    india = timezone(timedelta(hours=5, minutes=30))
    with FakePayments(clock=lambda: datetime(2026, 1, 2, 1, 0, tzinfo=india)).client() as client:
        payment = client.charge(order_id=1, amount=Decimal(1))
    assert payment.create_time == datetime(2026, 1, 1, 19, 30, tzinfo=UTC)
    assert payment.reference.startswith("ECI20260101-")


def test_a_failing_default_source_decides_only_charges_without_a_source() -> None:
    with FakePayments(default_source="sim_fraud").client() as client:
        failed = client.charge(order_id=1, amount=Decimal(1))
        succeeded = client.charge(order_id=1, amount=Decimal(1), payment_source="sim_success")
    assert (failed.status, failed.failure, failed.failure_code) == ("FAILED", "SUSPECTED_FRAUD", "suspected_fraud")
    assert (succeeded.status, succeeded.failure, succeeded.failure_code) == ("SUCCEEDED", None, "")


def test_a_pending_charge_gets_its_outcome_when_the_clock_reaches_the_time(
    client: PaymentsClient, clock: Clock
) -> None:
    payment = client.charge(order_id=1, amount=Decimal(1), payment_source="sim_pending_5s_declined")
    assert (payment.status, payment.failure) == ("PENDING", None)
    clock.advance(4.999)
    assert client.get_payment(payment_id=1).payment.status == "PENDING"
    assert event_types(client, 1) == ["PENDING"]
    clock.advance(1)
    failed = client.get_payment(payment_id=1).payment
    assert (failed.status, failed.failure, failed.failure_code) == ("FAILED", "DECLINED", "declined")
    pending, event = client.list_payment_events(payment_id=1)
    assert (pending.type, pending.payment.status, event.type, event.payment) == ("PENDING", "PENDING", "FAILED", failed)
    assert event.event_time == NOW + timedelta(seconds=5)


def test_a_timeout_is_pending_at_once_and_fails_after_30_seconds(client: PaymentsClient, clock: Clock) -> None:
    assert client.charge(order_id=1, amount=Decimal(1), payment_source="sim_timeout").status == "PENDING"
    clock.advance(30)
    payment = client.get_payment(payment_id=1).payment
    assert (payment.status, payment.failure, payment.failure_code) == ("FAILED", Failure.PROCESSOR_ERROR, "timeout")


def test_outcomes_arrive_in_the_order_of_their_times(client: PaymentsClient, clock: Clock) -> None:
    client.charge(order_id=1, amount=Decimal(1), payment_source="sim_timeout")
    client.charge(order_id=2, amount=Decimal(1), payment_source="sim_pending_5s")
    token = next(client.watch_payments()).resume_token
    clock.advance(60)
    updates = client.watch_payments(resume_token=token)
    next(updates)  # a heartbeat
    seen = [next(updates).event for _ in range(2)]
    assert [(event.payment.payment_id, event.type) for event in seen if event] == [(2, "CHARGED"), (1, "FAILED")]


def test_a_replay_has_the_payment_in_its_current_state(client: PaymentsClient, clock: Clock) -> None:
    def charge() -> payments_client.Payment:
        return client.charge(order_id=1, amount=Decimal(1), payment_source="sim_pending_5s", request_id="mine")

    assert charge().status == "PENDING"
    clock.advance(5)
    assert charge().status == "SUCCEEDED"
    assert client.list_payments_page(include_total_size=True).total_size == 1


def test_only_a_replay_has_the_trailer(stub: PaymentServiceStub) -> None:
    charge = pb.ChargeRequest(order_id=1, amount=Money(units=1), request_id="mine")
    refund = pb.RefundRequest(payment_id=1, request_id="mine")
    charges = [stub.Charge.with_call(charge)[1] for _ in range(2)]
    refunds = [stub.Refund.with_call(refund)[1] for _ in range(2)]
    for calls in (charges, refunds):
        trailers = [dict(call.trailing_metadata()) for call in calls]
        assert [each.get("idempotency-replayed") for each in trailers] == [None, "true"]
        assert all(each["x-request-id"] for each in trailers)


def test_a_call_and_its_error_have_the_id_that_the_caller_sent(stub: PaymentServiceStub) -> None:
    metadata = (("x-request-id", "call-1"),)
    _, call = stub.Charge.with_call(pb.ChargeRequest(order_id=1, amount=Money(units=1)), metadata=metadata)
    assert dict(call.trailing_metadata())["x-request-id"] == "call-1"
    with pytest.raises(grpc.RpcError) as raised:
        stub.Charge(pb.ChargeRequest(), metadata=metadata)
    error = payments_client.errors.error_from_rpc(raised.value, None)
    assert (error.call_id, error.code) == ("call-1", grpc.StatusCode.INVALID_ARGUMENT)


def test_the_currency_of_an_amount_may_be_left_out_of_a_replay(client: PaymentsClient) -> None:
    first = client.charge(order_id=1, amount=Decimal(1), currency="INR", request_id="mine")
    assert client.charge(order_id=1, amount=Decimal("1.00"), request_id="mine") == first
    with pytest.raises(payments_client.RequestIdReused):
        client.charge(order_id=1, amount=Decimal(1), currency="USD", request_id="mine")


def test_whether_to_charge_unless_pending_is_not_a_parameter_of_the_payment(client: PaymentsClient) -> None:
    first = client.charge(order_id=1, amount=Decimal(1), payment_source="sim_timeout", request_id="mine")
    again = client.charge(
        order_id=1, amount=Decimal(1), payment_source="sim_timeout", request_id="mine", unless_pending=True
    )
    assert again == first


@pytest.mark.parametrize(
    ("first", "second", "is_rejected"),
    [
        ({"order_id": 1}, {"order_id": 1}, True),
        ({"order_id": 1}, {"order_id": 2}, False),
        ({"order_id": 1, "external_reference": "A"}, {"order_id": 2, "external_reference": "A"}, False),
        ({"external_reference": "A"}, {"external_reference": "A"}, True),
        ({"external_reference": "A"}, {"external_reference": "B"}, False),
        ({"order_id": 1, "external_reference": "A"}, {"external_reference": "A"}, False),
    ],
)
def test_an_order_with_a_pending_payment_is_not_charged_on_request(
    client: PaymentsClient, clock: Clock, first: dict[str, object], second: dict[str, object], *, is_rejected: bool
) -> None:
    client.charge(amount=Decimal(1), payment_source="sim_pending_5s", **first)  # type: ignore[arg-type]
    client.charge(amount=Decimal(1), **second)  # type: ignore[arg-type]
    if is_rejected:
        with pytest.raises(payments_client.OrderHasPendingPayment) as raised:
            client.charge(amount=Decimal(1), unless_pending=True, **second)  # type: ignore[arg-type]
        assert raised.value.payment_id == 1
        clock.advance(5)
    assert client.charge(amount=Decimal(1), unless_pending=True, **second).status == "SUCCEEDED"  # type: ignore[arg-type]


def test_the_charges_of_a_batch_see_each_other(client: PaymentsClient) -> None:
    first, replay, pending, invalid = client.batch_charge(
        [
            NewCharge(order_id=1, amount=Decimal(1), payment_source="sim_timeout", request_id="mine"),
            NewCharge(order_id=1, amount=Decimal(1), payment_source="sim_timeout", request_id="mine"),
            NewCharge(order_id=1, amount=Decimal(1), unless_pending=True),
            NewCharge(amount=Decimal(1)),
        ]
    )
    assert isinstance(first, payments_client.Payment)
    assert replay == first
    assert isinstance(pending, payments_client.OrderHasPendingPayment)
    assert pending.payment_id == first.payment_id
    assert isinstance(invalid, payments_client.InvalidRequest)
    assert invalid.call_id == pending.call_id


def test_a_batch_says_which_charges_are_replays(stub: PaymentServiceStub) -> None:
    charge = pb.ChargeRequest(order_id=1, amount=Money(units=1), request_id="mine")
    response = stub.BatchCharge(pb.BatchChargeRequest(charges=[charge, charge]))
    assert [result.replayed for result in response.results] == [False, True]


def test_a_batch_has_at_most_1000_charges(client: PaymentsClient) -> None:
    with pytest.raises(payments_client.InvalidRequest, match="must have 1 to 1,000 charges"):
        client.batch_charge([NewCharge(order_id=1, amount=Decimal(1))] * 1001)


def test_changing_a_request_after_the_call_changes_nothing(stub: PaymentServiceStub) -> None:
    request = pb.ChargeRequest(order_id=1, amount=Money(units=1), request_id="mine", labels={"a": "1"})
    response = stub.Charge(request)
    request.labels["a"] = response.payment.labels["a"] = "2"
    assert stub.GetPayment(pb.GetPaymentRequest(payment_id=1)).payment.labels == {"a": "1"}


@pytest.mark.parametrize(
    ("request_", "fields"),
    [
        (pb.ChargeRequest(order_id=1), ["amount"]),
        (pb.ChargeRequest(order_id=1, amount=Money(units=1), request_id="x" * 256), ["request_id"]),
        (pb.ChargeRequest(order_id=1, amount=Money(units=1), external_reference="x" * 101), ["external_reference"]),
        (pb.ChargeRequest(order_id=1, amount=Money(units=1), labels={"k" * 41: ""}), ["labels"]),
        (pb.ChargeRequest(order_id=1, amount=Money(units=1), labels={"k": "x" * 101}), ["labels"]),
        (pb.ChargeRequest(order_id=1, amount=Money(units=1, nanos=2 * 10**9)), ["amount.nanos"]),
    ],
)
def test_an_invalid_charge_is_rejected(stub: PaymentServiceStub, request_: pb.ChargeRequest, fields: list[str]) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        stub.Charge(request_)
    error = payments_client.errors.error_from_rpc(raised.value, None)
    assert isinstance(error, payments_client.InvalidRequest)
    assert [violation.field for violation in error.violations] == fields
