"""Conversion of JSON values from the database to events, pending requests, payments and refunds."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from server.domain.events import EventKind, PaymentEvent
from server.domain.money import Money
from server.domain.payment import Payment, PaymentMethod, Refund, Status
from server.domain.processing import PendingRequest
from server.storage.payments.codec import events_from_json, payment_from_json, pending_from_json, refund_from_json

TIME = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PAYMENT_COLUMNS = [3, 7, "5.00", "INR", "UPI", 1, "R3", "2026-01-02 03:04:05.000000", "1.50", 0, 0]
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
REFUND_COLUMNS = [9, 3, "1.50", "INR", None, "late", "2026-01-02 03:04:05.000000", None]
REFUND = Refund(9, 3, Money("INR", 150), Status.PENDING, "late", TIME)


def event(columns: list[Any], payment: list[Any] = PAYMENT_COLUMNS, refund: list[Any] | None = None) -> PaymentEvent:
    (result,) = events_from_json([orjson.dumps([columns, payment, refund])])
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
    event_columns = [5, kind, "0.50", "2026-01-02 03:04:05.000000", "shop", "key"]
    payment = replace(PAYMENT, status=payment_status, refunded_amount=Money("INR", 50))
    refund = None if refund_status is None else replace(REFUND, status=refund_status)
    refund_columns = None if refund is None else REFUND_COLUMNS
    assert event(event_columns, refund=refund_columns) == PaymentEvent(5, kind, TIME, payment, refund, "shop", "key")


def test_events_are_in_the_order_of_their_values() -> None:
    values = [
        orjson.dumps([[sequence, "CHARGED", "0.00", None, None, None], PAYMENT_COLUMNS, None]) for sequence in (2, 1, 3)
    ]
    assert [it.sequence for it in events_from_json(values)] == [2, 1, 3]


def test_an_imported_event_has_the_current_statuses() -> None:
    event_columns = [5, "IMPORTED", "0.50", "2026-01-02 03:04:05.000000", "shop", "key"]
    imported = event(event_columns, [*PAYMENT_COLUMNS[:5], 0, *PAYMENT_COLUMNS[6:]], REFUND_COLUMNS)
    assert imported.payment.status is Status.FAILED
    assert imported.refund == REFUND


@pytest.mark.parametrize(
    ("amount", "refunded", "is_refunded"),
    [("5.00", "0.00", False), ("5.00", "4.99", False), ("5.00", "5.00", True), ("0.00", "0.00", False)],
)
def test_the_payment_of_an_event_is_refunded_if_all_of_it_was_refunded_by_then(
    amount: str, refunded: str, *, is_refunded: bool
) -> None:
    event_columns = [5, "CHARGED", refunded, "2026-01-02 03:04:05.000000", "shop", "key"]
    payment = event(event_columns, [*PAYMENT_COLUMNS[:2], amount, *PAYMENT_COLUMNS[3:9], 1, 0]).payment
    assert payment.is_refunded is is_refunded


def test_the_event_of_an_adopted_row_may_lack_time_caller_and_amount() -> None:
    columns = [*PAYMENT_COLUMNS[:2], None, *PAYMENT_COLUMNS[3:8], "0.00", 0, 1]
    imported = event([5, "IMPORTED", "0.00", None, None, None], columns)
    expected = replace(PAYMENT, amount=None, refunded_amount=None, is_adopted=True)
    assert imported == PaymentEvent(5, EventKind.IMPORTED, None, expected, None, "", "")


def test_a_pending_request_is_a_charge_or_a_refund_with_its_age_in_seconds() -> None:
    values = [
        orjson.dumps([PAYMENT_COLUMNS, None, [1_500_000, 2, None]]),
        orjson.dumps([PAYMENT_COLUMNS, REFUND_COLUMNS, [0, 1, "pi_1"]]),
    ]
    assert pending_from_json(values) == [
        PendingRequest(PAYMENT, None, 1.5, 2, None),
        PendingRequest(PAYMENT, REFUND, 0.0, 1, "pi_1"),
    ]


def test_a_refund_is_returned_with_its_requested_amount() -> None:
    assert refund_from_json(orjson.dumps(REFUND_COLUMNS).decode()) == (REFUND, None)
    with_amount = orjson.dumps([*REFUND_COLUMNS[:7], "1.50"]).decode()
    assert refund_from_json(with_amount) == (REFUND, Money("INR", 150))


@pytest.mark.parametrize("time", ["0000-00-00 00:00:00.000000", "2026-02-30 00:00:00.000000"])
def test_an_invalid_time_is_none(time: str) -> None:
    columns = orjson.dumps([*PAYMENT_COLUMNS[:7], time, *PAYMENT_COLUMNS[8:]])
    assert payment_from_json(columns) == replace(PAYMENT, create_time=None)


@pytest.mark.parametrize(
    ("currency", "text", "amount_minor"), [("INR", "-5.50", -550), ("JPY", "500.00", 500), ("KWD", "5.12", 5120)]
)
def test_an_amount_is_converted_to_the_minor_units_of_its_currency(currency: str, text: str, amount_minor: int) -> None:
    columns = orjson.dumps([*PAYMENT_COLUMNS[:2], text, currency, *PAYMENT_COLUMNS[4:8], "0.00", 0, 0])
    payment = payment_from_json(columns)
    assert (payment.amount, payment.refunded_amount) == (Money(currency, amount_minor), Money(currency, 0))
