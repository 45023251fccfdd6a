"""The changes in the outbox name a payment by reference or id, and have amounts and times as text."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import orjson
import pytest

from server.domain.events import EventKind
from server.domain.payment import Decision, NewPayment, PaymentMethod, Status
from server.storage.outbox import (
    Change,
    charge_changes,
    decode_changes,
    encode_changes,
    import_changes,
    refund_import_changes,
    settlement_change,
)
from tests.support.fakes import NOW, new_charge, stored_payment

INDIA = timezone(timedelta(hours=5, minutes=30))
TIME = datetime(2026, 1, 2, 5, 30, 0, 5, tzinfo=INDIA)
TIME_TEXT = "2026-01-02 00:00:00.000005"
"""TIME in UTC."""


def decode(changes: str) -> Any:  # noqa: ANN401 - JSON can have any type
    return orjson.loads(bytes.fromhex(changes))


def test_charges_are_identified_by_reference() -> None:
    statuses = (Status.PENDING, Status.SUCCEEDED, Status.FAILED)
    new = [
        NewPayment(new_charge(), Decision(PaymentMethod.UPI, status), f"R{number}", NOW)
        for number, status in enumerate(statuses)
    ]
    assert decode(charge_changes(new)) == [["PENDING", "R0"], ["CHARGED", "R1"], ["FAILED", "R2"]]


@pytest.mark.parametrize(("status", "kind"), [(Status.SUCCEEDED, "CHARGED"), (Status.FAILED, "FAILED")])
def test_a_settled_charge_is_identified_by_id_and_has_the_refunded_amount(status: Status, kind: str) -> None:
    changes = settlement_change(stored_payment(3, refunded=150), status, TIME)
    assert decode(changes) == [[kind, None, 3, None, "1.50", TIME_TEXT]]


def test_the_refunded_amount_of_a_settled_charge_is_zero_by_default() -> None:
    payment = replace(stored_payment(3), refunded_amount=None)
    assert decode(settlement_change(payment, Status.SUCCEEDED, TIME)) == [["CHARGED", None, 3, None, "0", TIME_TEXT]]


def test_imported_payments_are_identified_by_reference_or_id() -> None:
    assert decode(import_changes([("R1", Decimal(0)), (2, Decimal("1.5"))], TIME)) == [
        ["IMPORTED", "R1", None, None, "0", TIME_TEXT],
        ["IMPORTED", None, 2, None, "1.5", TIME_TEXT],
    ]


def test_imported_refunds_are_identified_by_both_ids() -> None:
    assert decode(refund_import_changes([(7, 2, Decimal("1.5"))], TIME)) == [["IMPORTED", None, 2, 7, "1.5", TIME_TEXT]]


def test_changes_of_any_kind_have_individual_times() -> None:
    changes = [
        (EventKind.CHARGED, 2, None, Decimal(0), TIME),
        (EventKind.REFUNDED, 2, 7, Decimal(3), TIME + timedelta(days=1)),
    ]
    assert decode(encode_changes(changes)) == [
        ["CHARGED", None, 2, None, "0", TIME_TEXT],
        ["REFUNDED", None, 2, 7, "3", "2026-01-03 00:00:00.000005"],
    ]


def test_changes_are_decoded_as_they_were_encoded() -> None:
    new = [NewPayment(new_charge(), Decision(PaymentMethod.UPI, Status.FAILED), "R\N{SNOWMAN}", NOW)]
    refund = [(EventKind.REFUNDED, 2, 7, Decimal(3), TIME)]
    texts = [bytes.fromhex(changes).decode() for changes in (charge_changes(new), encode_changes(refund))]
    assert [decode_changes(text) for text in texts] == [
        [Change("FAILED", "R\N{SNOWMAN}")],
        [Change("REFUNDED", None, 2, 7, "3", TIME_TEXT)],
    ]
