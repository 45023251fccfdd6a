"""The simulated processor does what the payment source of a charge says."""

import time

import pytest
from payments_client.v1 import payments_pb2 as pb

from server.domain.simulation import SimulatedSource
from tests.support.drivers.calls import CallFailed, Driver, GrpcDriver
from tests.support.drivers.requests import charge, new_request_id, refund
from tests.support.waiting import wait_until

FAILURES = {
    "sim_insufficient_funds": pb.FAILURE_INSUFFICIENT_FUNDS,
    "sim_expired_method": pb.FAILURE_EXPIRED_METHOD,
    "sim_invalid_method": pb.FAILURE_INVALID_METHOD,
    "sim_authentication_required": pb.FAILURE_AUTHENTICATION_REQUIRED,
    "sim_fraud": pb.FAILURE_SUSPECTED_FRAUD,
    "sim_limit_exceeded": pb.FAILURE_LIMIT_EXCEEDED,
    "sim_declined": pb.FAILURE_DECLINED,
    "sim_processor_error": pb.FAILURE_PROCESSOR_ERROR,
}
DISPUTES = ("sim_dispute_5s_won", "sim_dispute_5s_lost")
SUCCESSES = ("sim_success", "sim_refund_fails", "sim_refund_pending_5s", "sim_refund_fails_after_5s", *DISPUTES)
APPROVALS = ("sim_approval_5s", "sim_approval_5s_refused")
PENDING = ("sim_pending_5s", "sim_pending_5s_declined", "sim_timeout", *APPROVALS)
SETTLED_WITHIN_SECONDS = 20


def payment_of(api: Driver, payment_id: int) -> pb.Payment:
    return api.get_payment(pb.GetPaymentRequest(payment_id=payment_id)).payment


def wait_until_settled(api: Driver, payment_id: int) -> None:
    def is_settled() -> bool:
        return payment_of(api, payment_id).status != pb.PAYMENT_STATUS_PENDING

    wait_until(is_settled, within_seconds=SETTLED_WITHIN_SECONDS)


def event_types(api: Driver, payment_id: int) -> list[str]:
    events = api.list_payment_events(pb.ListPaymentEventsRequest(payment_id=payment_id)).events
    return [pb.PaymentEventType.Name(event.type).removeprefix("PAYMENT_EVENT_TYPE_") for event in events]


def test_every_source_is_tested_here() -> None:
    assert {*FAILURES, *SUCCESSES, *PENDING} == set(SimulatedSource)


@pytest.mark.parametrize("source", FAILURES)
def test_a_source_declines_with_its_reason_whatever_the_method(api: Driver, source: str) -> None:
    payment = api.charge(charge(payment_source=source)).payment
    assert (payment.status, payment.failure) == (pb.PAYMENT_STATUS_FAILED, FAILURES[source])
    assert payment.failure_code == pb.Failure.Name(payment.failure).removeprefix("FAILURE_").lower()
    assert payment_of(api, payment.payment_id) == payment
    assert event_types(api, payment.payment_id) == ["FAILED"]


@pytest.mark.parametrize("source", SUCCESSES)
def test_a_source_approves_a_method_that_is_declined_otherwise(api: Driver, source: str) -> None:
    payment = api.charge(charge(method=pb.PAYMENT_METHOD_CARD, payment_source=source)).payment
    assert (payment.status, payment.failure) == (pb.PAYMENT_STATUS_SUCCEEDED, pb.FAILURE_UNSPECIFIED)


def test_a_random_decline_has_a_reason_too(api: Driver) -> None:
    payment = api.charge(charge(method=pb.PAYMENT_METHOD_CARD)).payment
    assert (payment.status, payment.failure, payment.failure_code) == (
        pb.PAYMENT_STATUS_FAILED,
        pb.FAILURE_DECLINED,
        "declined",
    )


@pytest.mark.parametrize(
    ("source", "status", "failure", "event"),
    [
        ("sim_pending_5s", pb.PAYMENT_STATUS_SUCCEEDED, pb.FAILURE_UNSPECIFIED, "CHARGED"),
        ("sim_pending_5s_declined", pb.PAYMENT_STATUS_FAILED, pb.FAILURE_DECLINED, "FAILED"),
    ],
)
def test_a_pending_payment_gets_its_outcome(
    grpc_api: GrpcDriver, source: str, status: int, failure: int, event: str
) -> None:
    request = charge(payment_source=source, request_id=new_request_id())
    payment = grpc_api.charge(request).payment
    assert (payment.status, payment.failure) == (pb.PAYMENT_STATUS_PENDING, pb.FAILURE_UNSPECIFIED)

    wait_until_settled(grpc_api, payment.payment_id)
    settled = grpc_api.charge(request).payment
    assert (settled.payment_id, settled.status, settled.failure) == (payment.payment_id, status, failure)
    assert event_types(grpc_api, payment.payment_id) == ["PENDING", event]


@pytest.mark.parametrize(
    ("source", "status", "failure", "event"),
    [
        ("sim_approval_5s", pb.PAYMENT_STATUS_SUCCEEDED, pb.FAILURE_UNSPECIFIED, "CHARGED"),
        ("sim_approval_5s_refused", pb.PAYMENT_STATUS_FAILED, pb.FAILURE_AUTHENTICATION_REQUIRED, "FAILED"),
    ],
)
def test_a_payment_waits_for_its_payer(
    grpc_api: GrpcDriver, source: str, status: int, failure: int, event: str
) -> None:
    request = charge(payment_source=source, return_url="https://shop.example/orders/1", request_id=new_request_id())
    payment = grpc_api.charge(request).payment
    assert payment.status == pb.PAYMENT_STATUS_PENDING
    assert payment.next_action.type == pb.NEXT_ACTION_TYPE_REDIRECT
    assert payment.next_action.redirect_url.startswith("https://")
    assert payment.next_action.expire_time.seconds > payment.create_time.seconds

    wait_until_settled(grpc_api, payment.payment_id)
    found = grpc_api.charge(request).payment
    assert (found.status, found.failure, found.HasField("next_action")) == (status, failure, False)
    assert event_types(grpc_api, payment.payment_id) == ["PENDING", "ACTION_REQUIRED", event]


@pytest.mark.parametrize(
    ("source", "status"),
    [("sim_dispute_5s_won", pb.DISPUTE_STATUS_WON), ("sim_dispute_5s_lost", pb.DISPUTE_STATUS_LOST)],
)
def test_a_disputed_payment_is_refunded_only_if_the_dispute_is_won(
    grpc_api: GrpcDriver, source: str, status: pb.DisputeStatus.ValueType
) -> None:
    payment = grpc_api.charge(charge(payment_source=source)).payment

    def dispute_status() -> int:
        return payment_of(grpc_api, payment.payment_id).dispute.status

    wait_until(lambda: dispute_status() == pb.DISPUTE_STATUS_OPEN, within_seconds=SETTLED_WITHIN_SECONDS)
    with pytest.raises(CallFailed) as failed:
        grpc_api.refund(refund(payment.payment_id))
    assert (failed.value.code, failed.value.reason) == ("FAILED_PRECONDITION", "PAYMENT_DISPUTED")
    wait_until(lambda: dispute_status() == status, within_seconds=SETTLED_WITHIN_SECONDS)
    assert payment_of(grpc_api, payment.payment_id).dispute.amount == payment.amount
    name = pb.DisputeStatus.Name(status).removeprefix("DISPUTE_STATUS_")
    assert event_types(grpc_api, payment.payment_id) == ["PENDING", "CHARGED", "DISPUTE_OPENED", f"DISPUTE_{name}"]
    if status == pb.DISPUTE_STATUS_WON:
        assert grpc_api.refund(refund(payment.payment_id)).refund.status == pb.REFUND_STATUS_SUCCEEDED
    else:
        with pytest.raises(CallFailed):
            grpc_api.refund(refund(payment.payment_id))


def test_a_processor_that_does_not_answer_leaves_the_payment_pending_at_the_end_of_the_call(
    grpc_api: GrpcDriver,
) -> None:
    started_seconds = time.monotonic()
    payment = grpc_api.stub.Charge(charge(payment_source="sim_timeout"), timeout=2).payment
    assert payment.status == pb.PAYMENT_STATUS_PENDING
    assert time.monotonic() - started_seconds > 1


def test_a_refund_fails(api: Driver) -> None:
    payment = api.charge(charge(payment_source="sim_refund_fails")).payment
    request = refund(payment.payment_id, "61.00", request_id=new_request_id())
    refunded = api.refund(request)
    assert (refunded.refund.status, refunded.refund.failure) == (pb.REFUND_STATUS_FAILED, pb.FAILURE_DECLINED)
    assert refunded.payment == payment
    assert api.refund(request).refund == refunded.refund
    assert event_types(api, payment.payment_id) == ["CHARGED", "REFUND_PENDING", "REFUND_FAILED"]


def test_a_refund_is_pending_at_first(grpc_api: GrpcDriver) -> None:
    payment = grpc_api.charge(charge(payment_source="sim_refund_pending_5s")).payment
    pending = grpc_api.refund(refund(payment.payment_id))
    assert pending.refund.status == pb.REFUND_STATUS_PENDING
    assert pending.payment.refund_state == pb.REFUND_STATE_FULL

    def status() -> int:
        return grpc_api.get_payment(pb.GetPaymentRequest(payment_id=payment.payment_id)).refunds[0].status

    wait_until(lambda: status() == pb.REFUND_STATUS_SUCCEEDED, within_seconds=SETTLED_WITHIN_SECONDS)
    assert event_types(grpc_api, payment.payment_id) == ["CHARGED", "REFUND_PENDING", "REFUNDED"]


def test_a_refund_that_succeeded_fails_later_and_can_be_repeated(grpc_api: GrpcDriver) -> None:
    payment = grpc_api.charge(charge(payment_source="sim_refund_fails_after_5s")).payment
    refunded = grpc_api.refund(refund(payment.payment_id))
    assert refunded.refund.status == pb.REFUND_STATUS_SUCCEEDED

    def found() -> pb.Refund:
        return grpc_api.get_payment(pb.GetPaymentRequest(payment_id=payment.payment_id)).refunds[0]

    wait_until(lambda: found().status == pb.REFUND_STATUS_FAILED, within_seconds=SETTLED_WITHIN_SECONDS)
    assert found().failure != pb.FAILURE_UNSPECIFIED
    assert payment_of(grpc_api, payment.payment_id) == payment
    assert event_types(grpc_api, payment.payment_id) == ["CHARGED", "REFUND_PENDING", "REFUNDED", "REFUND_FAILED"]
    assert grpc_api.refund(refund(payment.payment_id)).refund.status == pb.REFUND_STATUS_SUCCEEDED


@pytest.mark.parametrize("source", ["sim_", "sim_unknown", "SIM_SUCCESS", "pm_card_visa", "sim_success ", "\u20b9"])
def test_an_unknown_source_is_rejected_and_nothing_is_stored(api: Driver, source: str) -> None:
    request_id = new_request_id()
    with pytest.raises(CallFailed) as failed:
        api.charge(charge(payment_source=source, request_id=request_id))
    assert (failed.value.code, failed.value.fields) == ("INVALID_ARGUMENT", ["payment_source"])
    assert "sim_success" in failed.value.descriptions[0]
    with pytest.raises(CallFailed, match="not found"):
        api.get_payment(pb.GetPaymentRequest(request_id=request_id))
