"""A charge with a source is made at most once although nobody can retry it: a placeholder takes its place."""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from payments_client.v1 import payments_pb2 as pb

from tests.processors.fake_records import Request
from tests.processors.faulty_processor import API_KEY, Fault, FaultyProcessor
from tests.processors.services import FAST, Starter, get, new_source, wait_until_settled
from tests.support.drivers.calls import CallFailed, GrpcDriver
from tests.support.drivers.requests import charge
from tests.support.waiting import wait_until

NEVER_RECEIVED = (pb.PAYMENT_STATUS_FAILED, pb.FAILURE_PROCESSOR_ERROR, "never_received")


def result_of(payment: pb.Payment) -> tuple[object, ...]:
    return payment.status, payment.failure, payment.failure_code


def has_source(request: Request) -> bool:
    """Return whether a request is the charge itself."""
    return "payment_method" in request.form


def fail_charges(processor: FaultyProcessor, fault: Fault) -> None:
    """Apply ``fault`` to the charges themselves, and not to placeholders and lookups."""
    processor.fault = lambda request: fault if has_source(request) else None


def send_again(processor: FaultyProcessor, request: Request) -> httpx.Response:
    """Send a request to the processor as if it had been on its way all the time."""
    headers = {"Authorization": f"Bearer {API_KEY}", "Idempotency-Key": request.key or ""}
    url = f"{processor.settings['PROCESSOR_URL']}{request.path}"
    return httpx.post(url, data=request.form, headers=headers)


def test_a_charge_that_was_lost_on_its_way_fails_and_cannot_arrive_later(
    processor: FaultyProcessor, start: Starter
) -> None:
    api = start()
    fail_charges(processor, Fault(drop_before=True))
    payment = api.charge(charge(payment_source=new_source())).payment
    assert payment.status == pb.PAYMENT_STATUS_PENDING
    assert result_of(wait_until_settled(api, payment.payment_id).payment) == NEVER_RECEIVED

    original = next(request for request in processor.requests if has_source(request))
    processor.fault = lambda _: None
    late = send_again(processor, original)
    assert (late.status_code, late.json()["error"]["type"]) == (400, "idempotency_error")
    (placeholder,) = processor.intents.values()
    assert (placeholder.status, placeholder.metadata["placeholder"]) == ("canceled", "true")
    assert not processor.capture_counts()


@pytest.mark.parametrize(
    "fault",
    [Fault(drop_after=True), Fault(error_after=500), Fault(send_half=True), Fault(after_seconds=2)],
    ids=str,
)
def test_a_charge_whose_response_was_lost_is_looked_up(
    processor: FaultyProcessor, start: Starter, fault: Fault
) -> None:
    api = start(PROCESSOR_TIMEOUT_SECONDS="1")
    fail_charges(processor, fault)
    payment = api.charge(charge(payment_source=new_source())).payment
    assert payment.status == pb.PAYMENT_STATUS_PENDING
    assert wait_until_settled(api, payment.payment_id).payment.status == pb.PAYMENT_STATUS_SUCCEEDED
    assert processor.capture_counts() == {payment.reference: 1}
    assert len(processor.intents) == 1, "the placeholder is rejected, because the key is used up"


def test_a_charge_that_the_processor_does_not_list_yet_stays_pending(
    processor: FaultyProcessor, start: Starter
) -> None:
    api = start()
    processor.list_lag_seconds = 3600
    fail_charges(processor, Fault(drop_after=True))
    payment = api.charge(charge(payment_source=new_source())).payment
    wait_until(lambda: len(processor.posts("/v1/payment_intents")) > 4)
    assert get(api, payment.payment_id).payment.status == pb.PAYMENT_STATUS_PENDING
    processor.list_lag_seconds = 0
    assert wait_until_settled(api, payment.payment_id).payment.status == pb.PAYMENT_STATUS_SUCCEEDED


@pytest.mark.parametrize("is_placeholder_first", [True, False])
def test_the_replica_that_knows_the_source_crashes_while_the_charge_is_on_its_way(
    processor: FaultyProcessor,
    start: Starter,
    is_placeholder_first: bool,  # noqa: FBT001
) -> None:
    first = start(PROCESSOR_TIMEOUT_SECONDS="30", PROCESSOR_KEY_LIFETIME_SECONDS="9999")
    other = start(PROCESSOR_TIMEOUT_SECONDS="30", PROCESSOR_KEY_LIFETIME_SECONDS="9999")
    # The fake carries out a request after this time although its sender is gone.
    fail_charges(processor, Fault(before_seconds=4) if is_placeholder_first else Fault(after_seconds=4))
    request = charge(payment_source=new_source(), request_id="crash")
    with ThreadPoolExecutor() as pool:
        call = pool.submit(first.charge, request)
        wait_until(lambda: any(map(has_source, processor.requests)))
        start.services[0].kill()
        assert isinstance(call.exception(), CallFailed)
    payment = other.charge(request).payment
    settled = wait_until_settled(other, payment.payment_id).payment
    if is_placeholder_first:
        assert result_of(settled) == NEVER_RECEIVED
        time.sleep(4)
        assert not processor.capture_counts()
    else:
        assert settled.status == pb.PAYMENT_STATUS_SUCCEEDED
        assert processor.capture_counts() == {payment.reference: 1}


@pytest.mark.parametrize("path", ["/payment_intents", "/cancel"])
def test_a_lost_response_to_the_placeholder_or_its_cancelation_is_asked_for_again(
    processor: FaultyProcessor, start: Starter, path: str
) -> None:
    api = start()
    lost: list[Request] = []

    def fault(request: Request) -> Fault | None:
        if has_source(request):
            return Fault(drop_before=True)
        if request.method == "POST" and request.path.endswith(path) and len(lost) < 5:
            lost.append(request)
            return Fault(drop_after=True)
        return None

    processor.fault = fault
    payment = api.charge(charge(payment_source=new_source())).payment
    assert result_of(wait_until_settled(api, payment.payment_id).payment) == NEVER_RECEIVED
    assert lost
    assert len(processor.intents) == 1


def test_a_placeholder_that_the_api_key_may_not_make_leaves_the_charge_pending(
    processor: FaultyProcessor, start: Starter
) -> None:
    api = start()
    error = (("type", "invalid_request_error"),)
    processor.fault = lambda request: (
        Fault(drop_before=True) if has_source(request) else Fault(error_before=403, error=error)
    )
    payment = api.charge(charge(payment_source=new_source())).payment
    assert start.services[0].wait_for("still_pending", payment_id=payment.payment_id)
    assert get(api, payment.payment_id).payment.status == pb.PAYMENT_STATUS_PENDING
    fail_charges(processor, Fault(drop_before=True))
    assert result_of(wait_until_settled(api, payment.payment_id).payment) == NEVER_RECEIVED


def test_two_replicas_that_recover_the_same_charges_agree(processor: FaultyProcessor, start: Starter) -> None:
    settings = {**FAST, "PROCESSOR_JANITOR_MAX_PAUSE_SECONDS": "0.5", "PROCESSOR_TIMEOUT_SECONDS": "1"}
    replicas: list[GrpcDriver] = [start(settings), start(settings)]
    fault_of = {0: Fault(drop_before=True), 1: Fault(drop_after=True), 2: Fault(before_seconds=2)}
    processor.fault = lambda request: (
        fault_of[int(request.form["metadata[order_id]"]) % 3] if has_source(request) else None
    )
    charges = [charge(order_id, payment_source=new_source()) for order_id in range(1, 31)]
    batches = [pb.BatchChargeRequest(charges=charges[:15]), pb.BatchChargeRequest(charges=charges[15:])]
    payments = [
        result.payment
        for api, batch in zip(replicas, batches, strict=True)
        for result in api.batch_charge(batch).results
    ]
    settled = [wait_until_settled(replicas[0], payment.payment_id).payment for payment in payments]
    assert processor.capture_counts() == {
        payment.reference: 1 for payment in settled if payment.status == pb.PAYMENT_STATUS_SUCCEEDED
    }
    # Of the slow charges, each replica may have been the first to reach the processor.
    for payment in settled:
        fault = fault_of[payment.order_id % 3]
        if not fault.before_seconds:
            status = pb.PAYMENT_STATUS_FAILED if fault.drop_before else pb.PAYMENT_STATUS_SUCCEEDED
            assert payment.status == status
