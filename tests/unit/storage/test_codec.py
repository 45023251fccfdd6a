"""Conversion of texts and rows from the database to events, pending requests, payments and refunds."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from server.domain.events import EventKind, PaymentEvent
from server.domain.money import Money
from server.domain.payment import Payment, PaymentMethod, Refund, Status
from server.domain.processing import PendingRequest
from server.storage.payments.codec import (
    cached_payment,
    events_from_rows,
    payment_from_text,
    pending_from_rows,
    refund_from_text,
)

TIME = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PAYMENT_COLUMNS = ("3", "7", "5.00", "INR", "1", "2026-01-02 03:04:05.000000", "1.50", "0", "0", "3", "UPI", "R3")
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
    is_adopted=False,
)
REFUND_COLUMNS = ("9", "3", "1.50", "INR", "", "2026-01-02 03:04:05.000000", "", "late")
REFUND = Refund(9, 3, Money("INR", 150), Status.PENDING, "late", TIME)


def text(columns: Sequence[str]) -> str:
    """Return the text of a payment or refund with these parts."""
    return ",".join(columns)


def payment_with(**parts: str) -> tuple[str, ...]:
    """Return PAYMENT_COLUMNS with other parts."""
    names = ("payment_id", "order_id", "amount", "currency", "status", "time", "refunded_amount", "refunded", "adopted")
    return (
        tuple(parts.get(name, part) for name, part in zip(names, PAYMENT_COLUMNS, strict=False)) + PAYMENT_COLUMNS[9:]
    )


def raw(*values: str | None) -> tuple[bytes | None, ...]:
    """Return a row as the database sends it."""
    return tuple(None if value is None else value.encode() for value in values)


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
    event_columns = ["5", kind, "0.50", "2026-01-02 03:04:05.000000", "shop", "key"]
    payment = replace(PAYMENT, status=payment_status, refunded_amount=Money("INR", 50))
    refund = None if refund_status is None else replace(REFUND, status=refund_status)
    refund_columns = None if refund is None else REFUND_COLUMNS
    assert event(event_columns, refund=refund_columns) == PaymentEvent(5, kind, TIME, payment, refund, "shop", "key")


def test_events_are_in_the_order_of_their_rows() -> None:
    rows = [raw(sequence, "CHARGED", "0.00", None, None, None, text(PAYMENT_COLUMNS), None) for sequence in "213"]
    assert [it.sequence for it in events_from_rows(rows)] == [2, 1, 3]


def test_an_imported_event_has_the_current_statuses() -> None:
    event_columns = ["5", "IMPORTED", "0.50", "2026-01-02 03:04:05.000000", "shop", "key"]
    imported = event(event_columns, payment_with(status="0"), REFUND_COLUMNS)
    assert imported.payment.status is Status.FAILED
    assert imported.refund == REFUND


@pytest.mark.parametrize(
    ("amount", "refunded", "is_refunded"),
    [("5.00", "0.00", False), ("5.00", "4.99", False), ("5.00", "5.00", True), ("0.00", "0.00", False)],
)
def test_the_payment_of_an_event_is_refunded_if_all_of_it_was_refunded_by_then(
    amount: str, refunded: str, *, is_refunded: bool
) -> None:
    event_columns = ["5", "CHARGED", refunded, "2026-01-02 03:04:05.000000", "shop", "key"]
    payment = event(event_columns, payment_with(amount=amount, refunded="1")).payment
    assert payment.is_refunded is is_refunded


def test_the_event_of_an_adopted_row_may_lack_time_caller_and_amount() -> None:
    columns = payment_with(amount="", refunded_amount="0.00", adopted="1")
    imported = event(["5", "IMPORTED", "0.00", None, None, None], columns)
    expected = replace(PAYMENT, amount=None, refunded_amount=None, is_adopted=True)
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
    with_amount = text([*REFUND_COLUMNS[:6], "1.50", "late"])
    assert refund_from_text(with_amount) == (REFUND, Money("INR", 150))
    with_commas = text([*REFUND_COLUMNS[:7], "late, and, broken,"])
    assert refund_from_text(with_commas) == (replace(REFUND, reason="late, and, broken,"), None)


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("5.0000", "INR", 500),
        ("0.0000", "INR", 0),
        ("-5.2500", "INR", -525),
        ("5.1250", "INR", 513),
        ("5.0000", "JPY", 5),
        ("5.1250", "BHD", 5125),
    ],
)
def test_amounts_may_have_four_decimals(amount: str, currency: str, minor: int) -> None:
    columns = [*PAYMENT_COLUMNS[:2], amount, currency, *PAYMENT_COLUMNS[4:6], "0.0000", *PAYMENT_COLUMNS[7:]]
    payment = payment_from_text(text(columns))
    assert (payment.amount, payment.refunded_amount) == (Money(currency, minor), Money(currency, 0))


@pytest.mark.parametrize("method", ["", ",", "Net,Banking,", "\u20b9,\U0001f3e6", "9,UPI"])
@pytest.mark.parametrize("reference", [None, "", ",", "R,3,", "\u20b9"])
def test_method_and_reference_may_contain_any_character(method: str, reference: str | None) -> None:
    parts = [*PAYMENT_COLUMNS[:9], str(len(method)), method, *([] if reference is None else [reference])]
    payment = payment_from_text(text(parts))
    assert (payment.other_method, payment.reference) == (method, reference)


def test_the_same_text_returns_the_same_payment() -> None:
    first, again, other = (
        cached_payment(text(columns).encode())
        for columns in (PAYMENT_COLUMNS, tuple(PAYMENT_COLUMNS), payment_with(status="0"))
    )
    assert again is first
    assert other == replace(first, status=Status.FAILED)


@pytest.mark.parametrize("time", ["", "0000-00-00 00:00:00.000000", "2026-02-30 00:00:00.000000"])
def test_an_invalid_time_is_none(time: str) -> None:
    assert payment_from_text(text(payment_with(time=time))) == replace(PAYMENT, create_time=None)


@pytest.mark.parametrize(
    ("currency", "amount", "amount_minor"), [("INR", "-5.50", -550), ("JPY", "500.00", 500), ("KWD", "5.12", 5120)]
)
def test_an_amount_is_converted_to_the_minor_units_of_its_currency(
    currency: str, amount: str, amount_minor: int
) -> None:
    payment = payment_from_text(text(payment_with(amount=amount, currency=currency, refunded_amount="0.00")))
    assert (payment.amount, payment.refunded_amount) == (Money(currency, amount_minor), Money(currency, 0))
