"""The lines that commands print."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from payments_client import (
    Dispute,
    DisputeStatus,
    Failure,
    NextAction,
    NextActionType,
    Payment,
    PaymentEvent,
    PaymentEventType,
    PaymentMethod,
    PaymentStatus,
    Refund,
    RefundState,
    RefundStatus,
)

from tools.cli.output import print_event, print_json, print_payment, print_payments, print_refunds

PAYMENT = Payment(
    payment_id=7,
    order_id=342,
    amount=Decimal("1561.00"),
    currency="INR",
    method=PaymentMethod.UPI,
    other_method="",
    status=PaymentStatus.SUCCEEDED,
    reference="",
    create_time=None,
    refunded_amount=None,
    refund_state=RefundState.NONE,
)
REFUND = Refund(
    refund_id=9,
    payment_id=7,
    amount=Decimal("2.500"),
    currency="KWD",
    status=RefundStatus.FAILED,
    reason="late",
    create_time=datetime(2026, 11, 28, 12, 30, tzinfo=UTC),
    failure=Failure.DECLINED,
)
APPROVAL = NextAction(
    type=NextActionType.REDIRECT,
    redirect_url="https://bank.example/approve/" + 300 * "7",
    expire_time=datetime(2026, 11, 28, 12, 35, tzinfo=UTC),
)
DISPUTE = Dispute(
    status=DisputeStatus.OPEN,
    amount=Decimal("1500.00"),
    currency="INR",
    reason="fraudulent",
    open_time=datetime(2026, 12, 1, 8, 0, tzinfo=UTC),
    close_time=None,
    processor_reference="dp_1",
)
EVENT = PaymentEvent(
    type=PaymentEventType.CHARGED,
    event_time=datetime(2026, 11, 28, 12, 30, tzinfo=UTC),
    payment=PAYMENT,
    refund=None,
    caller="shop",
    request_id="order-342",
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
    payment = replace(PAYMENT, amount=amount, currency=None if amount is None else "INR")

    print_event(replace(EVENT, payment=payment, request_id=request_id))

    assert capsys.readouterr().out == f"2026-11-28 12:30:00  CHARGED          payment 7  {end}"


def test_the_line_of_a_failure_ends_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    payment = replace(PAYMENT, status=PaymentStatus.FAILED, failure=Failure.INSUFFICIENT_FUNDS)
    print_event(replace(EVENT, type=PaymentEventType.FAILED, payment=payment))
    assert capsys.readouterr().out.endswith("  shop  order-342  INSUFFICIENT_FUNDS\n")

    print_event(replace(EVENT, type=PaymentEventType.REFUND_FAILED, refund=REFUND))
    assert capsys.readouterr().out.endswith("  2.500 INR  shop  order-342  DECLINED\n")


def test_the_line_of_a_required_approval_ends_with_the_next_action_but_not_with_its_url(
    capsys: pytest.CaptureFixture[str],
) -> None:
    payment = replace(PAYMENT, status=PaymentStatus.PENDING, next_action=APPROVAL)
    print_event(replace(EVENT, type=PaymentEventType.ACTION_REQUIRED, payment=payment))
    assert capsys.readouterr().out.endswith("  shop  order-342  REDIRECT by 2026-11-28 12:35:00\n")

    for event in (
        replace(EVENT, type=PaymentEventType.ACTION_REQUIRED),
        replace(EVENT, type=PaymentEventType.PENDING, payment=payment),
    ):
        print_event(event)
        assert capsys.readouterr().out.endswith("  1,561.00 INR  shop  order-342\n"), event.type


@pytest.mark.parametrize("status", ["OPENED", "WON", "LOST"])
def test_the_line_of_a_dispute_has_its_amount_reference_and_reason(
    capsys: pytest.CaptureFixture[str], status: str
) -> None:
    event = replace(EVENT, type=PaymentEventType(f"DISPUTE_{status}"), payment=replace(PAYMENT, dispute=DISPUTE))
    print_event(event)
    assert capsys.readouterr().out.endswith("  1,500.00 INR  shop  order-342  dp_1 fraudulent\n")

    dispute = replace(DISPUTE, amount=None, currency=None, reason="")
    print_event(replace(event, payment=replace(PAYMENT, dispute=dispute)))
    assert capsys.readouterr().out.endswith("  order 342    shop  order-342  dp_1\n")


def test_the_line_of_another_event_of_a_disputed_payment_does_not_have_the_dispute(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_event(replace(EVENT, payment=replace(PAYMENT, dispute=DISPUTE)))
    assert capsys.readouterr().out.endswith("  1,561.00 INR  shop  order-342\n")


@pytest.mark.parametrize(
    ("order_id", "external_reference", "shown"),
    [(342, "", "342"), (342, "ORD-1", "342 ORD-1"), (0, "ORD-1", "ORD-1"), (0, "", "0")],
)
def test_an_order_is_shown_by_its_id_and_the_callers_name_of_it(
    capsys: pytest.CaptureFixture[str], order_id: int, external_reference: str, shown: str
) -> None:
    payment = replace(PAYMENT, order_id=order_id, external_reference=external_reference)

    print_payments([payment])
    assert f"  {shown} " in capsys.readouterr().out

    print_event(replace(EVENT, payment=payment))
    assert f"  order {shown} " in capsys.readouterr().out


def test_a_failed_payment_and_a_failed_refund_are_shown_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    print_payments([replace(PAYMENT, status=PaymentStatus.FAILED, failure=Failure.INSUFFICIENT_FUNDS), PAYMENT])
    print_refunds([REFUND])

    out = capsys.readouterr().out
    assert " FAILED: INSUFFICIENT_FUNDS " in out
    assert " SUCCEEDED " in out
    assert " FAILED: DECLINED " in out


def test_a_payment_that_waits_for_an_approval_is_shown_with_its_next_action(capsys: pytest.CaptureFixture[str]) -> None:
    payment = replace(PAYMENT, status=PaymentStatus.PENDING, next_action=APPROVAL)
    print_payment(payment)
    out = capsys.readouterr().out
    assert " PENDING: REDIRECT " in out
    sentence = "The payer must approve payment 7 in a browser by 2026-11-28 12:35:00 UTC: "
    assert out.endswith(f"{sentence}{APPROVAL.redirect_url}\n"), "the URL is not cut off"

    print_payments([payment])
    assert "bank.example" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        (
            NextActionType.APPROVE_ON_PHONE,
            "The payer must approve payment 7 on the phone by 2026-11-28 12:35:00 UTC.",
        ),
        (NextActionType.REDIRECT, "The payer must approve payment 7 in a browser by 2026-11-28 12:35:00 UTC."),
        (NextActionType.UNKNOWN, "The payer must approve payment 7 by 2026-11-28 12:35:00 UTC."),
    ],
)
def test_a_next_action_without_a_url_is_shown(
    capsys: pytest.CaptureFixture[str], kind: NextActionType, sentence: str
) -> None:
    action = replace(APPROVAL, type=kind, redirect_url="")
    print_payment(replace(PAYMENT, status=PaymentStatus.PENDING, next_action=action))
    out = capsys.readouterr().out
    assert f" PENDING: {kind} " in out
    assert out.endswith(f"\n{sentence}\n")


def test_control_characters_in_a_redirect_url_are_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    print_payment(replace(PAYMENT, next_action=replace(APPROVAL, redirect_url="https://a\x1b[2J")))
    assert capsys.readouterr().out.endswith(" https://a\N{REPLACEMENT CHARACTER}[2J\n")


def test_a_disputed_payment_is_shown_with_its_dispute(capsys: pytest.CaptureFixture[str]) -> None:
    lost = replace(DISPUTE, status=DisputeStatus.LOST, close_time=datetime(2026, 12, 24, 9, 30, tzinfo=UTC))
    print_payment(replace(PAYMENT, dispute=lost))
    out = capsys.readouterr().out
    assert " SUCCEEDED, dispute LOST " in out
    (row,) = (line for line in out.splitlines() if "dp_1" in line)
    expected = ["dp_1", "7", "1,500.00", "INR", "LOST", "fraudulent"]
    assert row.split() == [*expected, "2026-12-01", "08:00:00", "2026-12-24", "09:30:00"]

    print_payments([replace(PAYMENT, dispute=DISPUTE)])
    out = capsys.readouterr().out
    assert " SUCCEEDED, dispute OPEN " in out
    assert "dp_1" not in out


def test_json_has_every_field_of_a_payment(capsys: pytest.CaptureFixture[str]) -> None:
    print_json(
        replace(
            PAYMENT,
            caller="shop",
            request_id="order-342",
            processor_reference="pi_1",
            failure=Failure.DECLINED,
            failure_code="declined",
            external_reference="ORD-1",
            customer_id="customer-7",
            labels={"channel": "web"},
            next_action=APPROVAL,
            dispute=DISPUTE,
        )
    )

    printed = json.loads(capsys.readouterr().out)
    assert printed == {
        "payment_id": 7,
        "order_id": 342,
        "amount": "1561.00",
        "currency": "INR",
        "method": "UPI",
        "other_method": "",
        "status": "SUCCEEDED",
        "reference": "",
        "create_time": None,
        "refunded_amount": None,
        "refund_state": "NONE",
        "caller": "shop",
        "request_id": "order-342",
        "processor_reference": "pi_1",
        "failure": "DECLINED",
        "failure_code": "declined",
        "external_reference": "ORD-1",
        "customer_id": "customer-7",
        "labels": {"channel": "web"},
        "next_action": {
            "type": "REDIRECT",
            "redirect_url": APPROVAL.redirect_url,
            "expire_time": "2026-11-28T12:35:00Z",
        },
        "dispute": {
            "status": "OPEN",
            "amount": "1500.00",
            "currency": "INR",
            "reason": "fraudulent",
            "open_time": "2026-12-01T08:00:00Z",
            "close_time": None,
            "processor_reference": "dp_1",
        },
    }


def test_json_of_a_payment_without_names_has_empty_ones(capsys: pytest.CaptureFixture[str]) -> None:
    print_json(PAYMENT)

    printed = json.loads(capsys.readouterr().out)
    assert (printed["labels"], printed["failure"], printed["external_reference"]) == ({}, None, "")
    assert (printed["next_action"], printed["dispute"]) == (None, None)
