"""The checker of the fault run finds each kind of violation in artificial histories."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.faults.checker import CHECKS, MAX_LATENESS_SECONDS, invalid_statuses, requests_without_outcome, violations
from tests.faults.record import (
    Call,
    Charge,
    ChargeRequest,
    Failure,
    History,
    ObservedDetails,
    ObservedPayment,
    ObservedRefund,
    PaymentRequest,
    Read,
    Refund,
    RefundRequest,
    RefundResponse,
    Status,
    StoredEvent,
    StoredLateOutcome,
    StoredPayment,
    StoredRefund,
    Tables,
)

CHARGE_REQUEST = ChargeRequest("charge-1", order_id=7, amount_minor=1000, method="UPI")
PAYMENT = ObservedPayment(1, 7, 1000, "UPI", Status.SUCCEEDED, "R1", refunded_minor=0, is_refunded=False)
REFUND_REQUEST = RefundRequest("refund-1", payment_id=1, amount_minor=300)
REFUND = ObservedRefund(11, 1, 300)
REFUNDED_PAYMENT = replace(PAYMENT, refunded_minor=300)


CHARGE_EVENT = StoredEvent(1, "CHARGED", 1, None, refunded_minor=0)
REFUND_EVENT = StoredEvent(2, "REFUNDED", 1, 11, refunded_minor=300)


def charge(
    request: ChargeRequest = CHARGE_REQUEST, response: ObservedPayment | None = PAYMENT, failure: Failure | None = None
) -> Charge:
    return Call(request, 5.0, started_seconds=1, ended_seconds=2, response=response, failure=failure)


def refund(
    request: RefundRequest = REFUND_REQUEST, refunded: ObservedRefund | None = REFUND, failure: Failure | None = None
) -> Refund:
    response = None if refunded is None else RefundResponse(refunded, REFUNDED_PAYMENT)
    return Call(request, 5.0, started_seconds=3, ended_seconds=4, response=response, failure=failure)


def read(response: ObservedDetails | None, failure: Failure | None = None, started_seconds: float = 5) -> Read:
    ended_seconds = started_seconds + 1
    return Call(
        PaymentRequest(1),
        5.0,
        started_seconds=started_seconds,
        ended_seconds=ended_seconds,
        response=response,
        failure=failure,
    )


def correct_history() -> History:
    """Return a charge and a refund, each repeated once, reads before and after it, and calls without a response."""
    return History(
        charges=[charge(), charge(), charge(response=None), charge(response=None, failure=Failure("UNAVAILABLE"))],
        refunds=[refund(), refund(), refund(refunded=None, failure=Failure("INTERNAL"))],
        reads=[
            read(ObservedDetails(PAYMENT, ()), started_seconds=2.5),
            read(ObservedDetails(REFUNDED_PAYMENT, (REFUND,))),
        ],
    )


def correct_tables() -> Tables:
    return Tables(
        (StoredPayment("charge-1", REFUNDED_PAYMENT),),
        (StoredRefund("refund-1", REFUND),),
        (CHARGE_EVENT, REFUND_EVENT),
    )


def test_a_history_that_agrees_with_the_tables_has_no_violations() -> None:
    assert violations(correct_history(), correct_tables()) == []
    assert requests_without_outcome(correct_history()) == []


Corruption = Callable[[History, Tables], tuple[History, Tables]]


def with_charge(call: Charge) -> Corruption:
    return lambda history, tables: (replace(history, charges=[*history.charges, call]), tables)


def with_refund(call: Refund) -> Corruption:
    return lambda history, tables: (replace(history, refunds=[*history.refunds, call]), tables)


def with_read(call: Read) -> Corruption:
    return lambda history, tables: (replace(history, reads=[*history.reads, call]), tables)


def with_payments(*rows: StoredPayment) -> Corruption:
    return lambda history, tables: (history, replace(tables, payments=rows))


def with_refunds(*rows: StoredRefund) -> Corruption:
    return lambda history, tables: (history, replace(tables, refunds=rows))


def with_events(*rows: StoredEvent, backlog: int = 0) -> Corruption:
    return lambda history, tables: (history, replace(tables, events=rows, backlog=backlog))


STORED = StoredPayment("charge-1", REFUNDED_PAYMENT)
SECOND = replace(REFUNDED_PAYMENT, payment_id=2, reference="R2")
OTHER_REQUEST = replace(CHARGE_REQUEST, amount_minor=1001)

VIOLATIONS: list[tuple[str, Corruption]] = [
    ("acknowledged_charges_are_stored_once", with_payments()),
    ("acknowledged_charges_are_stored_once", with_payments(STORED, STORED)),
    (
        "acknowledged_charges_are_stored_once",
        with_payments(replace(STORED, payment=replace(REFUNDED_PAYMENT, order_id=8))),
    ),
    ("acknowledged_charges_are_stored_once", with_payments(replace(STORED, request_id="charge-2"))),
    ("each_request_has_one_payment", with_payments(STORED, StoredPayment("charge-1", SECOND))),
    ("each_request_has_one_payment", with_payments(STORED, StoredPayment("charge-2", SECOND))),
    (
        "each_request_has_one_payment",
        with_payments(replace(STORED, payment=replace(REFUNDED_PAYMENT, amount_minor=1001))),
    ),
    ("responses_to_a_charge_agree", with_charge(charge(response=SECOND))),
    ("responses_to_a_charge_agree", with_charge(charge(response=replace(PAYMENT, reference="R2")))),
    ("responses_to_a_charge_agree", with_charge(charge(OTHER_REQUEST))),
    ("acknowledged_refunds_are_stored_once", with_refunds()),
    ("acknowledged_refunds_are_stored_once", with_refunds(*[StoredRefund("refund-1", REFUND)] * 2)),
    ("acknowledged_refunds_are_stored_once", with_refunds(StoredRefund("refund-1", replace(REFUND, amount_minor=30)))),
    (
        "each_request_has_one_refund",
        with_refunds(StoredRefund("refund-1", REFUND), StoredRefund("refund-1", replace(REFUND, refund_id=12))),
    ),
    ("each_request_has_one_refund", with_refunds(StoredRefund("refund-2", REFUND))),
    ("responses_to_a_refund_agree", with_refund(refund(refunded=replace(REFUND, refund_id=12)))),
    ("responses_to_a_refund_agree", with_refund(refund(refunded=replace(REFUND, amount_minor=301)))),
    ("refunds_never_exceed_the_payment", with_refunds(StoredRefund("refund-1", replace(REFUND, amount_minor=1001)))),
    (
        "refunds_never_exceed_the_payment",
        with_payments(replace(STORED, payment=replace(REFUNDED_PAYMENT, status=Status.FAILED))),
    ),
    (
        "refunds_and_payments_agree",
        with_payments(replace(STORED, payment=replace(REFUNDED_PAYMENT, refunded_minor=299))),
    ),
    ("refunds_and_payments_agree", with_payments(replace(STORED, payment=replace(REFUNDED_PAYMENT, is_refunded=True)))),
    ("refunds_and_payments_agree", with_refunds(StoredRefund("refund-1", replace(REFUND, payment_id=9)))),
    ("reads_are_consistent", with_read(read(ObservedDetails(PAYMENT, (REFUND,))))),
    ("reads_are_consistent", with_read(read(ObservedDetails(REFUNDED_PAYMENT, ()), started_seconds=2.5))),
    ("reads_are_consistent", with_read(read(ObservedDetails(REFUNDED_PAYMENT, (replace(REFUND, refund_id=12),))))),
    ("acknowledged_writes_are_visible", with_read(read(ObservedDetails(PAYMENT, ())))),
    ("acknowledged_writes_are_visible", with_read(read(None, Failure("NOT_FOUND")))),
    (
        "rejections_are_justified",
        with_refund(refund(replace(REFUND_REQUEST, amount_minor=700), None, Failure("FAILED_PRECONDITION"))),
    ),
    (
        "rejections_are_justified",
        with_refund(refund(replace(REFUND_REQUEST, amount_minor=None), None, Failure("FAILED_PRECONDITION"))),
    ),
    (
        "only_disputed_payments_are_rejected_as_disputed",
        with_refund(refund(refunded=None, failure=Failure("FAILED_PRECONDITION", "PAYMENT_DISPUTED"))),
    ),
    ("each_payment_and_refund_has_one_event", with_events(CHARGE_EVENT)),
    ("each_payment_and_refund_has_one_event", with_events(replace(REFUND_EVENT, sequence=1))),
    (
        "each_payment_and_refund_has_one_event",
        with_events(CHARGE_EVENT, REFUND_EVENT, replace(CHARGE_EVENT, sequence=3)),
    ),
    (
        "each_payment_and_refund_has_one_event",
        with_events(CHARGE_EVENT, REFUND_EVENT, StoredEvent(3, "CHARGED", 2, None, 0)),
    ),
    ("each_payment_and_refund_has_one_event", with_events(replace(CHARGE_EVENT, kind="FAILED"), REFUND_EVENT)),
    ("each_payment_and_refund_has_one_event", with_events(CHARGE_EVENT, REFUND_EVENT, backlog=1)),
    ("events_are_in_order", with_events(CHARGE_EVENT, replace(REFUND_EVENT, sequence=3))),
    ("events_are_in_order", with_events(replace(REFUND_EVENT, sequence=1), replace(CHARGE_EVENT, sequence=2))),
    ("events_are_in_order", with_events(CHARGE_EVENT, replace(REFUND_EVENT, refunded_minor=301))),
    ("calls_end_by_their_deadline", with_charge(replace(charge(), ended_seconds=7 + MAX_LATENESS_SECONDS))),
    ("servers_never_fail", with_charge(charge(response=None, failure=Failure("INTERNAL", call_id="c1")))),
    ("servers_never_fail", with_refund(refund(refunded=None, failure=Failure("UNKNOWN", call_id="c1")))),
]


@pytest.mark.parametrize(
    ("check", "corrupt"), VIOLATIONS, ids=[f"{index}-{check}" for index, (check, _) in enumerate(VIOLATIONS)]
)
def test_each_kind_of_violation_is_detected(check: str, corrupt: Corruption) -> None:
    found = violations(*corrupt(correct_history(), correct_tables()))
    assert check in {line.partition(":")[0] for line in found}


def events(*kinds: str) -> tuple[StoredEvent, ...]:
    """Return the events of the payment and its refund, with the amount that is refunded after each."""
    found, minor = [], 0
    for sequence, kind in enumerate(kinds, start=1):
        minor += {"REFUND_PENDING": 300, "REFUND_FAILED": -300}.get(kind, 0)
        refund_id = 11 if kind.startswith("REFUND") else None
        found.append(StoredEvent(sequence, kind, 1, refund_id, minor))
    return tuple(found)


LATE_EVENTS = [
    "PENDING",
    "ACTION_REQUIRED",
    "CHARGED",
    "REFUND_PENDING",
    "DISPUTE_OPENED",
    "REFUNDED",
    "REFUND_FAILED",
    "DISPUTE_WON",
]
OPENED, WON = StoredLateOutcome("DISPUTE_OPENED", 1, None), StoredLateOutcome("DISPUTE_WON", 1, None)
FAILED_LATE = StoredLateOutcome("REFUND_FAILED", 1, 11)
DISPUTED_REFUND = refund(
    replace(REFUND_REQUEST, request_id="refund-2"), None, Failure("FAILED_PRECONDITION", "PAYMENT_DISPUTED")
)


def tables_with_late_outcomes() -> Tables:
    """Return the tables after the payer's approval, a dispute, and a refund that failed after it had succeeded."""
    return Tables(
        (StoredPayment("charge-1", PAYMENT),),
        (StoredRefund("refund-1", replace(REFUND, status=Status.FAILED)),),
        events(*LATE_EVENTS),
        is_two_phase=True,
        late_outcomes=(OPENED, FAILED_LATE, WON),
    )


def test_late_outcomes_that_clients_saw_before_and_after_have_no_violations() -> None:
    history = correct_history()
    history.reads.append(read(ObservedDetails(PAYMENT, (replace(REFUND, status=Status.FAILED),))))
    history.refunds.append(DISPUTED_REFUND)
    assert violations(history, tables_with_late_outcomes()) == []


@pytest.mark.parametrize(
    ("check", "changes"),
    [
        ("acknowledged_refunds_are_stored_once", {"late_outcomes": (OPENED, WON)}),
        ("acknowledged_writes_are_visible", {"late_outcomes": (OPENED, WON)}),
        ("reads_are_consistent", {"refunds": (StoredRefund("refund-1", REFUND),)}),
        ("only_disputed_payments_are_rejected_as_disputed", {"late_outcomes": (FAILED_LATE,)}),
        ("each_payment_and_refund_has_one_event", {"late_outcomes": (OPENED, FAILED_LATE)}),
        ("each_payment_and_refund_has_one_event", {"events": events(*LATE_EVENTS[:-1])}),
        ("each_payment_and_refund_has_one_event", {"events": events(*LATE_EVENTS, "DISPUTE_WON")}),
        ("each_payment_and_refund_has_one_event", {"events": events(*LATE_EVENTS[:2], *LATE_EVENTS[1:])}),
        ("events_are_in_order", {"events": events(*LATE_EVENTS[1:2], *LATE_EVENTS[:1], *LATE_EVENTS[2:])}),
        ("events_are_in_order", {"events": events("PENDING", "CHARGED", "ACTION_REQUIRED", *LATE_EVENTS[3:])}),
        ("events_are_in_order", {"events": events("PENDING", "DISPUTE_OPENED", "CHARGED", *LATE_EVENTS[3:])}),
        ("events_are_in_order", {"events": events("ACTION_REQUIRED", "REFUND_PENDING", "CHARGED")}),
    ],
)
def test_each_kind_of_wrong_late_outcome_is_detected(check: str, changes: dict[str, Any]) -> None:
    history = correct_history()
    history.reads.append(read(ObservedDetails(PAYMENT, (replace(REFUND, status=Status.FAILED),))))
    history.refunds.append(DISPUTED_REFUND)
    found = violations(history, replace(tables_with_late_outcomes(), **changes))
    assert check in {line.partition(":")[0] for line in found}


def test_every_check_has_an_example_of_a_violation() -> None:
    assert {check for check, _ in VIOLATIONS} == {check.__name__ for check in CHECKS}


def test_a_call_that_never_ended_is_a_violation() -> None:
    history = replace(correct_history(), reads=[Call(PaymentRequest(1), 5.0)])
    assert [line.partition(":")[0] for line in violations(history, correct_tables())] == ["calls_end_by_their_deadline"]


def test_a_rejected_refund_above_the_remaining_amount_is_justified() -> None:
    history = correct_history()
    history.refunds.append(refund(replace(REFUND_REQUEST, amount_minor=701), None, Failure("FAILED_PRECONDITION")))
    assert violations(history, correct_tables()) == []


def test_a_request_without_a_final_outcome_is_found() -> None:
    history = correct_history()
    history.charges.append(charge(replace(CHARGE_REQUEST, request_id="charge-2"), None, Failure("UNAVAILABLE")))
    history.refunds.append(refund(replace(REFUND_REQUEST, request_id="refund-2"), None, Failure("DEADLINE_EXCEEDED")))
    assert len(requests_without_outcome(history)) == 2


def test_a_permanent_error_is_a_final_outcome() -> None:
    history = correct_history()
    history.charges.append(charge(OTHER_REQUEST, None, Failure("ALREADY_EXISTS")))
    assert requests_without_outcome(history) == []


def test_statuses_that_servers_must_not_return_are_found() -> None:
    calls = {
        ("Charge", "OK"): 9,
        ("Refund", "UNAVAILABLE"): 3,
        ("Charge", "INTERNAL"): 1,
        ("GetPayment", "NOT_FOUND"): 2,
    }
    assert len(invalid_statuses(Counter(calls))) == 2
