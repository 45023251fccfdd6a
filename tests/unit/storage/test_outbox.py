"""What the stream is told of changes: by a name of the payment, with amounts and times as text."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import orjson
import pytest

from server.domain.events import EventKind
from server.domain.payment import NewPayment, PaymentMethod, Status
from server.storage.outbox import charge_changes, imported, imported_refunds, made_up, settled_charge
from tests.support.fakes import NOW, new_charge, stored

INDIA = timezone(timedelta(hours=5, minutes=30))
TIME = datetime(2026, 1, 2, 5, 30, 0, 5, tzinfo=INDIA)
TEXT = "2026-01-02 00:00:00.000005"
"""The same time in UTC."""


def told(text: str) -> Any:  # noqa: ANN401 - JSON has any type
    return orjson.loads(bytes.fromhex(text))


def test_charges_are_told_of_by_their_references() -> None:
    statuses = (Status.PENDING, Status.SUCCEEDED, Status.FAILED)
    new = [
        NewPayment(new_charge(), PaymentMethod.UPI, status, f"R{number}", NOW) for number, status in enumerate(statuses)
    ]
    assert told(charge_changes(new)) == [["PENDING", "R0"], ["CHARGED", "R1"], ["FAILED", "R2"]]


@pytest.mark.parametrize(("status", "kind"), [(Status.SUCCEEDED, "CHARGED"), (Status.FAILED, "FAILED")])
def test_a_settled_charge_is_told_of_by_its_id_with_what_was_refunded(status: Status, kind: str) -> None:
    assert told(settled_charge(stored(3, status, 150), TIME)) == [[kind, None, 3, None, "1.50", TEXT]]


def test_a_settled_charge_without_a_refunded_amount_is_told_of_with_none() -> None:
    payment = replace(stored(3, Status.SUCCEEDED), refunded_amount=None)
    assert told(settled_charge(payment, TIME)) == [["CHARGED", None, 3, None, "0.00", TEXT]]


def test_payments_taken_over_are_told_of_by_reference_or_id() -> None:
    assert told(imported([("R1", Decimal(0)), (2, Decimal("1.5"))], TIME)) == [
        ["IMPORTED", "R1", None, None, "0.00", TEXT],
        ["IMPORTED", None, 2, None, "1.50", TEXT],
    ]


def test_refunds_taken_over_are_told_of_with_their_payments() -> None:
    assert told(imported_refunds([(7, 2, Decimal("1.5"))], TIME)) == [["IMPORTED", None, 2, 7, "1.50", TEXT]]


def test_changes_of_any_kind_have_times_of_their_own() -> None:
    changes = [
        (EventKind.CHARGED, 2, None, Decimal(0), TIME),
        (EventKind.REFUNDED, 2, 7, Decimal(3), TIME + timedelta(days=1)),
    ]
    assert told(made_up(changes)) == [
        ["CHARGED", None, 2, None, "0.00", TEXT],
        ["REFUNDED", None, 2, 7, "3.00", "2026-01-03 00:00:00.000005"],
    ]
