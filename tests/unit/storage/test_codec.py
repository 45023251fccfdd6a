"""Conversion of texts and rows from the database to events, pending requests, payments and refunds."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from server.domain.approval import NextAction, NextActionType
from server.domain.dispute import Dispute, DisputeStatus
from server.domain.events import EventKind, PaymentEvent
from server.domain.money import Money
from server.domain.names import Names
from server.domain.payment import Failure, FailureReason, Payment, PaymentMethod, Refund, Status
from server.domain.processing import PendingRequest
from server.domain.simulation import SimulatedSource
from server.storage.payments.codec import (
    cached_payment,
    events_from_rows,
    payment_from_text,
    pending_from_rows,
    refund_from_text,
)
from server.storage.payments.late_codec import dispute_to_json, next_action_to_json
from server.storage.payments.queries import SEPARATOR

TIME = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PAYMENT_COLUMNS = (
    "3",
    "7",
    "5.0000",
    "INR",
    "1",
    "2026-01-02 03:04:05.000000",
    "1.5000",
    "0",
    "",
    "shop",
    "k",
    "",
    "3",
    "UPI",
    "R3",
)
PAYMENT = Payment(
    payment_id=3,
    order_id=7,
    amount=Money("INR", 500),
    method=PaymentMethod.UPI,
    other_method="",
    status=Status.SUCCEEDED,
    reference="R3",
    create_time=TIME,
    refunded_amount=Money("INR", 150),
    is_refunded=False,
    caller="shop",
    request_id="k",
)
REFUND_COLUMNS = ("9", "3", "1.5000", "INR", "", "2026-01-02 03:04:05.000000", "", "shop", "k9", "", "", "late")
REFUND = Refund(9, 3, Money("INR", 150), Status.PENDING, "late", TIME, "shop", "k9")
FUNDS = Failure(FailureReason.INSUFFICIENT_FUNDS, "no_money")
OPENED, CLOSED = (datetime(2026, month, 1, 12, 30, 0, 500, tzinfo=UTC) for month in (2, 3))
LOST = Dispute(DisputeStatus.LOST, Money("INR", 500), "fraudulent", OPENED, CLOSED, "dp_1")


def text(columns: Sequence[str]) -> bytes:
    """Return the text of a payment or refund with these parts."""
    return SEPARATOR.join(columns).encode()


def payment_with(**parts: str) -> tuple[str, ...]:
    """Return PAYMENT_COLUMNS with other parts."""
    names = (
        *("payment_id", "order_id", "amount", "currency", "status", "time", "refunded_amount", "refunded", "failure"),
        *("caller", "request_id", "names", "length", "method", "reference"),
    )
    return tuple(parts.get(name, part) for name, part in zip(names, PAYMENT_COLUMNS, strict=True))


def names_with(*values: str | None) -> str:
    """Return the JSON of the columns that most payments lack; those after ``values`` are null."""
    return json.dumps([*values, *[None] * (10 - len(values))])


def raw(*values: str | bytes | None) -> tuple[bytes | None, ...]:
    """Return a row as the database sends it."""
    return tuple(value.encode() if isinstance(value, str) else value for value in values)


def event(
    columns: Sequence[str | None], payment: Sequence[str] = PAYMENT_COLUMNS, refund: Sequence[str] | None = None
) -> PaymentEvent:
    (result,) = events_from_rows([raw(*columns, text(payment), None if refund is None else text(refund))])
    return result


@pytest.mark.parametrize(
    ("kind", "payment_status", "refund_status"),
    [
        (EventKind.PENDING, Status.PENDING, None),
        (EventKind.CHARGED, Status.SUCCEEDED, None),
        (EventKind.FAILED, Status.FAILED, None),
        (EventKind.REFUND_PENDING, Status.SUCCEEDED, Status.PENDING),
        (EventKind.REFUNDED, Status.SUCCEEDED, Status.SUCCEEDED),
        (EventKind.REFUND_FAILED, Status.SUCCEEDED, Status.FAILED),
        (EventKind.IMPORTED, Status.SUCCEEDED, None),
    ],
)
def test_an_event_has_its_payment_and_refund_in_their_state_right_after_it(
    kind: EventKind, payment_status: Status, refund_status: Status | None
) -> None:
    event_columns = ["5", kind, "0.5000", "2026-01-02 03:04:05.000000", "shop", "key"]
    payment = replace(PAYMENT, status=payment_status, refunded_amount=Money("INR", 50))
    refund = None if refund_status is None else replace(REFUND, status=refund_status)
    refund_columns = None if refund is None else REFUND_COLUMNS
    assert event(event_columns, refund=refund_columns) == PaymentEvent(5, kind, TIME, payment, refund, "shop", "key")


def test_events_are_in_the_order_of_their_rows() -> None:
    rows = [raw(sequence, "CHARGED", "0.0000", None, None, None, text(PAYMENT_COLUMNS), None) for sequence in "213"]
    assert [it.sequence for it in events_from_rows(rows)] == [2, 1, 3]


def test_an_imported_event_has_the_current_statuses() -> None:
    event_columns = ["5", "IMPORTED", "0.5000", "2026-01-02 03:04:05.000000", "shop", "key"]
    imported = event(event_columns, payment_with(status="0"), REFUND_COLUMNS)
    assert imported.payment.status is Status.FAILED
    assert imported.refund == REFUND


@pytest.mark.parametrize(
    ("amount", "refunded", "is_refunded"),
    [("5.0000", "0.0000", False), ("5.0000", "4.9900", False), ("5.0000", "5.0000", True), ("0.0000", "0.0000", False)],
)
def test_the_payment_of_an_event_is_refunded_if_all_of_it_was_refunded_by_then(
    amount: str, refunded: str, *, is_refunded: bool
) -> None:
    event_columns = ["5", "CHARGED", refunded, "2026-01-02 03:04:05.000000", "shop", "key"]
    payment = event(event_columns, payment_with(amount=amount, refunded="1")).payment
    assert payment.is_refunded is is_refunded


def test_the_event_of_an_adopted_row_may_lack_time_caller_and_amount() -> None:
    columns = payment_with(amount="", refunded_amount="0.0000", caller="", request_id="")
    imported = event(["5", "IMPORTED", "0.0000", None, None, None], columns)
    expected = replace(PAYMENT, amount=None, refunded_amount=None, caller="", request_id="")
    assert imported == PaymentEvent(5, EventKind.IMPORTED, None, expected, None, "", "")


def test_a_pending_request_is_a_charge_or_a_refund_with_its_age_in_seconds() -> None:
    rows = [
        raw(text(PAYMENT_COLUMNS), None, "1500000", "2", None),
        raw(text(PAYMENT_COLUMNS), text(REFUND_COLUMNS), "0", "1", "pi_1"),
    ]
    assert pending_from_rows(rows) == [
        PendingRequest(PAYMENT, None, 1.5, 2, None),
        PendingRequest(PAYMENT, REFUND, 0.0, 1, "pi_1"),
    ]


def test_a_refund_is_returned_with_its_requested_amount() -> None:
    assert refund_from_text(text(REFUND_COLUMNS)) == (REFUND, None)
    with_amount = text([*REFUND_COLUMNS[:6], "1.5000", *REFUND_COLUMNS[7:]])
    assert refund_from_text(with_amount) == (REFUND, Money("INR", 150))
    with_separators = text([*REFUND_COLUMNS[:-1], f"late{SEPARATOR} and, broken,"])
    assert refund_from_text(with_separators) == (replace(REFUND, reason=f"late{SEPARATOR} and, broken,"), None)


def test_a_refund_has_its_failure_and_its_identifier_at_the_processor() -> None:
    columns = [*REFUND_COLUMNS[:4], "0", *REFUND_COLUMNS[5:9], "INSUFFICIENT_FUNDS", '["no_money", "re_1"]', "late"]
    failed = replace(REFUND, status=Status.FAILED, failure=FUNDS, processor_reference="re_1")
    assert refund_from_text(text(columns)) == (failed, None)


def test_a_payment_has_the_values_that_most_payments_lack() -> None:
    names = names_with(" ORD-7 ", "c,7", '{"b":"2","a":""}', "no_money", "pi_1", "sim_insufficient_funds")
    columns = payment_with(status="0", failure="INSUFFICIENT_FUNDS", names=names)
    assert payment_from_text(text(columns)) == replace(
        PAYMENT,
        status=Status.FAILED,
        failure=FUNDS,
        processor_reference="pi_1",
        names=Names(" ORD-7 ", "c,7", (("a", ""), ("b", "2"))),
        simulated_source=SimulatedSource.INSUFFICIENT_FUNDS,
    )


def test_the_event_of_a_pending_payment_does_not_show_its_later_outcome() -> None:
    failed = payment_with(status="0", failure="DECLINED", names=names_with(None, "c", None, "declined", "pi_1"))
    pending = event(["5", "PENDING", "0.0000", None, "shop", "k"], failed).payment
    expected = replace(PAYMENT, status=Status.PENDING, refunded_amount=Money("INR", 0), names=Names(None, "c"))
    assert pending == expected


def test_a_pending_payment_has_its_source_mark_and_what_its_payer_must_do() -> None:
    action = NextAction(NextActionType.REDIRECT, f'https://bank.example/{SEPARATOR}?a="b"', TIME)
    names = names_with(*[None] * 6, "0a1b2c3d:ff", next_action_to_json(action))
    pending = payment_from_text(text(payment_with(status="", names=names)))
    assert (pending.status, pending.source_mark, pending.next_action) == (Status.PENDING, "0a1b2c3d:ff", action)


@pytest.mark.parametrize(
    ("kind", "time", "status"),
    [
        (EventKind.CHARGED, TIME, None),
        (EventKind.DISPUTE_OPENED, OPENED, DisputeStatus.OPEN),
        (EventKind.REFUND_FAILED, OPENED + timedelta(hours=1), DisputeStatus.OPEN),
        (EventKind.DISPUTE_LOST, CLOSED, DisputeStatus.LOST),
        (EventKind.FORGOTTEN, CLOSED + timedelta(hours=1), DisputeStatus.LOST),
    ],
)
def test_an_event_has_the_dispute_as_it_was_then(kind: EventKind, time: datetime, status: DisputeStatus | None) -> None:
    names = names_with(*[None] * 8, "LOST", dispute_to_json(LOST))
    payment = payment_with(names=names)
    assert payment_from_text(text(payment)).dispute == LOST
    seen = event(["5", kind, "1.5000", f"{time:%Y-%m-%d %H:%M:%S.%f}", "shop", "k"], payment).payment.dispute
    still_open = replace(LOST, status=DisputeStatus.OPEN, close_time=None)
    assert seen == {None: None, DisputeStatus.OPEN: still_open, DisputeStatus.LOST: LOST}[status]


@pytest.mark.parametrize("kind", [EventKind.DISPUTE_OPENED, EventKind.DISPUTE_WON, EventKind.DISPUTE_LOST])
def test_the_event_of_a_dispute_has_no_caller(kind: EventKind) -> None:
    disputed = event(["5", kind, "1.5000", None, "shop", "k"])
    assert (disputed.caller, disputed.request_id) == ("", "")


def test_the_event_of_an_erased_customer_has_no_caller() -> None:
    forgotten = event(["5", "FORGOTTEN", "1.5000", None, "shop", "k"])
    assert (forgotten.payment, forgotten.caller, forgotten.request_id) == (PAYMENT, "", "")


@pytest.mark.parametrize("method", ["", SEPARATOR, f"Net{SEPARATOR}Banking{SEPARATOR}", "\u20b9\U0001f3e6", "9,UPI"])
@pytest.mark.parametrize("reference", [None, "", SEPARATOR, f"R{SEPARATOR}3{SEPARATOR}", "\u20b9"])
def test_method_and_reference_may_contain_any_character(method: str, reference: str | None) -> None:
    parts = [*PAYMENT_COLUMNS[:12], str(len(method)), method, *([] if reference is None else [reference])]
    payment = payment_from_text(text(parts))
    assert (payment.other_method, payment.reference) == (method, reference)


def test_the_same_text_returns_the_same_payment() -> None:
    first, again, other = (
        cached_payment(text(columns)) for columns in (PAYMENT_COLUMNS, tuple(PAYMENT_COLUMNS), payment_with(status="0"))
    )
    assert again is first
    assert other == replace(first, status=Status.FAILED)


@pytest.mark.parametrize("time", ["", "0000-00-00 00:00:00.000000", "2026-02-30 00:00:00.000000"])
def test_an_invalid_time_is_none(time: str) -> None:
    assert payment_from_text(text(payment_with(time=time))) == replace(PAYMENT, create_time=None)


@pytest.mark.parametrize(
    ("currency", "amount", "amount_minor"),
    [("INR", "-5.5000", -550), ("JPY", "500.0000", 500), ("KWD", "5.1230", 5123), ("CLF", "5.1234", 51234)],
)
def test_an_amount_is_converted_to_the_minor_units_of_its_currency(
    currency: str, amount: str, amount_minor: int
) -> None:
    payment = payment_from_text(text(payment_with(amount=amount, currency=currency, refunded_amount="0.0000")))
    assert (payment.amount, payment.refunded_amount) == (Money(currency, amount_minor), Money(currency, 0))
