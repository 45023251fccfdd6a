"""The contract of Charge."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from google.type.money_pb2 import Money
from payments_client.v1 import payments_pb2 as pb

from tests.support.drivers.calls import CallFailed, Driver
from tests.support.drivers.requests import FAILING, SUCCEEDING, amount_of, charge, money, new_order_id, new_request_id


def count_payments(api: Driver, order_id: int) -> int:
    request = pb.ListPaymentsRequest(filter=pb.PaymentFilter(order_id=order_id), include_total_size=True)
    return api.list_payments(request).total_size


def test_a_charge_is_stored_as_a_payment_with_all_its_parameters(api: Driver) -> None:
    order_id = new_order_id()
    before = datetime.now(UTC)
    payment = api.charge(charge(order_id, "561.25")).payment
    assert payment.payment_id > 0
    assert payment.order_id == order_id
    assert payment.amount == Money(currency_code="INR", units=561, nanos=250_000_000)
    assert payment.method == SUCCEEDING
    assert payment.other_method == ""
    assert payment.status == pb.PAYMENT_STATUS_SUCCEEDED
    assert payment.refund_state == pb.REFUND_STATE_NONE
    assert payment.refunded_amount == Money(currency_code="INR")
    created = payment.create_time.ToDatetime(UTC)
    assert before - timedelta(seconds=5) < created < datetime.now(UTC) + timedelta(seconds=5)
    assert api.get_payment(pb.GetPaymentRequest(payment_id=payment.payment_id)).payment == payment


@pytest.mark.legacy
def test_a_reference_is_a_prefix_the_date_and_at_least_six_characters(api: Driver) -> None:
    references = {api.charge(charge()).payment.reference for _ in range(20)}
    assert len(references) == 20
    for reference in references:
        assert re.fullmatch(r"ECI\d{8}-[0-9A-Z]{6,}", reference)
        day = datetime.strptime(reference[3:11], "%Y%m%d").replace(tzinfo=UTC)
        assert abs(datetime.now(UTC) - day) < timedelta(days=2)


def test_a_declined_charge_is_stored_as_a_failed_payment_and_is_not_an_error(api: Driver) -> None:
    payment = api.charge(charge(method=FAILING)).payment
    assert payment.status == pb.PAYMENT_STATUS_FAILED
    assert api.get_payment(pb.GetPaymentRequest(payment_id=payment.payment_id)).payment == payment


@pytest.mark.legacy
def test_the_processor_picks_one_of_three_methods_when_none_is_requested(api: Driver) -> None:
    picked = {api.charge(charge(method=pb.PAYMENT_METHOD_UNSPECIFIED)).payment.method for _ in range(60)}
    assert picked == {pb.PAYMENT_METHOD_UPI, pb.PAYMENT_METHOD_CARD, pb.PAYMENT_METHOD_COD}


@pytest.mark.parametrize(
    ("amount", "currency"),
    [("0.01", ""), ("99999999.99", ""), ("0.01", "INR"), ("12.34", "USD"), ("1200", "JPY"), ("99999999", "JPY")],
)
@pytest.mark.legacy
def test_an_amount_is_returned_unchanged(api: Driver, amount: str, currency: str) -> None:
    payment = api.charge(charge(amount=amount, currency=currency)).payment
    assert payment.amount == money(amount, currency or "INR")
    assert api.get_payment(pb.GetPaymentRequest(payment_id=payment.payment_id)).payment.amount == payment.amount


@pytest.mark.legacy
def test_the_largest_order_id_is_stored(api: Driver) -> None:
    largest = 2**63 - 1
    assert api.charge(charge(largest)).payment.order_id == largest


@pytest.mark.legacy
def test_the_same_request_id_returns_the_first_payment_and_charges_once(api: Driver) -> None:
    request = charge(method=pb.PAYMENT_METHOD_UNSPECIFIED, request_id=new_request_id())
    first = api.charge(request)
    assert [api.charge(request) for _ in range(5)] == [first] * 5
    assert count_payments(api, request.order_id) == 1


@pytest.mark.legacy
def test_a_replayed_charge_returns_the_current_state_of_the_payment(api: Driver) -> None:
    request = charge(request_id=new_request_id())
    payment = api.charge(request).payment
    api.refund(pb.RefundRequest(payment_id=payment.payment_id))
    again = api.charge(request).payment
    assert again.payment_id == payment.payment_id
    assert again.refund_state == pb.REFUND_STATE_FULL


@pytest.mark.legacy
def test_an_empty_currency_is_the_same_parameter_as_the_default_currency(api: Driver) -> None:
    request_id = new_request_id()
    request = charge(request_id=request_id)
    payment = api.charge(request).payment
    assert api.charge(charge(request.order_id, currency="INR", request_id=request_id)).payment == payment


@pytest.mark.parametrize(
    "change",
    [
        pb.ChargeRequest(order_id=1),
        pb.ChargeRequest(amount=money("0.01")),
        pb.ChargeRequest(amount=Money(currency_code="USD")),
        pb.ChargeRequest(method=pb.PAYMENT_METHOD_COD),
    ],
    ids=["order", "amount", "currency", "method"],
)
@pytest.mark.legacy
def test_the_same_request_id_with_another_parameter_is_rejected(api: Driver, change: pb.ChargeRequest) -> None:
    request = charge(request_id=new_request_id())
    api.charge(request)
    changed = pb.ChargeRequest()
    changed.CopyFrom(request)
    changed.MergeFrom(change)
    with pytest.raises(CallFailed) as failed:
        api.charge(changed)
    assert (failed.value.code, failed.value.reason) == ("ALREADY_EXISTS", "REQUEST_ID_REUSED")
    assert count_payments(api, request.order_id) == 1


def test_a_method_picked_by_the_processor_is_not_a_parameter_of_the_request(api: Driver) -> None:
    request = charge(method=pb.PAYMENT_METHOD_UNSPECIFIED, request_id=new_request_id())
    picked = api.charge(request).payment.method
    request.method = picked
    with pytest.raises(CallFailed) as failed:
        api.charge(request)
    assert failed.value.reason == "REQUEST_ID_REUSED"


def test_request_ids_are_compared_byte_for_byte(api: Driver) -> None:
    request_id = new_request_id()
    variants = [request_id + "a", request_id + "A", request_id + "a ", " " + request_id + "a"]
    payments = {api.charge(charge(request_id=variant)).payment.payment_id for variant in variants}
    assert len(payments) == len(variants)


@pytest.mark.legacy
def test_the_longest_request_id_is_stored_in_full(api: Driver) -> None:
    stem = new_request_id().ljust(254, "~")
    first = api.charge(charge(request_id=stem + "1")).payment
    second = api.charge(charge(request_id=stem + "2")).payment
    assert first.payment_id != second.payment_id


@pytest.mark.legacy
def test_each_call_without_a_request_id_is_a_new_charge(api: Driver) -> None:
    request = charge()
    assert api.charge(request).payment.payment_id != api.charge(request).payment.payment_id
    assert count_payments(api, request.order_id) == 2


def test_a_charge_and_a_refund_can_have_the_same_request_id(api: Driver) -> None:
    request_id = new_request_id()
    payment = api.charge(charge(request_id=request_id)).payment
    refunded = api.refund(pb.RefundRequest(payment_id=payment.payment_id, request_id=request_id))
    assert amount_of(refunded.refund.amount) == 561


INVALID_CHARGES = [
    ("no amount", pb.ChargeRequest(order_id=7), ["amount"]),
    ("zero", charge(7, "0"), ["amount"]),
    ("negative", charge(7, "-1"), ["amount"]),
    ("negative paisa", charge(7, "-0.01"), ["amount"]),
    ("more precise than a paisa", charge(7, "1.001"), ["amount.nanos"]),
    ("more precise than a yen", charge(7, "1.5", "JPY"), ["amount.nanos"]),
    ("a billionth", charge(7, "0.000000001"), ["amount.nanos"]),
    ("too large", charge(7, "10000000000000.00"), ["amount.units"]),
    ("far too large", pb.ChargeRequest(order_id=7, amount=Money(units=2**63 - 1)), ["amount.units"]),
    ("far too negative", pb.ChargeRequest(order_id=7, amount=Money(units=-(2**63))), ["amount.units"]),
    ("two signs", pb.ChargeRequest(order_id=7, amount=Money(units=5, nanos=-500_000_000)), ["amount.nanos"]),
    ("two signs, negative", pb.ChargeRequest(order_id=7, amount=Money(units=-5, nanos=1)), ["amount.nanos"]),
    ("a whole unit of nanos", pb.ChargeRequest(order_id=7, amount=Money(nanos=10**9)), ["amount.nanos"]),
    ("unknown currency", charge(7, "1", "ZZZ"), ["amount.currency_code"]),
    ("currency not allowed", charge(7, "1", "CHF"), ["amount.currency_code"]),
    ("currency in lower case", charge(7, "1", "inr"), ["amount.currency_code"]),
    ("currency NaN", charge(7, "1", "NaN"), ["amount.currency_code"]),
    ("no order", pb.ChargeRequest(amount=money(1)), ["order_id"]),
    ("order zero", charge(0), ["order_id"]),
    ("negative order", charge(-5), ["order_id"]),
    ("method OTHER", charge(7, method=pb.PAYMENT_METHOD_OTHER), ["method"]),
    ("unknown method", charge(7, method=99), ["method"]),  # type: ignore[arg-type]
    ("negative method", charge(7, method=-1), ["method"]),  # type: ignore[arg-type]
    ("empty request_id", charge(7, request_id=""), ["request_id"]),
    ("request_id too long", charge(7, request_id="x" * 256), ["request_id"]),
    ("request_id not ASCII", charge(7, request_id="caf\u00e9"), ["request_id"]),
    ("request_id with a control character", charge(7, request_id="a\nb"), ["request_id"]),
    (
        "everything at once",
        pb.ChargeRequest(amount=Money(currency_code="XYZ"), method=99, request_id=""),  # type: ignore[arg-type]
        ["order_id", "amount.currency_code", "method", "request_id"],
    ),
]


@pytest.mark.parametrize(("_", "message", "fields"), INVALID_CHARGES, ids=[case[0] for case in INVALID_CHARGES])
def test_an_invalid_charge_is_rejected_with_its_fields_named_and_stores_nothing(
    api: Driver, _: str, message: pb.ChargeRequest, fields: list[str]
) -> None:
    def newest() -> int:
        page = api.list_payments(pb.ListPaymentsRequest(page_size=1))
        return page.payments[0].payment_id if page.payments else 0

    before = newest()
    with pytest.raises(CallFailed) as failed:
        api.charge(message)
    assert (failed.value.code, failed.value.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert failed.value.fields == fields
    assert all(text.startswith("must ") or text == "is required" for text in failed.value.descriptions)
    assert newest() == before
