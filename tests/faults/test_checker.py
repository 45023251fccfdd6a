"""The checker of the fault run finds each kind of wrong, in histories made up for it."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.faults.checker import CHECKS, LATE_SECONDS, unanswered, violations, wrong_codes
from tests.faults.record import (
    Call,
    Charge,
    ChargeAsked,
    DetailsSeen,
    Failure,
    History,
    PaymentAsked,
    PaymentSeen,
    Read,
    Refund,
    RefundAnswer,
    RefundAsked,
    RefundSeen,
    Status,
    StoredEvent,
    StoredPayment,
    StoredRefund,
    Tables,
)

CHARGED = ChargeAsked("charge-1", order_id=7, amount_minor=1000, method="UPI")
PAYMENT = PaymentSeen(1, 7, 1000, "UPI", Status.SUCCEEDED, "R1", refunded_minor=0, is_refunded=False)
REFUNDED = RefundAsked("refund-1", payment_id=1, amount_minor=300)
REFUND = RefundSeen(11, 1, 300)
AFTER = replace(PAYMENT, refunded_minor=300)


MADE = StoredEvent(1, "CHARGED", 1, None, refunded_minor=0)
BACK = StoredEvent(2, "REFUNDED", 1, 11, refunded_minor=300)


def charge(
    asked: ChargeAsked = CHARGED, answer: PaymentSeen | None = PAYMENT, failure: Failure | None = None
) -> Charge:
    return Call(asked, 5.0, begun_seconds=1, ended_seconds=2, answer=answer, failure=failure)


def refund(asked: RefundAsked = REFUNDED, made: RefundSeen | None = REFUND, failure: Failure | None = None) -> Refund:
    answer = None if made is None else RefundAnswer(made, AFTER)
    return Call(asked, 5.0, begun_seconds=3, ended_seconds=4, answer=answer, failure=failure)


def read(answer: DetailsSeen | None, failure: Failure | None = None, begun_seconds: float = 5) -> Read:
    ended_seconds = begun_seconds + 1
    return Call(
        PaymentAsked(1), 5.0, begun_seconds=begun_seconds, ended_seconds=ended_seconds, answer=answer, failure=failure
    )


def good_history() -> History:
    """One charge, asked twice; one refund of it, asked twice; reads before and after; calls without an answer."""
    return History(
        charges=[charge(), charge(), charge(answer=None), charge(answer=None, failure=Failure("UNAVAILABLE"))],
        refunds=[refund(), refund(), refund(made=None, failure=Failure("INTERNAL"))],
        reads=[read(DetailsSeen(PAYMENT, ()), begun_seconds=2.5), read(DetailsSeen(AFTER, (REFUND,)))],
    )


def good_tables() -> Tables:
    return Tables((StoredPayment("charge-1", AFTER),), (StoredRefund("refund-1", REFUND),), (MADE, BACK))


def test_a_history_that_agrees_with_the_tables_is_well() -> None:
    assert violations(good_history(), good_tables()) == []
    assert unanswered(good_history()) == []


Spoil = Callable[[History, Tables], tuple[History, Tables]]


def with_charge(call: Charge) -> Spoil:
    return lambda history, tables: (replace(history, charges=[*history.charges, call]), tables)


def with_refund(call: Refund) -> Spoil:
    return lambda history, tables: (replace(history, refunds=[*history.refunds, call]), tables)


def with_read(call: Read) -> Spoil:
    return lambda history, tables: (replace(history, reads=[*history.reads, call]), tables)


def with_payments(*rows: StoredPayment) -> Spoil:
    return lambda history, tables: (history, replace(tables, payments=rows))


def with_refunds(*rows: StoredRefund) -> Spoil:
    return lambda history, tables: (history, replace(tables, refunds=rows))


def with_events(*rows: StoredEvent, waiting: int = 0) -> Spoil:
    return lambda history, tables: (history, replace(tables, events=rows, waiting=waiting))


STORED = StoredPayment("charge-1", AFTER)
SECOND = replace(AFTER, payment_id=2, reference="R2")
OTHERWISE = replace(CHARGED, amount_minor=1001)

WRONG: list[tuple[str, Spoil]] = [
    ("acknowledged_charges_are_stored_once", with_payments()),
    ("acknowledged_charges_are_stored_once", with_payments(STORED, STORED)),
    ("acknowledged_charges_are_stored_once", with_payments(replace(STORED, payment=replace(AFTER, order_id=8)))),
    ("acknowledged_charges_are_stored_once", with_payments(replace(STORED, request_id="charge-2"))),
    ("each_request_has_one_payment", with_payments(STORED, StoredPayment("charge-1", SECOND))),
    ("each_request_has_one_payment", with_payments(STORED, StoredPayment("charge-2", SECOND))),
    ("each_request_has_one_payment", with_payments(replace(STORED, payment=replace(AFTER, amount_minor=1001)))),
    ("answers_to_a_charge_agree", with_charge(charge(answer=SECOND))),
    ("answers_to_a_charge_agree", with_charge(charge(answer=replace(PAYMENT, reference="R2")))),
    ("answers_to_a_charge_agree", with_charge(charge(OTHERWISE))),
    ("acknowledged_refunds_are_stored_once", with_refunds()),
    ("acknowledged_refunds_are_stored_once", with_refunds(*[StoredRefund("refund-1", REFUND)] * 2)),
    ("acknowledged_refunds_are_stored_once", with_refunds(StoredRefund("refund-1", replace(REFUND, amount_minor=30)))),
    (
        "each_request_has_one_refund",
        with_refunds(StoredRefund("refund-1", REFUND), StoredRefund("refund-1", replace(REFUND, refund_id=12))),
    ),
    ("each_request_has_one_refund", with_refunds(StoredRefund("refund-2", REFUND))),
    ("answers_to_a_refund_agree", with_refund(refund(made=replace(REFUND, refund_id=12)))),
    ("answers_to_a_refund_agree", with_refund(refund(made=replace(REFUND, amount_minor=301)))),
    ("refunds_never_exceed_the_payment", with_refunds(StoredRefund("refund-1", replace(REFUND, amount_minor=1001)))),
    ("refunds_never_exceed_the_payment", with_payments(replace(STORED, payment=replace(AFTER, status=Status.FAILED)))),
    ("refunds_and_payments_agree", with_payments(replace(STORED, payment=replace(AFTER, refunded_minor=299)))),
    ("refunds_and_payments_agree", with_payments(replace(STORED, payment=replace(AFTER, is_refunded=True)))),
    ("refunds_and_payments_agree", with_refunds(StoredRefund("refund-1", replace(REFUND, payment_id=9)))),
    ("nothing_half_done_is_seen", with_read(read(DetailsSeen(PAYMENT, (REFUND,))))),
    ("nothing_half_done_is_seen", with_read(read(DetailsSeen(AFTER, ()), begun_seconds=2.5))),
    ("nothing_half_done_is_seen", with_read(read(DetailsSeen(AFTER, (replace(REFUND, refund_id=12),))))),
    ("what_was_acknowledged_is_seen", with_read(read(DetailsSeen(PAYMENT, ())))),
    ("what_was_acknowledged_is_seen", with_read(read(None, Failure("NOT_FOUND")))),
    (
        "refusals_are_justified",
        with_refund(refund(replace(REFUNDED, amount_minor=700), None, Failure("FAILED_PRECONDITION"))),
    ),
    (
        "refusals_are_justified",
        with_refund(refund(replace(REFUNDED, amount_minor=None), None, Failure("FAILED_PRECONDITION"))),
    ),
    ("each_payment_and_refund_has_one_event", with_events(MADE)),
    ("each_payment_and_refund_has_one_event", with_events(replace(BACK, sequence=1))),
    ("each_payment_and_refund_has_one_event", with_events(MADE, BACK, replace(MADE, sequence=3))),
    ("each_payment_and_refund_has_one_event", with_events(MADE, BACK, StoredEvent(3, "CHARGED", 2, None, 0))),
    ("each_payment_and_refund_has_one_event", with_events(replace(MADE, kind="FAILED"), BACK)),
    ("each_payment_and_refund_has_one_event", with_events(MADE, BACK, waiting=1)),
    ("events_are_in_order", with_events(MADE, replace(BACK, sequence=3))),
    ("events_are_in_order", with_events(replace(BACK, sequence=1), replace(MADE, sequence=2))),
    ("events_are_in_order", with_events(MADE, replace(BACK, refunded_minor=301))),
    ("calls_end_by_their_deadline", with_charge(replace(charge(), ended_seconds=7 + LATE_SECONDS))),
    ("servers_never_fail", with_charge(charge(answer=None, failure=Failure("INTERNAL", call_id="c1")))),
    ("servers_never_fail", with_refund(refund(made=None, failure=Failure("UNKNOWN", call_id="c1")))),
]


@pytest.mark.parametrize(("check", "spoil"), WRONG, ids=[f"{place}-{check}" for place, (check, _) in enumerate(WRONG)])
def test_each_kind_of_wrong_is_found(check: str, spoil: Spoil) -> None:
    found = violations(*spoil(good_history(), good_tables()))
    assert check in {line.partition(":")[0] for line in found}


def test_every_check_is_shown_to_fail() -> None:
    assert {check for check, _ in WRONG} == {check.__name__ for check in CHECKS}


def test_a_call_that_never_ended_did_not_end_by_its_deadline() -> None:
    history = replace(good_history(), reads=[Call(PaymentAsked(1), 5.0)])
    assert [line.partition(":")[0] for line in violations(history, good_tables())] == ["calls_end_by_their_deadline"]


def test_a_refund_of_more_than_remains_is_refused_with_good_reason() -> None:
    history = good_history()
    history.refunds.append(refund(replace(REFUNDED, amount_minor=701), None, Failure("FAILED_PRECONDITION")))
    assert violations(history, good_tables()) == []


def test_a_request_that_was_never_answered_is_found() -> None:
    history = good_history()
    history.charges.append(charge(replace(CHARGED, request_id="charge-2"), None, Failure("UNAVAILABLE")))
    history.refunds.append(refund(replace(REFUNDED, request_id="refund-2"), None, Failure("DEADLINE_EXCEEDED")))
    assert len(unanswered(history)) == 2


def test_a_request_that_was_refused_for_good_is_answered() -> None:
    history = good_history()
    history.charges.append(charge(OTHERWISE, None, Failure("ALREADY_EXISTS")))
    assert unanswered(history) == []


def test_codes_that_no_server_may_send_are_found() -> None:
    calls = {
        ("Charge", "OK"): 9,
        ("Refund", "UNAVAILABLE"): 3,
        ("Charge", "INTERNAL"): 1,
        ("GetPayment", "NOT_FOUND"): 2,
    }
    assert len(wrong_codes(Counter(calls))) == 2
