"""The contract of Refund."""

from decimal import Decimal

import pytest
from google.type.money_pb2 import Money
from payments_client.v1 import payments_pb2 as pb

from tests.support.drivers.calls import CallFailed, Driver
from tests.support.drivers.requests import FAILING, amount_of, charge, money, new_request_id, refund


@pytest.fixture
def payment(api: Driver) -> pb.Payment:
    """A successful payment of 100.00 INR."""
    return api.charge(charge(amount="100.00")).payment


def refund_amounts(api: Driver, payment: pb.Payment) -> list[Decimal]:
    details = api.get_payment(pb.GetPaymentRequest(payment_id=payment.payment_id))
    return [amount_of(refund.amount) for refund in details.refunds]


def test_a_refund_without_an_amount_refunds_the_whole_payment(api: Driver, payment: pb.Payment) -> None:
    response = api.refund(refund(payment.payment_id, reason="lost in the post"))
    assert response.refund.refund_id > 0
    assert response.refund.payment_id == payment.payment_id
    assert response.refund.amount == payment.amount
    assert response.refund.status == pb.REFUND_STATUS_SUCCEEDED
    assert response.refund.reason == "lost in the post"
    assert response.refund.create_time.seconds >= payment.create_time.seconds
    assert response.payment.refund_state == pb.REFUND_STATE_FULL
    assert response.payment.refunded_amount == payment.amount
    assert api.get_payment(pb.GetPaymentRequest(payment_id=payment.payment_id)) == pb.GetPaymentResponse(
        payment=response.payment, refunds=[response.refund]
    )


def test_partial_refunds_add_up_until_nothing_remains(api: Driver, payment: pb.Payment) -> None:
    first = api.refund(refund(payment.payment_id, "30.00"))
    assert first.payment.refund_state == pb.REFUND_STATE_PARTIAL
    assert amount_of(first.payment.refunded_amount) == 30
    second = api.refund(refund(payment.payment_id, "69.99"))
    assert second.payment.refund_state == pb.REFUND_STATE_PARTIAL
    last = api.refund(refund(payment.payment_id))
    assert amount_of(last.refund.amount) == Decimal("0.01")
    assert last.payment.refund_state == pb.REFUND_STATE_FULL
    assert refund_amounts(api, payment) == [Decimal(30), Decimal("69.99"), Decimal("0.01")]


@pytest.mark.parametrize(("refunded", "requested"), [("0.01", "100.00"), ("50.00", "50.01"), ("100.00", "0.01")])
def test_a_refund_above_the_remaining_amount_is_rejected(
    api: Driver, payment: pb.Payment, refunded: str, requested: str
) -> None:
    api.refund(refund(payment.payment_id, refunded))
    with pytest.raises(CallFailed) as failed:
        api.refund(refund(payment.payment_id, requested))
    assert (failed.value.code, failed.value.reason) == ("FAILED_PRECONDITION", "REFUND_EXCEEDS_PAYMENT")
    assert refund_amounts(api, payment) == [Decimal(refunded)]


def test_repeating_a_full_refund_returns_the_same_response(api: Driver, payment: pb.Payment) -> None:
    first = api.refund(refund(payment.payment_id))
    assert api.refund(refund(payment.payment_id)) == first
    assert api.refund(refund(payment.payment_id, "100.00")) == first
    assert refund_amounts(api, payment) == [Decimal(100)]


def test_a_fully_refunded_payment_rejects_a_refund_with_a_new_request_id(api: Driver, payment: pb.Payment) -> None:
    api.refund(refund(payment.payment_id))
    with pytest.raises(CallFailed) as failed:
        api.refund(refund(payment.payment_id, request_id=new_request_id()))
    assert failed.value.reason == "REFUND_EXCEEDS_PAYMENT"


def test_the_same_request_id_refunds_once(api: Driver, payment: pb.Payment) -> None:
    request = refund(payment.payment_id, "10.00", "damaged", new_request_id())
    first = api.refund(request)
    assert [api.refund(request) for _ in range(3)] == [first] * 3
    assert refund_amounts(api, payment) == [Decimal(10)]


def test_a_replayed_refund_returns_the_current_state_of_the_payment(api: Driver, payment: pb.Payment) -> None:
    request = refund(payment.payment_id, "10.00", request_id=new_request_id())
    first = api.refund(request)
    api.refund(refund(payment.payment_id))
    again = api.refund(request)
    assert again.refund == first.refund
    assert again.payment.refund_state == pb.REFUND_STATE_FULL


@pytest.mark.parametrize("change", ["amount", "no amount", "reason", "payment"])
def test_the_same_request_id_with_another_parameter_is_rejected(api: Driver, payment: pb.Payment, change: str) -> None:
    request = refund(payment.payment_id, "10.00", "damaged", new_request_id())
    api.refund(request)
    match change:
        case "amount":
            request.amount.CopyFrom(money("10.01"))
        case "no amount":
            request.ClearField("amount")
        case "reason":
            request.reason = "Damaged"
        case "payment":
            request.payment_id = api.charge(charge()).payment.payment_id
    with pytest.raises(CallFailed) as failed:
        api.refund(request)
    assert (failed.value.code, failed.value.reason) == ("ALREADY_EXISTS", "REQUEST_ID_REUSED")
    assert refund_amounts(api, payment) == [Decimal(10)]


def test_a_refund_without_an_amount_differs_from_one_with_the_whole_amount(api: Driver, payment: pb.Payment) -> None:
    request = refund(payment.payment_id, request_id=new_request_id())
    api.refund(request)
    request.amount.CopyFrom(money("100.00"))
    with pytest.raises(CallFailed) as failed:
        api.refund(request)
    assert failed.value.reason == "REQUEST_ID_REUSED"


def test_a_failed_payment_cannot_be_refunded(api: Driver) -> None:
    failed_payment = api.charge(charge(method=FAILING)).payment
    with pytest.raises(CallFailed) as failed:
        api.refund(refund(failed_payment.payment_id))
    assert (failed.value.code, failed.value.reason) == ("FAILED_PRECONDITION", "PAYMENT_FAILED")


@pytest.mark.legacy
def test_an_unknown_payment_cannot_be_refunded(api: Driver) -> None:
    with pytest.raises(CallFailed) as failed:
        api.refund(refund(2**62))
    assert (failed.value.code, failed.value.reason) == ("NOT_FOUND", "PAYMENT_NOT_FOUND")


def test_a_refund_must_have_the_currency_of_its_payment(api: Driver) -> None:
    payment = api.charge(charge(amount="10.00", currency="USD")).payment
    with pytest.raises(CallFailed) as failed:
        api.refund(refund(payment.payment_id, "1.00"))
    assert failed.value.fields == ["amount.currency_code"]
    response = api.refund(pb.RefundRequest(payment_id=payment.payment_id, amount=money("1.00", "USD")))
    assert response.payment.refunded_amount == money("1.00", "USD")


def test_a_reason_can_be_in_any_script(api: Driver, payment: pb.Payment) -> None:
    reason = "\u0917\u0932\u0924 \u0906\u0930\u094d\u0921\u0930 \U0001f4e6 'quoted' \\ %s; --"
    assert api.refund(refund(payment.payment_id, reason=reason)).refund.reason == reason
    assert api.get_payment(pb.GetPaymentRequest(payment_id=payment.payment_id)).refunds[0].reason == reason


INVALID_REFUNDS = [
    ("no payment", pb.RefundRequest(), ["payment_id"]),
    ("negative payment", refund(-1), ["payment_id"]),
    ("zero", refund(1, "0"), ["amount"]),
    ("negative", refund(1, "-5"), ["amount"]),
    ("too precise", refund(1, "0.001"), ["amount.nanos"]),
    ("too large", refund(1, "10000000000000"), ["amount.units"]),
    ("unknown currency", pb.RefundRequest(payment_id=1, amount=money(1, "rupees")), ["amount.currency_code"]),
    ("two signs", pb.RefundRequest(payment_id=1, amount=Money(units=1, nanos=-1)), ["amount.nanos"]),
    ("reason too long", refund(1, reason="x" * 256), ["reason"]),
    ("reason with a control character", refund(1, reason="a\x00b"), ["reason"]),
    ("empty request_id", refund(1, request_id=""), ["request_id"]),
]


@pytest.mark.parametrize(("_", "message", "fields"), INVALID_REFUNDS, ids=[case[0] for case in INVALID_REFUNDS])
def test_an_invalid_refund_is_rejected_with_its_fields_named(
    api: Driver, _: str, message: pb.RefundRequest, fields: list[str]
) -> None:
    with pytest.raises(CallFailed) as failed:
        api.refund(message)
    assert (failed.value.code, failed.value.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert failed.value.fields == fields
