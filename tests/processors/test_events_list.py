"""Without webhooks, the processor's list of events brings the hints, within a bounded number of requests."""

import threading
import time
from typing import Any

import pytest
from payments_client.v1 import payments_pb2 as pb

from tests.processors.fake_objects import NEEDS_REDIRECT
from tests.processors.fake_records import Request
from tests.processors.faulty_processor import Fault, FaultyProcessor
from tests.processors.services import (
    FAST,
    NO_RECONCILER,
    RETURN_URL,
    WAIT_SECONDS,
    Rows,
    Starter,
    get,
    make_charge,
    new_source,
    wait_until_settled,
)
from tests.processors.webhook_sender import event_of
from tests.support.drivers.requests import charge, refund
from tests.support.waiting import wait_until

MAX_PAGES = 10
PAGE_SIZE = 100
MAX_CHECKS = 16
OLD_SECONDS = 3600


def add_old_events(processor: FaultyProcessor, count: int, subject: dict[str, Any]) -> None:
    """Add events about an object to the list, so old that they need not be read again."""
    for _ in range(count):
        event = event_of(subject)
        processor.events.append({**event, "created": event["created"] - OLD_SECONDS})


def last_event(rows: Rows) -> str | None:
    """Return the stored position in the list of events."""
    ((event_id,),) = rows("SELECT last_event_id FROM processor_polls")
    return event_id  # type: ignore[no-any-return]


def test_late_outcomes_are_found_without_webhooks(processor: FaultyProcessor, start: Starter, rows: Rows) -> None:
    api = start(NO_RECONCILER, PROCESSOR_WEBHOOK_SECRETS="", PROCESSOR_EVENTS_INTERVAL_SECONDS="0.2")
    failing, disputed = make_charge(api), make_charge(api)
    waiting = api.charge(charge(payment_source=new_source(NEEDS_REDIRECT), return_url=RETURN_URL)).payment
    api.refund(refund(failing.payment_id, 40))
    processor.fail_refund(processor.refunds["re_1"])
    dispute = processor.open_dispute(processor.intent_of(disputed.reference))
    processor.approve(processor.intent_of(waiting.reference))
    assert not processor.events_requests
    rows.resume_polls()

    rows.wait_for_events(failing.payment_id, "PENDING", "CHARGED", "REFUND_PENDING", "REFUNDED", "REFUND_FAILED")
    rows.wait_for_events(disputed.payment_id, "PENDING", "CHARGED", "DISPUTE_OPENED")
    assert wait_until_settled(api, waiting.payment_id).payment.status == pb.PAYMENT_STATUS_SUCCEEDED
    processor.close_dispute(dispute, "won")
    rows.wait_for_events(disputed.payment_id, "PENDING", "CHARGED", "DISPUTE_OPENED", "DISPUTE_WON")
    kinds = dict(rows("SELECT kind, COUNT(*) FROM late_outcomes GROUP BY kind"))
    assert kinds == {"REFUND_FAILED": 1, "DISPUTE_OPENED": 1, "DISPUTE_WON": 1}
    # Recent events are read again, because they may appear in the list late.
    assert last_event(rows) == processor.events[0]["id"]


def test_replicas_share_one_reading_of_the_list_in_each_interval(
    processor: FaultyProcessor, start: Starter, rows: Rows
) -> None:
    for _ in range(3):
        start(PROCESSOR_EVENTS_INTERVAL_SECONDS="600")
    rows.resume_polls()
    wait_until(lambda: bool(processor.events_requests))
    # Ten rounds of each replica.
    time.sleep(10 * float(FAST["PROCESSOR_JANITOR_INTERVAL_SECONDS"]))
    assert len(processor.events_requests) == 1


def test_a_long_list_is_read_from_the_stored_position_some_pages_at_a_time(
    processor: FaultyProcessor, start: Starter, rows: Rows
) -> None:
    api = start(NO_RECONCILER, PROCESSOR_EVENTS_INTERVAL_SECONDS="600")
    payment = make_charge(api)
    stranger = {"object": "payment_intent", "id": "pi_of_another_service"}
    processor.events.clear()
    add_old_events(processor, 1, stranger)
    rows.resume_polls()
    wait_until(lambda: last_event(rows) == processor.events[0]["id"])

    add_old_events(processor, MAX_PAGES * PAGE_SIZE, stranger)
    processor.open_dispute(processor.intent_of(payment.reference))
    processor.events_requests.clear()
    rows.resume_polls()
    wait_until(lambda: last_event(rows) == processor.events[MAX_PAGES * PAGE_SIZE]["id"])
    assert len(processor.events_requests) == MAX_PAGES
    assert not get(api, payment.payment_id).payment.HasField("dispute"), "its event is after those pages"

    rows.resume_polls()
    wait_until(lambda: get(api, payment.payment_id).payment.HasField("dispute"))
    assert len(processor.events_requests) == MAX_PAGES + 1
    assert all(int(request.form["limit"]) == PAGE_SIZE for request in processor.events_requests)


def test_each_round_checks_a_bounded_number_of_payments(processor: FaultyProcessor, start: Starter, rows: Rows) -> None:
    api = start(NO_RECONCILER, PROCESSOR_TIMEOUT_SECONDS="60", PROCESSOR_EVENTS_INTERVAL_SECONDS="600")
    for _ in range(2 * MAX_CHECKS):
        make_charge(api)
    may_answer = threading.Event()
    received: list[Request] = []

    def wait(request: Request) -> None:
        received.append(request)
        may_answer.wait(WAIT_SECONDS)

    processor.fault = wait
    rows.resume_polls()
    try:
        wait_until(lambda: len(received) == MAX_CHECKS)
        time.sleep(10 * float(FAST["PROCESSOR_JANITOR_INTERVAL_SECONDS"]))
        assert len(received) == MAX_CHECKS
    finally:
        may_answer.set()
    rows.wait_until_checked()
    # Each check reads the payment and its disputes.
    assert len(received) == 2 * 2 * MAX_CHECKS


def test_events_after_a_position_that_the_processor_has_forgotten_are_read_from_the_newest(
    processor: FaultyProcessor, start: Starter, rows: Rows
) -> None:
    rows("UPDATE processor_polls SET last_event_id = 'evt_forgotten'")
    api = start(NO_RECONCILER, PROCESSOR_EVENTS_INTERVAL_SECONDS="600")
    payment = make_charge(api)
    processor.open_dispute(processor.intent_of(payment.reference))
    rows.resume_polls()
    assert start.services[0].wait_for("processor_events_lost", level="error")["last_event_id"] == "evt_forgotten"
    wait_until(lambda: get(api, payment.payment_id).payment.HasField("dispute"))
    assert last_event(rows) == processor.events[0]["id"]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(drop_before=True),
        Fault(error_before=500),
        Fault(error_before=403),
        Fault(send_half=True),
        Fault(body=b'{"object": "list"}'),
        Fault(body=b'{"data": [7, null, {}, {"data": {"object": []}}], "has_more": false}'),
        Fault(body=b'{"data": [], "has_more": true}'),
    ],
    ids=str,
)
def test_a_list_that_cannot_be_read_is_read_again(
    processor: FaultyProcessor, start: Starter, rows: Rows, fault: Fault
) -> None:
    failing: list[Request] = []

    def fail_three_times(request: Request) -> Fault | None:
        failing.append(request)
        return fault if len(failing) <= 3 else None

    processor.events_fault = fail_three_times
    api = start(NO_RECONCILER, PROCESSOR_TIMEOUT_SECONDS="1", PROCESSOR_EVENTS_INTERVAL_SECONDS="0.2")
    payment = make_charge(api)
    processor.open_dispute(processor.intent_of(payment.reference))
    rows.resume_polls()
    wait_until(lambda: get(api, payment.payment_id).payment.HasField("dispute"))
    assert len(failing) > 3


def test_no_list_is_read_while_the_processor_does_not_answer(
    processor: FaultyProcessor, start: Starter, rows: Rows
) -> None:
    api = start(NO_RECONCILER, PROCESSOR_BREAKER_FAILURES="1", PROCESSOR_BREAKER_OPEN_SECONDS="600")
    with processor.failing(Fault(error_before=500)):
        api.charge(charge())
    rows.resume_polls()
    time.sleep(10 * float(FAST["PROCESSOR_JANITOR_INTERVAL_SECONDS"]))
    assert not processor.events_requests
