"""The lines that commands print."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from payments_client import Payment, PaymentEvent, PaymentEventType, PaymentMethod, PaymentStatus, RefundState

from tools.cli.output import print_event


def event(amount: Decimal | None, request_id: str) -> PaymentEvent:
    payment = Payment(
        payment_id=7,
        order_id=342,
        amount=amount,
        currency=None if amount is None else "INR",
        method=PaymentMethod.UPI,
        other_method="",
        status=PaymentStatus.SUCCEEDED,
        reference="",
        create_time=None,
        refunded_amount=None,
        refund_state=RefundState.NONE,
    )
    return PaymentEvent(
        type=PaymentEventType.CHARGED,
        event_time=datetime(2026, 11, 28, 12, 30, tzinfo=UTC),
        payment=payment,
        refund=None,
        caller="shop",
        request_id=request_id,
    )


@pytest.mark.parametrize(
    ("amount", "request_id", "end"),
    [
        (Decimal("1561.00"), "order-342", "order 342  1,561.00 INR  shop  order-342\n"),
        (None, "order-342", "order 342    shop  order-342\n"),
        (Decimal("5.00"), "\x1b[2J", "order 342  5.00 INR  shop  \N{REPLACEMENT CHARACTER}[2J\n"),
    ],
    ids=["amount", "no amount", "control characters"],
)
def test_an_event_is_one_line_without_none_and_control_characters(
    capsys: pytest.CaptureFixture[str], amount: Decimal | None, request_id: str, end: str
) -> None:
    print_event(event(amount, request_id))

    assert capsys.readouterr().out == f"2026-11-28 12:30:00  CHARGED          payment 7  {end}"
