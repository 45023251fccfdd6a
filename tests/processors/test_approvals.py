"""A charge that its payer must approve is PENDING with what to do, until it is approved, refused or too late."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from payments_client.v1 import payments_pb2 as pb

from tests.processors.fake_objects import APPROVAL_PAGE, NEEDS_PHONE, NEEDS_REDIRECT
from tests.processors.fake_records import Request
from tests.processors.faulty_processor import Fault, FaultyProcessor
from tests.processors.services import (
    NO_RECONCILER,
    RETURN_URL,
    Rows,
    Starter,
    get,
    make_charge,
    new_source,
    wait_until_settled,
)
from tests.processors.webhook_sender import WebhookSender
from tests.support.drivers.calls import CallFailed, GrpcDriver
from tests.support.drivers.requests import charge, new_request_id, refund
from tests.support.waiting import wait_until

REFUSED = (pb.PAYMENT_STATUS_FAILED, pb.FAILURE_AUTHENTICATION_REQUIRED, "payment_intent_authentication_failure")
ABANDONED = (pb.PAYMENT_STATUS_FAILED, pb.FAILURE_AUTHENTICATION_REQUIRED, "abandoned")


def approval(request_id: str | None = None, kind: str = NEEDS_REDIRECT) -> pb.ChargeRequest:
    """Return a charge that its payer must approve in the browser."""
    return charge(343, payment_source=new_source(kind), return_url=RETURN_URL, request_id=request_id)


def await_approval(api: GrpcDriver, request: pb.ChargeRequest) -> pb.Payment:
    """Charge, and return the payment, which waits for its payer."""
    payment = api.charge(request).payment
    assert payment.status == pb.PAYMENT_STATUS_PENDING
    assert payment.HasField("next_action")
    return payment


def result_of(payment: pb.Payment) -> tuple[object, ...]:
    assert not payment.HasField("next_action")
    return payment.status, payment.failure, payment.failure_code


def test_an_approval_in_the_browser_has_a_page_and_an_end(processor: FaultyProcessor, start: Starter) -> None:
    api = start(NO_RECONCILER, PROCESSOR_APPROVAL_SECONDS="600")
    request = approval(new_request_id())
    payment = await_approval(api, request)
    action = payment.next_action
    assert action.type == pb.NEXT_ACTION_TYPE_REDIRECT
    assert action.redirect_url == APPROVAL_PAGE + request.payment_source
    end_time = payment.create_time.ToDatetime() + timedelta(seconds=600)
    assert action.expire_time.ToDatetime() == end_time
    assert payment.processor_reference == processor.intent_of(payment.reference).processor_id
    assert api.charge(request).payment == payment, "a retry returns what the payer must do, and sends nothing"
    assert len(processor.posts("/v1/payment_intents")) == 1


def test_an_approval_on_the_phone_has_no_page(start: Starter) -> None:
    api = start(NO_RECONCILER)
    payment = await_approval(api, charge(payment_source=new_source(NEEDS_PHONE)))
    assert payment.next_action.type == pb.NEXT_ACTION_TYPE_APPROVE_ON_PHONE
    assert not payment.next_action.redirect_url


def test_a_pending_approval_cannot_be_refunded_and_keeps_another_charge_of_the_order_away(start: Starter) -> None:
    api = start(NO_RECONCILER)
    request = approval()
    payment = await_approval(api, request)
    with pytest.raises(CallFailed) as pending:
        api.refund(refund(payment.payment_id))
    assert pending.value.reason == "PAYMENT_PENDING"
    with pytest.raises(CallFailed) as rejected:
        api.charge(charge(request.order_id, unless_pending=True))
    assert rejected.value.reason == "ORDER_HAS_PENDING_PAYMENT"


@pytest.mark.parametrize("has_webhooks", [True, False])
@pytest.mark.parametrize("is_approved", [True, False])
def test_the_payer_s_decision_reaches_the_payment(
    processor: FaultyProcessor,
    start: Starter,
    rows: Rows,
    *,
    is_approved: bool,
    has_webhooks: bool,
) -> None:
    # With webhooks, the reconciler would not ask while the test runs.
    api = start(NO_RECONCILER) if has_webhooks else start()
    with WebhookSender(processor, lambda: start.webhooks_url):
        if not has_webhooks:
            processor.send_event = lambda _: None
        payment = await_approval(api, approval())
        intent = processor.intent_of(payment.reference)
        assert processor.approve(intent) if is_approved else processor.refuse(intent)
        settled = wait_until_settled(api, payment.payment_id).payment
    assert result_of(settled) == ((pb.PAYMENT_STATUS_SUCCEEDED, 0, "") if is_approved else REFUSED)
    assert processor.capture_counts() == ({payment.reference: 1} if is_approved else {})
    outcome = "CHARGED" if is_approved else "FAILED"
    rows.wait_for_events(payment.payment_id, "PENDING", "ACTION_REQUIRED", outcome)
    if is_approved:
        assert api.refund(refund(payment.payment_id)).refund.status == pb.REFUND_STATUS_SUCCEEDED


def test_an_approval_that_takes_too_long_is_canceled(processor: FaultyProcessor, start: Starter, rows: Rows) -> None:
    api = start(PROCESSOR_APPROVAL_SECONDS="3")
    payment = await_approval(api, approval())
    assert result_of(wait_until_settled(api, payment.payment_id).payment) == ABANDONED
    intent = processor.intent_of(payment.reference)
    assert intent.status == "canceled"
    assert not processor.approve(intent), "the payer cannot approve it any more"
    rows.wait_for_events(payment.payment_id, "PENDING", "ACTION_REQUIRED", "FAILED")


def test_the_payer_approves_in_the_moment_of_the_cancelation(processor: FaultyProcessor, start: Starter) -> None:
    api = start(PROCESSOR_APPROVAL_SECONDS="3")
    approved: list[str] = []

    def approve_first(request: Request) -> None:
        if request.path.endswith("/cancel"):
            intent = processor.intents[request.path.split("/")[3]]
            approved.extend([intent.reference] * processor.approve(intent))

    processor.fault = approve_first
    payment = await_approval(api, approval())
    settled = wait_until_settled(api, payment.payment_id).payment
    assert result_of(settled) == (pb.PAYMENT_STATUS_SUCCEEDED, 0, "")
    assert approved == [payment.reference]
    assert processor.capture_counts() == {payment.reference: 1}


def test_approvals_and_cancelations_that_race_agree_with_the_processor(
    processor: FaultyProcessor, start: Starter
) -> None:
    api = start(PROCESSOR_APPROVAL_SECONDS="3")
    with ThreadPoolExecutor(8) as pool:
        payments = list(pool.map(lambda _: await_approval(api, approval()), range(16)))
        stop = threading.Event()

        def approve_some() -> None:
            # The first ones are canceled some 3 seconds after their creation.
            while not stop.wait(0.02) and (waiting := processor.intents_waiting()):
                if time.time() - waiting[0].created_seconds > 3:
                    processor.approve(waiting[-1])

        approving = pool.submit(approve_some)
        settled = [wait_until_settled(api, payment.payment_id).payment for payment in payments]
        stop.set()
        approving.result()
    succeeded = {one.reference: 1 for one in settled if one.status == pb.PAYMENT_STATUS_SUCCEEDED}
    assert processor.capture_counts() == succeeded
    assert all(result_of(one) in {ABANDONED, (pb.PAYMENT_STATUS_SUCCEEDED, 0, "")} for one in settled)


@pytest.mark.parametrize("fault", [Fault(drop_before=True), Fault(drop_after=True), Fault(error_after=500)], ids=str)
def test_a_lost_cancelation_is_repeated(processor: FaultyProcessor, start: Starter, fault: Fault) -> None:
    api = start(PROCESSOR_APPROVAL_SECONDS="2")
    failing: list[Request] = []

    def fail_first(request: Request) -> Fault | None:
        if request.path.endswith("/cancel") and len(failing) < 4:
            failing.append(request)
            return fault
        return None

    processor.fault = fail_first
    payment = await_approval(api, approval())
    assert result_of(wait_until_settled(api, payment.payment_id).payment) == ABANDONED
    assert failing
    assert processor.intent_of(payment.reference).status == "canceled"


def test_a_charge_that_needs_an_approval_without_a_return_url_fails(
    processor: FaultyProcessor, start: Starter, rows: Rows
) -> None:
    api = start(NO_RECONCILER)
    payment = api.charge(charge(payment_source=new_source(NEEDS_REDIRECT))).payment
    assert result_of(payment) == ABANDONED
    assert processor.intent_of(payment.reference).status == "canceled"
    rows.wait_for_events(payment.payment_id, "PENDING", "FAILED")


def test_an_action_whose_response_was_lost_is_found_by_the_reconciler(
    processor: FaultyProcessor, start: Starter, rows: Rows
) -> None:
    api = start()
    processor.fault = lambda request: Fault(drop_after=True) if "payment_method" in request.form else None
    payment = api.charge(approval()).payment
    assert not payment.HasField("next_action")
    wait_until(lambda: get(api, payment.payment_id).payment.HasField("next_action"))
    processor.approve(processor.intent_of(payment.reference))
    wait_until_settled(api, payment.payment_id)
    rows.wait_for_events(payment.payment_id, "PENDING", "ACTION_REQUIRED", "CHARGED")


def test_a_payment_that_waits_for_its_payer_survives_a_restart(processor: FaultyProcessor, start: Starter) -> None:
    payment = await_approval(start(), approval())
    start.services[0].kill()
    asked = len(processor.requests)
    api = start()
    # The other replica does not know the source, and must not send a placeholder for a charge that exists.
    wait_until(lambda: any(request.path.endswith("pi_1") for request in processor.requests[asked:]))
    assert get(api, payment.payment_id).payment == payment
    processor.approve(processor.intent_of(payment.reference))
    assert wait_until_settled(api, payment.payment_id).payment.status == pb.PAYMENT_STATUS_SUCCEEDED
    assert len(processor.posts("/v1/payment_intents")) == 1


def test_the_payer_s_approval_is_found_although_the_reconciler_s_reads_fail(
    processor: FaultyProcessor, start: Starter
) -> None:
    api = start(PROCESSOR_TIMEOUT_SECONDS="1")
    payment = await_approval(api, approval())
    with processor.failing(Fault(drop_after=True)):
        processor.approve(processor.intent_of(payment.reference))
        start.services[0].wait_for("still_pending", payment_id=payment.payment_id)
        make_nothing_of_it = get(api, payment.payment_id).payment
    assert make_nothing_of_it.status == pb.PAYMENT_STATUS_PENDING
    assert wait_until_settled(api, payment.payment_id).payment.status == pb.PAYMENT_STATUS_SUCCEEDED
    make_charge(api)
