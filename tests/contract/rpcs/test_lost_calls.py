"""What became of a charge whose response was lost: look it up by its request_id."""

import pytest
from payments_client.v1 import payments_pb2 as pb

from tests.support.drivers.calls import CallFailed, Driver
from tests.support.drivers.requests import charge, new_request_id, refund


def by_request_id(request_id: str, caller: str = "") -> pb.GetPaymentRequest:
    return pb.GetPaymentRequest(request_id=request_id, caller=caller)


@pytest.mark.parametrize("suffix", ["", "/a b?c=%20&d#e", ";,+~", "x" * 239])
def test_a_payment_is_found_by_the_request_id_of_its_charge(api: Driver, suffix: str) -> None:
    request_id = new_request_id() + suffix
    payment = api.charge(charge(request_id=request_id)).payment
    assert (payment.caller, payment.request_id) == ("anonymous", request_id)
    for caller in ("", "anonymous"):
        assert api.get_payment(by_request_id(request_id, caller)).payment == payment
    listed = api.list_payments(pb.ListPaymentsRequest(filter=pb.PaymentFilter(request_id=request_id)))
    assert list(listed.payments) == [payment]


def test_a_generated_request_id_finds_its_payment_too(api: Driver) -> None:
    payment = api.charge(charge()).payment
    assert api.get_payment(by_request_id(payment.request_id)).payment == payment


def test_a_refund_has_its_own_request_id(api: Driver) -> None:
    payment, request_id = api.charge(charge()).payment, new_request_id()
    refunded = api.refund(refund(payment.payment_id, request_id=request_id)).refund
    assert (refunded.caller, refunded.request_id) == ("anonymous", request_id)
    with pytest.raises(CallFailed, match="not found"):
        api.get_payment(by_request_id(request_id))


def test_a_charge_that_was_never_stored_is_not_found(api: Driver) -> None:
    request_id = new_request_id()
    with pytest.raises(CallFailed) as failed:
        api.get_payment(by_request_id(request_id))
    assert (failed.value.code, failed.value.reason) == ("NOT_FOUND", "PAYMENT_NOT_FOUND")
    listed = api.list_payments(pb.ListPaymentsRequest(filter=pb.PaymentFilter(request_id=request_id)))
    assert not listed.payments


def test_a_caller_is_a_condition_of_lists(api: Driver) -> None:
    order_id = api.charge(charge()).payment.order_id
    for caller, count in (("anonymous", 1), ("somebody else", 0)):
        condition = pb.PaymentFilter(order_id=order_id, caller=caller)
        assert len(api.list_payments(pb.ListPaymentsRequest(filter=condition)).payments) == count


@pytest.mark.parametrize("request_id", ["", "x" * 256, "\u20b9", "a\n"])
def test_an_invalid_request_id_is_rejected(api: Driver, request_id: str) -> None:
    with pytest.raises(CallFailed) as failed:
        api.get_payment(by_request_id(request_id))
    assert (failed.value.code, failed.value.fields) == ("INVALID_ARGUMENT", ["request_id"])


@pytest.mark.parametrize("caller", [" shop", "\u20b9", "x" * 256])
def test_an_invalid_caller_is_rejected(api: Driver, caller: str) -> None:
    with pytest.raises(CallFailed) as failed:
        api.get_payment(by_request_id("order-7", caller))
    assert failed.value.fields == ["caller"]


def test_a_caller_without_a_request_id_is_rejected(api: Driver) -> None:
    payment = api.charge(charge()).payment
    for request in (
        pb.GetPaymentRequest(payment_id=payment.payment_id, caller="anonymous"),
        pb.GetPaymentRequest(reference=payment.reference, caller="anonymous"),
    ):
        with pytest.raises(CallFailed) as failed:
            api.get_payment(request)
        assert failed.value.fields == ["caller"]


def test_the_request_id_of_another_caller_cannot_be_searched_for(api: Driver) -> None:
    with pytest.raises(CallFailed) as failed:
        api.get_payment(by_request_id("order-7", "shop"))
    assert (failed.value.code, failed.value.reason) == ("PERMISSION_DENIED", "ROLE_MISSING")
    condition = pb.PaymentFilter(request_id="order-7", caller="shop")
    with pytest.raises(CallFailed) as failed:
        api.list_payments(pb.ListPaymentsRequest(filter=condition))
    assert (failed.value.code, failed.value.reason) == ("PERMISSION_DENIED", "ROLE_MISSING")
