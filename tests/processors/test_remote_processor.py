"""A remote processor that is slow, silent or down: callers get a definite response, and money moves once.

The processor is a fake, over HTTP; the service and the database are real.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import grpc
import httpx
import pytest
from payments_client.v1 import payments_pb2 as pb

from tests.processors.fake_objects import FakeRefund
from tests.processors.faulty_processor import API_KEY, Fault, FaultyProcessor
from tests.processors.services import (
    FAST,
    NO_RECONCILER,
    WAIT_SECONDS,
    Starter,
    charge_within,
    make_charge,
    wait_until_settled,
)
from tests.support.databases import DatabaseServer, LockPaymentRows, settings_of
from tests.support.drivers.calls import CallFailed, GrpcDriver
from tests.support.drivers.requests import FAILING, SUCCEEDING, charge, money, new_request_id, refund
from tests.support.running_service import RunningService
from tests.support.waiting import wait_until
from tools.operations.archive import archive
from tools.progress import show_progress


def test_a_charge_is_sent_once_with_its_parameters(processor: FaultyProcessor, start: Starter) -> None:
    api = start(NO_RECONCILER)
    payment = api.charge(charge(amount="561.25")).payment

    assert payment.status == pb.PAYMENT_STATUS_SUCCEEDED
    (request,) = processor.requests
    assert (request.method, request.path, request.key) == ("POST", "/v1/payment_intents", f"charge-{payment.reference}")
    assert request.form["amount"] == "56125"
    assert request.form["currency"] == "inr"
    assert (request.form["payment_method"], request.form["payment_method_types[0]"]) == ("pm_upi", "upi")
    assert request.form["metadata[reference]"] == payment.reference
    assert request.form["metadata[payment_id]"] == str(payment.payment_id)


def test_an_amount_of_a_currency_without_decimals_is_sent_in_whole_units(
    processor: FaultyProcessor, start: Starter
) -> None:
    api = start(NO_RECONCILER)
    api.charge(charge(amount=561, currency="JPY"))
    assert (processor.requests[0].form["amount"], processor.requests[0].form["currency"]) == ("561", "jpy")


def test_an_amount_is_sent_in_the_processor_s_unit_of_its_currency(processor: FaultyProcessor, start: Starter) -> None:
    api = start(NO_RECONCILER, ALLOWED_CURRENCIES="INR,ISK,UGX,MGA")
    for currency, amount in (("ISK", 5), ("UGX", 5), ("MGA", 500)):
        payment = api.charge(charge(amount=amount, currency=currency)).payment
        assert payment.status == pb.PAYMENT_STATUS_SUCCEEDED
        api.refund(pb.RefundRequest(payment_id=payment.payment_id))
    charges, refunds = processor.posts("/v1/payment_intents"), processor.posts("/v1/refunds")
    assert [request.form["amount"] for request in charges] == ["500", "500", "500"]
    assert [request.form["amount"] for request in refunds] == ["500", "500", "500"]


def test_an_amount_that_the_processor_cannot_charge_exactly_is_rejected_before_anything_is_stored(
    processor: FaultyProcessor, start: Starter, database_server: DatabaseServer, migrated_database: dict[str, str]
) -> None:
    api = start(NO_RECONCILER, ALLOWED_CURRENCIES="INR,MGA,USD")
    payment = api.charge(charge(amount=500, currency="MGA")).payment
    with pytest.raises(CallFailed) as too_fine_charge:
        api.charge(charge(amount="1.50", currency="MGA"))
    with pytest.raises(CallFailed) as too_large_charge:
        api.charge(charge(amount="1000000.00", currency="USD"))
    with pytest.raises(CallFailed) as too_fine_refund:
        api.refund(pb.RefundRequest(payment_id=payment.payment_id, amount=money("1.50", "MGA")))
    batch = api.batch_charge(pb.BatchChargeRequest(charges=[charge(amount="1.50", currency="MGA"), charge()]))
    for failed in (too_fine_charge.value, too_large_charge.value, too_fine_refund.value):
        assert (failed.code, failed.fields) == ("INVALID_ARGUMENT", ["amount"])
    assert [result.error.code for result in batch.results] == [grpc.StatusCode.INVALID_ARGUMENT.value[0], 0]
    count = "SELECT (SELECT COUNT(*) FROM payments), (SELECT COUNT(*) FROM refunds)"
    assert database_server.execute(count, database=migrated_database["MYSQL_DB"]) == [(2, 0)]
    assert len(processor.requests) == 2


def test_a_currency_that_the_processor_does_not_support_stops_the_startup(start: Starter) -> None:
    with pytest.raises(AssertionError, match=r"ALLOWED_CURRENCIES.*IRR"):
        start(ALLOWED_CURRENCIES="INR,IRR")


def test_a_charge_with_a_misconfigured_payment_method_is_made_after_the_method_is_fixed(
    processor: FaultyProcessor, start: Starter
) -> None:
    api = start()
    error = (("type", "invalid_request_error"), ("code", "resource_missing"), ("param", "payment_method"))
    with processor.failing(Fault(error_before=400, error=error), path="/payment_intents"):
        payment = api.charge(charge()).payment
        assert payment.status == pb.PAYMENT_STATUS_PENDING
        (service,) = start.services
        assert service.wait_for("processor_refuses", level="error", code="resource_missing", parameter="payment_method")
    assert wait_until_settled(api, payment.payment_id).payment.status == pb.PAYMENT_STATUS_SUCCEEDED


def test_refunds_that_the_api_key_may_not_make_stay_pending_and_charges_still_work(
    processor: FaultyProcessor, start: Starter
) -> None:
    api = start(PROCESSOR_BREAKER_FAILURES="1")
    payment = make_charge(api)
    with processor.failing(Fault(error_before=403, error=(("type", "invalid_request_error"),)), path="/refunds"):
        assert api.refund(refund(payment.payment_id, 40)).refund.status == pb.REFUND_STATUS_PENDING
        make_charge(api)
    details = wait_until_settled(api, payment.payment_id)
    assert [refund.status for refund in details.refunds] == [pb.REFUND_STATUS_SUCCEEDED]


def test_a_charge_whose_response_has_another_amount_stays_pending(processor: FaultyProcessor, start: Starter) -> None:
    api = start()
    processor.alter = lambda body: body | {"amount": 1}
    payment = api.charge(charge()).payment
    assert payment.status == pb.PAYMENT_STATUS_PENDING
    assert start.services[0].wait_for("processor_answer_wrong", level="error", payment_id=payment.payment_id)
    processor.alter = lambda body: body
    assert wait_until_settled(api, payment.payment_id).payment.status == pb.PAYMENT_STATUS_SUCCEEDED


def test_a_payment_that_was_refunded_elsewhere_is_refunded(processor: FaultyProcessor, start: Starter) -> None:
    api = start()
    payment = make_charge(api)
    with processor.lock:
        processor.refunds["re_0"] = FakeRefund("re_0", "pi_1", "dashboard", 10_000, "inr", "succeeded")
    response = api.refund(refund(payment.payment_id))
    assert response.refund.status == pb.REFUND_STATUS_SUCCEEDED
    assert response.payment.refund_state == pb.REFUND_STATE_FULL


def test_a_declined_charge_is_a_failed_payment(start: Starter) -> None:
    api = start()
    assert api.charge(charge(method=FAILING)).payment.status == pb.PAYMENT_STATUS_FAILED


def test_a_charge_without_a_method_gets_the_default_and_an_unsupported_method_is_rejected(
    start: Starter,
) -> None:
    api = start(PROCESSOR_METHODS="UPI=pm_upi")
    assert api.charge(charge(method=pb.PAYMENT_METHOD_UNSPECIFIED)).payment.method == pb.PAYMENT_METHOD_UPI
    with pytest.raises(CallFailed) as raised:
        api.charge(charge(method=pb.PAYMENT_METHOD_COD))
    assert (raised.value.code, raised.value.fields) == ("INVALID_ARGUMENT", ["method"])


def test_a_charge_at_a_slow_processor_returns_pending_before_the_deadline_and_is_settled_later(
    processor: FaultyProcessor, start: Starter
) -> None:
    api = start(NO_RECONCILER, PROCESSOR_TIMEOUT_SECONDS="30", PROCESSOR_DEADLINE_MARGIN_SECONDS="1")
    with processor.failing(Fault(before_seconds=4)):
        payment = charge_within(api, charge(), 2)
        assert payment.status == pb.PAYMENT_STATUS_PENDING
        assert wait_until_settled(api, payment.payment_id).payment.status == pb.PAYMENT_STATUS_SUCCEEDED
    assert len(processor.requests) == 1


def test_repeating_a_pending_charge_sends_no_request_and_returns_the_payment(
    processor: FaultyProcessor, start: Starter
) -> None:
    api = start(NO_RECONCILER, PROCESSOR_TIMEOUT_SECONDS="30")
    other = start(NO_RECONCILER)
    request = charge(request_id=new_request_id())
    with processor.failing(Fault(before_seconds=5)):
        first = charge_within(api, request, 1)
        elsewhere = other.charge(request).payment
        here = api.charge(request).payment
    assert first.status == elsewhere.status == pb.PAYMENT_STATUS_PENDING
    assert first.payment_id == elsewhere.payment_id == here.payment_id
    assert here.status == pb.PAYMENT_STATUS_SUCCEEDED, "the replica that sent the request waits for its outcome"
    assert len(processor.requests) == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault(drop_before=True),
        Fault(drop_after=True),
        Fault(error_before=500),
        Fault(error_before=503),
        Fault(error_before=429),
        Fault(error_before=409),
        Fault(send_half=True),
        Fault(after_seconds=3),
    ],
    ids=str,
)
def test_a_charge_is_captured_once_whatever_happens_to_the_responses(
    processor: FaultyProcessor, start: Starter, fault: Fault
) -> None:
    api = start(PROCESSOR_TIMEOUT_SECONDS="1")
    with processor.failing(fault):
        payment = api.charge(charge()).payment
        assert payment.status == pb.PAYMENT_STATUS_PENDING
    assert wait_until_settled(api, payment.payment_id).payment.status == pb.PAYMENT_STATUS_SUCCEEDED
    assert processor.capture_counts() == {payment.reference: 1}


@pytest.mark.parametrize("echoes_keys", [True, False])
def test_a_duplicate_response_is_not_mistaken_for_the_response_to_the_next_request(
    processor: FaultyProcessor,
    start: Starter,
    echoes_keys: bool,  # noqa: FBT001
) -> None:
    api = start()
    processor.echoes_keys = echoes_keys
    payments = []
    with processor.failing(Fault(send_twice=True)):
        for _ in range(10):
            payments += [api.charge(charge(method=method)).payment for method in (SUCCEEDING, FAILING)]
    outcomes = [wait_until_settled(api, payment.payment_id).payment.status for payment in payments]
    assert outcomes == [pb.PAYMENT_STATUS_SUCCEEDED, pb.PAYMENT_STATUS_FAILED] * 10
    assert processor.capture_counts() == {payment.reference: 1 for payment in payments[::2]}


def test_a_charge_whose_error_is_replayed_is_found_by_its_reference(processor: FaultyProcessor, start: Starter) -> None:
    api = start()
    with processor.failing(Fault(error_after=500)):
        payment = api.charge(charge()).payment
    assert wait_until_settled(api, payment.payment_id).payment.status == pb.PAYMENT_STATUS_SUCCEEDED
    assert processor.capture_counts() == {payment.reference: 1}


@pytest.mark.parametrize("was_charged", [True, False])
def test_a_charge_whose_key_is_forgotten_is_looked_up_and_fails_if_it_was_never_made(
    processor: FaultyProcessor,
    start: Starter,
    was_charged: bool,  # noqa: FBT001
) -> None:
    api = start(PROCESSOR_TIMEOUT_SECONDS="1", PROCESSOR_KEY_LIFETIME_SECONDS="10")
    processor.list_lag_seconds = 9
    fault = Fault(drop_after=True) if was_charged else Fault(drop_before=True)
    with processor.failing(fault, path="/payment_intents"):
        payment = api.charge(charge()).payment
        time.sleep(8.5)
        requests_so_far = len(processor.posts("/v1/payment_intents"))
        processor.forget_keys()
    outcome = wait_until_settled(api, payment.payment_id).payment.status
    assert outcome == (pb.PAYMENT_STATUS_SUCCEEDED if was_charged else pb.PAYMENT_STATUS_FAILED)
    assert processor.capture_counts() == ({payment.reference: 1} if was_charged else {})
    assert len(processor.posts("/v1/payment_intents")) == requests_so_far, (
        "a request that could charge again is not sent"
    )


def test_a_key_that_was_used_with_other_parameters_settles_nothing(processor: FaultyProcessor, start: Starter) -> None:
    api = start()
    with processor.failing(Fault(drop_after=True)):
        payment = api.charge(charge()).payment
        start.services[0].kill()
    # The payment method's name has changed in the meantime, so the retried request has other parameters.
    api = start(PROCESSOR_METHODS="UPI=pm_other")
    assert wait_until_settled(api, payment.payment_id).payment.status == pb.PAYMENT_STATUS_SUCCEEDED
    assert processor.capture_counts() == {payment.reference: 1}


def test_a_charge_that_the_processor_is_still_working_on_is_settled_later(
    processor: FaultyProcessor, start: Starter
) -> None:
    api = start()
    processor.initial_status, processor.list_lag_seconds = "processing", 3600
    payment = api.charge(charge()).payment
    assert payment.status == pb.PAYMENT_STATUS_PENDING
    processor.intents["pi_1"].status = "succeeded"
    assert wait_until_settled(api, payment.payment_id).payment.status == pb.PAYMENT_STATUS_SUCCEEDED


def test_payments_that_a_killed_replica_left_pending_are_settled_by_another(
    processor: FaultyProcessor, start: Starter
) -> None:
    api = start()
    other = start()
    with ThreadPoolExecutor() as pool, processor.failing(Fault(before_seconds=3)):
        requests = [charge(request_id=new_request_id()) for _ in range(20)]
        calls = [pool.submit(api.charge, request) for request in requests]
        wait_until(lambda: bool(processor.requests))
        start.services[0].kill()
        assert all(isinstance(call.exception(), CallFailed) for call in calls)
    references = set()
    for request in requests:
        payment = other.charge(request).payment
        references.add(payment.reference)
        assert wait_until_settled(other, payment.payment_id).payment.status == pb.PAYMENT_STATUS_SUCCEEDED
    assert processor.capture_counts() == dict.fromkeys(references, 1)


def test_two_reconcilers_ask_about_each_pending_payment_only_once_a_round(
    processor: FaultyProcessor, start: Starter, database_server: DatabaseServer, migrated_database: dict[str, str]
) -> None:
    # Long enough that no reconciler asks before the test lets it, nor twice while the other payments are being settled.
    settings = {**FAST, "PROCESSOR_JANITOR_AFTER_SECONDS": "600", "PROCESSOR_JANITOR_MAX_PAUSE_SECONDS": "600"}
    api = start(settings)
    start(settings)
    with processor.failing(Fault(error_before=503)):
        batch = pb.BatchChargeRequest(charges=[charge() for _ in range(60)])
        payments = [result.payment for result in api.batch_charge(batch).results]
        wait_until(lambda: sum(event["event"] == "left_pending" for event in start.services[0].events) == len(payments))
    assert {payment.status for payment in payments} == {pb.PAYMENT_STATUS_PENDING}
    with processor.lock:
        processor.requests.clear()
    database = migrated_database["MYSQL_DB"]
    database_server.execute("UPDATE processor_requests SET due_at = UTC_TIMESTAMP(6)", database=database)
    for payment in payments:
        assert wait_until_settled(api, payment.payment_id).payment.status == pb.PAYMENT_STATUS_SUCCEEDED
    assert sorted(request.key or "" for request in processor.posts("/v1/payment_intents")) == sorted(
        f"charge-{payment.reference}" for payment in payments
    )
    assert not database_server.execute("SELECT * FROM processor_requests", database=database)


def test_a_batch_sends_no_more_than_the_maximum_of_concurrent_requests(
    processor: FaultyProcessor, start: Starter
) -> None:
    api = start(PROCESSOR_MAX_REQUESTS="3", PROCESSOR_JANITOR_AFTER_SECONDS="60", PROCESSOR_KEY_LIFETIME_SECONDS="9999")
    concurrent = maximum = 0

    def count(_: object) -> Fault | None:
        nonlocal concurrent, maximum
        with processor.lock:
            concurrent += 1
            maximum = max(concurrent, maximum)
        time.sleep(0.05)
        with processor.lock:
            concurrent -= 1
        return None

    processor.fault = count
    batch = pb.BatchChargeRequest(charges=[charge() for _ in range(30)])
    assert {result.payment.status for result in api.batch_charge(batch).results} == {pb.PAYMENT_STATUS_SUCCEEDED}
    assert maximum <= 3


def test_a_pending_payment_cannot_be_refunded(processor: FaultyProcessor, start: Starter) -> None:
    api = start(NO_RECONCILER)
    with processor.failing(Fault(drop_before=True)):
        payment = api.charge(charge()).payment
    with pytest.raises(CallFailed) as raised:
        api.refund(refund(payment.payment_id))
    assert (raised.value.code, raised.value.reason) == ("FAILED_PRECONDITION", "PAYMENT_PENDING")


def test_a_refund_is_sent_once_for_the_charged_payment(processor: FaultyProcessor, start: Starter) -> None:
    api = start(NO_RECONCILER)
    payment = make_charge(api)
    response = api.refund(refund(payment.payment_id, 40, reason="damaged"))
    assert response.refund.status == pb.REFUND_STATUS_SUCCEEDED
    assert response.payment.refunded_amount.units == 40
    request = processor.requests[-1]
    key = f"refund-{payment.reference}-{response.refund.refund_id}"
    assert (request.path, request.key, request.form["payment_intent"]) == ("/v1/refunds", key, "pi_1")
    assert request.form["amount"] == "4000"
    assert "damaged" not in str(request.form), "the reason of a refund is not sent"


@pytest.mark.parametrize(
    "fault", [Fault(drop_before=True), Fault(drop_after=True), Fault(error_before=500), Fault(error_after=500)], ids=str
)
def test_a_refund_is_made_once_whatever_happens_to_the_responses(
    processor: FaultyProcessor, start: Starter, fault: Fault
) -> None:
    api = start()
    payment = make_charge(api)
    with processor.failing(fault):
        response = api.refund(refund(payment.payment_id, 40))
        assert response.refund.status == pb.REFUND_STATUS_PENDING
        assert response.payment.refunded_amount.units == 40, "a pending refund counts"
    details = wait_until_settled(api, payment.payment_id)
    assert [refund.status for refund in details.refunds] == [pb.REFUND_STATUS_SUCCEEDED]
    assert [refund.amount_minor for refund in processor.refunds.values()] == [4000]


def test_the_amount_of_a_rejected_refund_can_be_refunded_again(processor: FaultyProcessor, start: Starter) -> None:
    api = start()
    payment = make_charge(api)
    whole = refund(payment.payment_id, request_id="whole")
    processor.rejects_refunds = True
    with ThreadPoolExecutor() as pool, processor.failing(Fault(before_seconds=2), path="/refunds"):
        first = pool.submit(api.stub.Refund, whole, timeout=10)
        deadline = time.monotonic() + WAIT_SECONDS
        while not processor.posts("/v1/refunds"):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        with pytest.raises(CallFailed) as raised:
            api.refund(refund(payment.payment_id, 1, request_id="part"))
        assert raised.value.reason == "REFUND_EXCEEDS_PAYMENT"
        first.result()
    details = wait_until_settled(api, payment.payment_id)
    assert [refund.status for refund in details.refunds] == [pb.REFUND_STATUS_FAILED]
    assert (details.payment.refunded_amount.units, details.payment.refund_state) == (0, pb.REFUND_STATE_NONE)

    processor.rejects_refunds = False
    part = api.refund(refund(payment.payment_id, 1, request_id="part"))
    assert part.refund.status == pb.REFUND_STATUS_SUCCEEDED
    rest = api.refund(refund(payment.payment_id))
    assert (rest.refund.amount.units, rest.payment.refund_state) == (99, pb.REFUND_STATE_FULL)
    again = api.refund(whole)
    assert again.refund.status == pb.REFUND_STATUS_FAILED, "the repeated request returns the first outcome"


def test_repeating_a_full_refund_without_a_request_id_returns_the_first_refund(
    processor: FaultyProcessor, start: Starter
) -> None:
    api = start()
    payment = make_charge(api)
    first = api.refund(refund(payment.payment_id)).refund
    assert api.refund(refund(payment.payment_id)).refund == first
    assert len(processor.refunds) == 1


def test_a_refund_of_a_payment_that_another_processor_charged_fails(
    processor: FaultyProcessor, start: Starter, start_service: Callable[..., RunningService]
) -> None:
    with grpc.insecure_channel(start_service().target) as channel:
        payment = make_charge(GrpcDriver(channel))
    api = start()
    response = api.refund(refund(payment.payment_id))
    assert response.refund.status == pb.REFUND_STATUS_FAILED
    assert response.payment.refund_state == pb.REFUND_STATE_NONE
    assert not processor.requests


def test_while_the_processor_does_not_answer_calls_are_rejected_before_anything_is_stored(
    processor: FaultyProcessor, start: Starter, database_server: DatabaseServer, migrated_database: dict[str, str]
) -> None:
    api = start(NO_RECONCILER, PROCESSOR_BREAKER_FAILURES="3", PROCESSOR_BREAKER_OPEN_SECONDS="3")
    before = make_charge(api)
    processor.stop_listening()
    while True:
        try:
            pending = api.charge(charge()).payment
        except CallFailed as error:
            failed = error
            break
        assert pending.status == pb.PAYMENT_STATUS_PENDING
    assert (failed.code, failed.reason) == ("UNAVAILABLE", "PROCESSOR_UNAVAILABLE")
    assert failed.retry_after_seconds is not None
    assert 0 < failed.retry_after_seconds <= 3
    count = "SELECT COUNT(*) FROM payments UNION ALL SELECT COUNT(*) FROM refunds"
    rows = database_server.execute(count, database=migrated_database["MYSQL_DB"])
    with pytest.raises(CallFailed, match="processor"):
        api.refund(refund(before.payment_id))
    results = api.batch_charge(pb.BatchChargeRequest(charges=[charge(), charge(order_id=0)])).results
    assert [result.error.code for result in results] == [grpc.StatusCode.UNAVAILABLE.value[0], 3]
    assert database_server.execute(count, database=migrated_database["MYSQL_DB"]) == rows

    processor.listen()
    deadline = time.monotonic() + WAIT_SECONDS
    payment = None
    while payment is None and time.monotonic() < deadline:
        time.sleep(0.2)
        with suppress(CallFailed):
            payment = make_charge(api)
    assert payment is not None


def test_a_rejected_api_key_opens_the_breaker_at_once_and_is_not_logged(
    processor: FaultyProcessor, start: Starter
) -> None:
    api = start(NO_RECONCILER, PROCESSOR_API_KEY="sk_test_wrong_" + API_KEY)
    assert api.charge(charge()).payment.status == pb.PAYMENT_STATUS_PENDING
    with pytest.raises(CallFailed) as failed:
        api.charge(charge())
    assert failed.value.reason == "PROCESSOR_UNAVAILABLE"
    (service,) = start.services
    assert service.wait_for("processor_refuses_key", level="error")
    assert len(processor.requests) == 1
    assert service.stop() == 0


def test_an_outcome_that_cannot_be_stored_at_first_is_stored_later(
    processor: FaultyProcessor, start: Starter, lock_payment_rows: LockPaymentRows
) -> None:
    api = start(MYSQL_STATEMENT_TIMEOUT_SECONDS="1", PROCESSOR_TIMEOUT_SECONDS="9")
    with ThreadPoolExecutor() as pool, processor.failing(Fault(before_seconds=1)):
        call = pool.submit(api.charge, charge())
        deadline = time.monotonic() + WAIT_SECONDS
        while not processor.requests:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        with lock_payment_rows():
            payment = call.result().payment
            assert payment.status == pb.PAYMENT_STATUS_PENDING
            assert processor.capture_counts() == {payment.reference: 1}
    assert wait_until_settled(api, payment.payment_id).payment.status == pb.PAYMENT_STATUS_SUCCEEDED
    assert processor.capture_counts() == {payment.reference: 1}


def test_shutdown_waits_for_requests_to_the_processor(processor: FaultyProcessor, start: Starter) -> None:
    api = start(NO_RECONCILER, PROCESSOR_TIMEOUT_SECONDS="30")
    with processor.failing(Fault(before_seconds=3)):
        payment = charge_within(api, charge(), 1)
        assert payment.status == pb.PAYMENT_STATUS_PENDING
        assert start.services[0].stop() == 0
    api = start(NO_RECONCILER)
    details = api.get_payment(pb.GetPaymentRequest(payment_id=payment.payment_id))
    assert details.payment.status == pb.PAYMENT_STATUS_SUCCEEDED


def test_a_charge_whose_caller_cancels_is_completed(processor: FaultyProcessor, start: Starter) -> None:
    api = start(NO_RECONCILER)
    request = charge(request_id=new_request_id())
    with processor.failing(Fault(before_seconds=0.5)):
        call = api.stub.Charge.future(request, timeout=30)
        deadline = time.monotonic() + WAIT_SECONDS
        while not processor.requests:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        call.cancel()
    payment = api.charge(request).payment
    assert wait_until_settled(api, payment.payment_id).payment.status == pb.PAYMENT_STATUS_SUCCEEDED
    assert processor.capture_counts() == {payment.reference: 1}


def test_each_change_of_a_payment_is_an_event(
    processor: FaultyProcessor, start: Starter, database_server: DatabaseServer, migrated_database: dict[str, str]
) -> None:
    api = start()
    payment = make_charge(api)
    processor.rejects_refunds = True
    api.refund(refund(payment.payment_id))
    processor.rejects_refunds = False
    api.refund(refund(payment.payment_id, 10))
    declined = api.charge(charge(method=FAILING)).payment
    query = "SELECT payment_id, kind, CAST(refunded_amount AS CHAR) FROM payment_events ORDER BY sequence"
    expected = [
        (payment.payment_id, "PENDING", "0.0000"),
        (payment.payment_id, "CHARGED", "0.0000"),
        (payment.payment_id, "REFUND_PENDING", "100.0000"),
        (payment.payment_id, "REFUND_FAILED", "0.0000"),
        (payment.payment_id, "REFUND_PENDING", "10.0000"),
        (payment.payment_id, "REFUNDED", "10.0000"),
        (declined.payment_id, "PENDING", "0.0000"),
        (declined.payment_id, "FAILED", "0.0000"),
    ]
    deadline = time.monotonic() + WAIT_SECONDS
    while (found := database_server.execute(query, database=migrated_database["MYSQL_DB"])) != expected:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def test_the_legacy_api_reports_pending_and_rejected_refunds(processor: FaultyProcessor, start: Starter) -> None:
    api = start(NO_RECONCILER)
    payment = make_charge(api)
    url = f"{start.services[0].rest_url}/v1/payments/{payment.payment_id}/refund"
    processor.rejects_refunds = True
    rejected = httpx.post(url)
    assert (rejected.status_code, rejected.json()) == (400, {"detail": "the payment processor refused the refund"})
    processor.rejects_refunds = False
    with processor.failing(Fault(drop_before=True)):
        pending = httpx.post(url, timeout=30)
        again = httpx.post(url, timeout=30)
    assert pending.json()["message"] == again.json()["message"] == "Refund of amount 100.00 to UPI pending"


def test_metrics_cover_the_processor(processor: FaultyProcessor, start: Starter) -> None:
    api = start()
    make_charge(api)
    with processor.failing(Fault(drop_before=True)):
        payment = api.charge(charge()).payment
    wait_until_settled(api, payment.payment_id)
    text = httpx.get(f"{start.services[0].rest_url}/metrics").text
    for line in (
        'payments_processor_duration_seconds_count{operation="capture",outcome="http_200"} 2.0',
        'payments_settled_total{by="call",kind="charge",outcome="SUCCEEDED"} 1.0',
        'payments_settled_total{by="janitor",kind="charge",outcome="SUCCEEDED"} 1.0',
        "payments_processor_breaker_open 0.0",
        'payments_pending{kind="charge"}',
        "payments_pending_oldest_seconds",
        'payments_charges_total{method="UPI",status="SUCCEEDED"} 2.0',
    ):
        assert line in text, text


def test_repeating_the_charge_of_an_archived_payment_sends_no_request(
    processor: FaultyProcessor, start: Starter, database_server: DatabaseServer, migrated_database: dict[str, str]
) -> None:
    api = start(NO_RECONCILER, EVENT_RELAY_INTERVAL_SECONDS="0.05")
    request = charge(request_id=new_request_id())
    payment = api.charge(request).payment
    name = migrated_database["MYSQL_DB"]
    for _ in range(600):
        if database_server.execute("SELECT COUNT(*) FROM payment_events", database=name) == [(2,)]:
            break
        time.sleep(0.05)
    for table, column in (("payments", "created_at"), ("payment_events", "occurred_at")):
        database_server.execute(f"UPDATE {table} SET {column} = {column} - INTERVAL 500 DAY", database=name)
    owner = settings_of({"MYSQL_PASSWORD": "", **database_server.environment(name)})
    with show_progress("archive", None) as progress:
        assert archive(owner, datetime.now(UTC) - timedelta(days=400), progress=progress).payments == 1

    assert api.charge(request).payment.reference == payment.reference
    assert database_server.execute("SELECT COUNT(*) FROM processor_requests", database=name) == [(0,)]
    batch = api.batch_charge(pb.BatchChargeRequest(charges=[request, charge()]))

    assert [result.payment.reference == payment.reference for result in batch.results] == [True, False]
    assert len(processor.requests) == 2
    assert database_server.execute("SELECT COUNT(*) FROM processor_requests", database=name) == [(0,)]
