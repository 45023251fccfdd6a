"""What changes after a payment or refund has its outcome: refunds that fail late, and disputes."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from payments_client.v1 import payments_pb2 as pb

from tests.processors.fake_records import Request
from tests.processors.faulty_processor import Fault, FaultyProcessor
from tests.processors.services import FAST, Rows, Starter, get, make_charge, new_source
from tests.processors.webhook_sender import WebhookSender, event_of, send
from tests.support.databases import DatabaseServer, settings_of
from tests.support.drivers.calls import CallFailed, GrpcDriver
from tests.support.drivers.requests import charge, refund
from tests.support.waiting import wait_until
from tools.operations.archive import archive, unarchive
from tools.progress import show_progress

DISPUTED_WHILE_OPEN = "the payer disputes this payment; it cannot be refunded while the dispute is open"
DISPUTED_AND_LOST = "the payer got the money back by a dispute; it cannot be refunded"
CHARGED = ["PENDING", "CHARGED"]
REFUNDED = ["REFUND_PENDING", "REFUNDED"]


@pytest.fixture
def webhooks(processor: FaultyProcessor, start: Starter) -> Iterator[WebhookSender]:
    """Send each event of the processor to the last service, in order and without delay."""
    with WebhookSender(processor, lambda: start.webhooks_url) as sender:
        yield sender


def dispute_of(api: GrpcDriver, payment_id: int, status: pb.DisputeStatus.ValueType) -> pb.Dispute:
    """Return the dispute of a payment once it has this status."""
    wait_until(lambda: get(api, payment_id).payment.dispute.status == status)
    return get(api, payment_id).payment.dispute


def error_events(start: Starter) -> set[str]:
    """Return the names of the errors in the log of the last service."""
    return {event["event"] for event in start.services[-1].events if event["level"] == "error"}


@pytest.mark.usefixtures("webhooks")
def test_the_amount_of_a_refund_that_fails_late_can_be_refunded_again(
    processor: FaultyProcessor, start: Starter, rows: Rows
) -> None:
    api = start()
    payment = make_charge(api)
    first = api.refund(refund(payment.payment_id, request_id="first")).refund
    assert first.status == pb.REFUND_STATUS_SUCCEEDED
    with pytest.raises(CallFailed) as exceeds:
        api.refund(refund(payment.payment_id, 1, request_id="other"))
    assert exceeds.value.reason == "REFUND_EXCEEDS_PAYMENT"
    rows.wait_until_checked()

    processor.fail_refund(processor.refunds["re_1"])
    rows.wait_for_events(payment.payment_id, *CHARGED, *REFUNDED, "REFUND_FAILED")
    details = get(api, payment.payment_id)
    (failed,) = details.refunds
    assert (failed.status, failed.failure_code) == (pb.REFUND_STATUS_FAILED, "expired_or_canceled_card")
    assert failed.failure == pb.FAILURE_EXPIRED_METHOD
    assert failed.processor_reference == "re_1"
    assert (details.payment.refund_state, details.payment.refunded_amount.units) == (pb.REFUND_STATE_NONE, 0)
    assert start.metric('payments_late_outcomes_total{kind="refund_failed"}') == 1
    log = start.services[0].wait_for("refund_failed_late", level="warning")
    assert (log["payment_id"], log["refund_id"]) == (payment.payment_id, first.refund_id)
    (event,) = api.list_payment_events(pb.ListPaymentEventsRequest(payment_id=payment.payment_id)).events[4:]
    assert (event.type, event.refund) == (pb.PAYMENT_EVENT_TYPE_REFUND_FAILED, failed)
    assert event.payment.refunded_amount.units == 0

    again = api.refund(refund(payment.payment_id, request_id="again"))
    assert again.refund.status == pb.REFUND_STATUS_SUCCEEDED
    assert again.payment.refund_state == pb.REFUND_STATE_FULL
    assert api.refund(refund(payment.payment_id, request_id="first")).refund == failed, "a retry makes no refund"
    assert [one.status for one in processor.refunds.values()] == ["failed", "succeeded"]


@pytest.mark.usefixtures("webhooks")
def test_only_the_refund_that_failed_changes(processor: FaultyProcessor, start: Starter, rows: Rows) -> None:
    api = start()
    payment = make_charge(api)
    for amount in (10, 20, 30):
        api.refund(refund(payment.payment_id, amount))
    rows.wait_until_checked()
    processor.fail_refund(processor.refunds["re_2"])
    rows.wait_for_events(payment.payment_id, *CHARGED, *REFUNDED * 3, "REFUND_FAILED")
    details = get(api, payment.payment_id)
    failed, succeeded = pb.REFUND_STATUS_FAILED, pb.REFUND_STATUS_SUCCEEDED
    assert [one.status for one in details.refunds] == [succeeded, failed, succeeded]
    assert details.payment.refunded_amount.units == 40


@pytest.mark.parametrize(
    "change",
    [{"amount": 1}, {"currency": "usd"}, {"id": "re_other"}, {"payment_intent": "pi_other"}, {"metadata": {}}],
    ids=str,
)
def test_a_failed_refund_that_does_not_match_ours_changes_nothing(
    processor: FaultyProcessor, start: Starter, rows: Rows, change: dict[str, Any]
) -> None:
    api = start()
    payment = make_charge(api)
    api.refund(refund(payment.payment_id, 40))
    before = get(api, payment.payment_id)
    processor.alter = lambda body: body | change if body["object"] == "refund" else body
    processor.fail_refund(processor.refunds["re_1"])
    assert send(start.webhooks_url, processor.events[-1]).status_code == 200
    if change == {"metadata": {}}:
        # Nobody can tell that it is a refund of this service: it may have been made in the dashboard.
        rows.wait_until_checked()
        assert start.metric('payments_processor_problems_total{problem="wrong_answer"}') == 0
    else:
        wait_until(lambda: start.metric('payments_processor_problems_total{problem="wrong_answer"}') > 0)
    assert get(api, payment.payment_id) == before
    assert rows("SELECT COUNT(*) FROM late_outcomes") == [(0,)]


@pytest.mark.parametrize("field", ["amount", "currency", "amount_received"])
def test_a_payment_whose_amount_differs_at_the_processor_is_a_problem_and_changes_nothing(
    processor: FaultyProcessor, start: Starter, rows: Rows, field: str
) -> None:
    api = start()
    payment = make_charge(api)
    processor.open_dispute(processor.intent_of(payment.reference))
    changes = {field: "usd" if field == "currency" else 1}
    processor.alter = lambda body: body | changes if body["object"] == "payment_intent" else body
    assert send(start.webhooks_url, processor.events[-1]).status_code == 200
    log = start.services[0].wait_for("processor_answer_wrong", level="error", payment_id=payment.payment_id)
    assert field in log["wrong"]
    assert start.services[0].wait_for("still_unchecked", payment_id=payment.payment_id)
    wait_until(lambda: start.metric('payments_processor_problems_total{problem="wrong_answer"}') > 0)
    assert not get(api, payment.payment_id).payment.HasField("dispute")
    assert rows("SELECT COUNT(*) FROM processor_checks") == [(1,)], "it is checked again"
    processor.alter = lambda body: body
    dispute_of(api, payment.payment_id, pb.DISPUTE_STATUS_OPEN)


@pytest.mark.parametrize("is_charged_here", [True, False])
def test_an_outcome_that_contradicts_the_stored_one_is_a_problem_and_changes_nothing(
    processor: FaultyProcessor, start: Starter, rows: Rows, *, is_charged_here: bool
) -> None:
    api = start()
    payment = api.charge(charge(payment_source=new_source("pm_payer" if is_charged_here else "pm_declined"))).payment
    intent = processor.intent_of(payment.reference)
    intent.status = "canceled" if is_charged_here else "succeeded"
    assert send(start.webhooks_url, event_of(intent.as_json())).status_code == 200
    log = start.services[0].wait_for("processor_disagrees", level="error", payment_id=payment.payment_id)
    assert log["kept"] != log["told"]
    wait_until(lambda: start.metric('payments_processor_problems_total{problem="disagrees"}') > 0)
    rows.wait_until_checked()
    assert get(api, payment.payment_id).payment == payment


@pytest.mark.usefixtures("webhooks")
@pytest.mark.parametrize("is_won", [True, False])
def test_a_dispute_is_opened_and_decided(
    processor: FaultyProcessor, start: Starter, rows: Rows, *, is_won: bool
) -> None:
    api = start()
    payment = make_charge(api)
    intent = processor.intent_of(payment.reference)
    dispute = processor.open_dispute(intent, 6000, reason="product_not_received")
    opened = dispute_of(api, payment.payment_id, pb.DISPUTE_STATUS_OPEN)
    assert (opened.amount.units, opened.amount.currency_code) == (60, "INR")
    assert (opened.reason, opened.processor_reference) == ("product_not_received", "dp_1")
    assert not opened.HasField("close_time")
    assert payment.create_time.ToDatetime() < opened.open_time.ToDatetime()
    rows.wait_for_events(payment.payment_id, *CHARGED, "DISPUTE_OPENED")
    rows.wait_until_checked()
    wait_until(lambda: start.metric("payments_disputes_open") == 1)
    for amount in (None, 1):
        with pytest.raises(CallFailed) as disputed:
            api.refund(refund(payment.payment_id, amount))
        assert (disputed.value.code, disputed.value.reason) == ("FAILED_PRECONDITION", "PAYMENT_DISPUTED")
        assert disputed.value.message == DISPUTED_WHILE_OPEN

    dispute.status = "under_review"
    assert send(start.webhooks_url, event_of(dispute.as_json(), "charge.dispute.updated")).status_code == 200
    rows.wait_until_checked()
    assert get(api, payment.payment_id).payment.dispute == opened, "it is still open"

    processor.close_dispute(dispute, "won" if is_won else "lost")
    status = pb.DISPUTE_STATUS_WON if is_won else pb.DISPUTE_STATUS_LOST
    closed = dispute_of(api, payment.payment_id, status)
    assert (closed.open_time, closed.processor_reference) == (opened.open_time, "dp_1")
    assert closed.open_time.ToDatetime() < closed.close_time.ToDatetime()
    kind = "DISPUTE_WON" if is_won else "DISPUTE_LOST"
    rows.wait_for_events(payment.payment_id, *CHARGED, "DISPUTE_OPENED", kind)
    wait_until(lambda: start.metric("payments_disputes_open") == 0)
    for name in ("open", "won" if is_won else "lost"):
        assert start.metric(f'payments_late_outcomes_total{{kind="dispute_{name}"}}') == 1
    events = api.list_payment_events(pb.ListPaymentEventsRequest(payment_id=payment.payment_id)).events
    statuses = [event.payment.dispute.status for event in events]
    assert statuses == [0, 0, pb.DISPUTE_STATUS_OPEN, status], "each event has the dispute as it was"
    assert [event.caller for event in events[2:]] == ["", ""]

    if is_won:
        assert api.refund(refund(payment.payment_id)).refund.status == pb.REFUND_STATUS_SUCCEEDED
    else:
        with pytest.raises(CallFailed) as disputed:
            api.refund(refund(payment.payment_id))
        assert (disputed.value.reason, disputed.value.message) == ("PAYMENT_DISPUTED", DISPUTED_AND_LOST)
    assert not error_events(start)


@pytest.mark.usefixtures("webhooks")
def test_a_second_dispute_takes_the_place_of_one_that_was_won(
    processor: FaultyProcessor, start: Starter, rows: Rows
) -> None:
    api = start()
    payment = make_charge(api)
    intent = processor.intent_of(payment.reference)
    processor.close_dispute(processor.open_dispute(intent, 1000), "won")
    first = dispute_of(api, payment.payment_id, pb.DISPUTE_STATUS_WON)
    rows.wait_until_checked()
    processor.open_dispute(intent, 2000)
    second = dispute_of(api, payment.payment_id, pb.DISPUTE_STATUS_OPEN)
    assert (second.processor_reference, second.amount.units) == ("dp_2", 20)
    assert second.open_time.ToDatetime() > first.open_time.ToDatetime()


@pytest.mark.usefixtures("webhooks")
@pytest.mark.parametrize(
    ("fields", "is_shown"),
    [({"status": "warning_needs_response"}, False), ({"currency": "usd"}, True)],
    ids=["an inquiry", "another currency"],
)
def test_a_dispute_that_is_none_yet_or_has_another_currency(
    processor: FaultyProcessor, start: Starter, rows: Rows, *, fields: dict[str, str], is_shown: bool
) -> None:
    api = start()
    payment = make_charge(api)
    rows.wait_until_checked()
    processor.open_dispute(processor.intent_of(payment.reference), None, **fields)
    rows.wait_until_checked()
    wait_until(lambda: any(request.path == "/v1/disputes" for request in processor.requests))
    if is_shown:
        dispute = dispute_of(api, payment.payment_id, pb.DISPUTE_STATUS_OPEN)
        assert not dispute.HasField("amount")
    else:
        wait_until(lambda: rows("SELECT COUNT(*) FROM processor_checks") == [(0,)])
        assert not get(api, payment.payment_id).payment.HasField("dispute")


def test_an_open_dispute_is_read_again_without_a_hint(processor: FaultyProcessor, start: Starter, rows: Rows) -> None:
    api = start()
    payment = make_charge(api)
    dispute = processor.open_dispute(processor.intent_of(payment.reference))
    assert send(start.webhooks_url, processor.events[-1]).status_code == 200
    dispute_of(api, payment.payment_id, pb.DISPUTE_STATUS_OPEN)
    rows.wait_until_checked()
    processor.close_dispute(dispute, "lost")
    rows("UPDATE processor_checks SET due_at = due_at - INTERVAL 1 DAY")
    dispute_of(api, payment.payment_id, pb.DISPUTE_STATUS_LOST)
    wait_until(lambda: rows("SELECT COUNT(*) FROM processor_checks") == [(0,)])


@pytest.mark.parametrize(
    "fault", [Fault(drop_before=True), Fault(drop_after=True), Fault(error_before=500), Fault(send_half=True)], ids=str
)
@pytest.mark.parametrize("path", ["/pi_1", "/disputes", "/refunds"])
def test_a_check_that_fails_is_repeated(
    processor: FaultyProcessor, start: Starter, rows: Rows, fault: Fault, path: str
) -> None:
    api = start(PROCESSOR_TIMEOUT_SECONDS="1")
    payment = make_charge(api)
    api.refund(refund(payment.payment_id, 40))
    processor.fail_refund(processor.refunds["re_1"])
    processor.open_dispute(processor.intent_of(payment.reference))
    failures: list[Request] = []

    def fail_five_times(request: Request) -> Fault | None:
        if not request.path.endswith(path) or len(failures) == 5:
            return None
        failures.append(request)
        return fault

    processor.fault = fail_five_times
    assert send(start.webhooks_url, processor.events[-1]).status_code == 200
    dispute_of(api, payment.payment_id, pb.DISPUTE_STATUS_OPEN)
    assert get(api, payment.payment_id).refunds[0].status == pb.REFUND_STATUS_FAILED
    assert len(failures) == 5
    assert sorted(rows("SELECT kind FROM late_outcomes")) == [("DISPUTE_OPENED",), ("REFUND_FAILED",)]


@pytest.mark.usefixtures("webhooks")
def test_a_dispute_is_found_although_it_came_before_the_outcome_of_the_charge(
    processor: FaultyProcessor, start: Starter
) -> None:
    api = start()
    with processor.failing(Fault(drop_after=True)):
        payment = api.charge(charge()).payment
        assert payment.status == pb.PAYMENT_STATUS_PENDING
        dispute = processor.open_dispute(processor.intent_of(payment.reference))
        processor.close_dispute(dispute, "lost")
        # The webhooks do not have the payment's reference, and the service does not know the processor's id for it.
        wait_until(lambda: start.metric('payments_webhooks_total{result="ignored"}') >= 3)
    dispute_of(api, payment.payment_id, pb.DISPUTE_STATUS_LOST)


@pytest.mark.usefixtures("webhooks")
def test_the_failure_of_a_refund_is_found_although_an_older_answer_is_replayed(
    processor: FaultyProcessor, start: Starter, rows: Rows
) -> None:
    api = start()
    payment = make_charge(api)
    rows.wait_until_checked()
    may_replay = threading.Event()

    def drop(request: Request) -> Fault | None:
        is_replay = request.method == "POST" and may_replay.is_set()
        return None if is_replay or not request.path.endswith("/refunds") else Fault(drop_after=True)

    without_faults, processor.fault = processor.fault, drop
    refunded = api.refund(refund(payment.payment_id, 40)).refund
    assert refunded.status == pb.REFUND_STATUS_PENDING
    accepted = start.metric('payments_webhooks_total{result="accepted"}')
    processor.fail_refund(processor.refunds["re_1"])
    wait_until(lambda: start.metric('payments_webhooks_total{result="accepted"}') >= accepted + 2)
    asked = len(processor.requests)
    wait_until(lambda: any(request.path == "/v1/disputes" for request in processor.requests[asked:]))

    # The processor replays the answer to the first request with the same idempotency key: it succeeded.
    may_replay.set()
    rows.wait_for_events(payment.payment_id, *CHARGED, *REFUNDED)
    processor.fault = without_faults
    rows.wait_for_events(payment.payment_id, *CHARGED, *REFUNDED, "REFUND_FAILED")


def test_many_replicas_store_each_change_once(processor: FaultyProcessor, start: Starter, rows: Rows) -> None:
    replicas = [start(), start(), start()]
    payments = [make_charge(replicas[0]) for _ in range(30)]
    for payment in payments:
        replicas[0].refund(refund(payment.payment_id, 40))
    for one in processor.refunds.values():
        processor.fail_refund(one)
    for payment in payments:
        processor.open_dispute(processor.intent_of(payment.reference))
    urls = [f"{service.rest_url}/webhooks/stripe" for service in start.services]
    for index, event in enumerate(processor.events):
        assert send(urls[index % 3], event).status_code == 200
    rows.wait_until_checked()
    kinds = dict(rows("SELECT kind, COUNT(*) FROM late_outcomes GROUP BY kind"))
    assert kinds == {"REFUND_FAILED": 30, "DISPUTE_OPENED": 30}
    for payment in payments:
        last = sorted(rows.event_kinds(payment.payment_id)[4:])
        assert last == ["DISPUTE_OPENED", "REFUND_FAILED"] or wait_for_two(rows, payment.payment_id)


def wait_for_two(rows: Rows, payment_id: int) -> bool:
    """Wait until the stream has the late events of a payment."""
    wait_until(lambda: sorted(rows.event_kinds(payment_id)[4:]) == ["DISPUTE_OPENED", "REFUND_FAILED"])
    return True


def test_a_late_outcome_of_an_archived_payment_waits_until_an_operator_brings_the_payment_back(
    processor: FaultyProcessor, start: Starter, rows: Rows, database_server: DatabaseServer
) -> None:
    api = start(FAST, EVENT_RELAY_INTERVAL_SECONDS="0.05")
    payment = make_charge(api)
    rows.wait_for_events(payment.payment_id, *CHARGED)
    for table, column in (("payments", "created_at"), ("payment_events", "occurred_at")):
        rows(f"UPDATE {table} SET {column} = {column} - INTERVAL 500 DAY")
    owner = settings_of({"MYSQL_PASSWORD": "", **database_server.environment(rows.name)})
    with show_progress("archive", None) as progress:
        assert archive(owner, datetime.now(UTC) - timedelta(days=400), progress=progress).payments == 1

    processor.open_dispute(processor.intent_of(payment.reference))
    assert send(start.webhooks_url, processor.events[-1]).status_code == 200
    assert start.services[0].wait_for("late_outcome_of_archived_payment", level="error")
    wait_until(lambda: start.metric('payments_processor_problems_total{problem="archived"}') > 0)
    assert not get(api, payment.payment_id).payment.HasField("dispute")
    assert rows("SELECT COUNT(*) FROM processor_checks") == [(1,)]

    unarchive(owner, [payment.payment_id], lambda _: None)
    dispute_of(api, payment.payment_id, pb.DISPUTE_STATUS_OPEN)


def test_an_event_about_an_archived_payment_that_has_not_changed_is_no_problem(
    processor: FaultyProcessor, start: Starter, rows: Rows
) -> None:
    api = start()
    payment = make_charge(api)
    columns = "payment_id, order_id, amount, currency, method, status, reference, created_at, caller, request_id"
    columns += ", refunded, refunded_amount, processor_reference"
    rows(f"INSERT INTO payments_archive ({columns}, archived_at) SELECT {columns}, UTC_TIMESTAMP(6) FROM payments")
    rows("DELETE FROM payments")
    event = event_of(processor.intent_of(payment.reference).as_json(), "charge.dispute.updated")
    assert send(start.webhooks_url, event).status_code == 200
    rows.wait_until_checked()
    assert start.metric('payments_processor_problems_total{problem="archived"}') == 0
    assert start.metric('payments_webhooks_total{result="accepted"}') == 1
