"""The contract of GetPayment."""

import pytest
from payments_client.v1 import payments_pb2 as pb

from tests.support.drivers.calls import CallFailed, Driver
from tests.support.drivers.requests import charge, refund


def test_a_payment_is_found_by_its_id_or_its_reference(api: Driver) -> None:
    payment = api.charge(charge()).payment
    by_id = api.get_payment(pb.GetPaymentRequest(payment_id=payment.payment_id))
    by_reference = api.get_payment(pb.GetPaymentRequest(reference=payment.reference))
    assert by_id == by_reference == pb.GetPaymentResponse(payment=payment)


def test_a_payment_is_returned_with_its_refunds_oldest_first(api: Driver) -> None:
    payment = api.charge(charge(amount="10.00")).payment
    refunds = [api.refund(refund(payment.payment_id, amount)).refund for amount in ("1.00", "2.00", "3.00")]
    for key in (pb.GetPaymentRequest(payment_id=payment.payment_id), pb.GetPaymentRequest(reference=payment.reference)):
        assert list(api.get_payment(key).refunds) == refunds


def test_references_are_compared_exactly(api: Driver) -> None:
    payment = api.charge(charge()).payment
    for other in (payment.reference.lower(), payment.reference + " ", " " + payment.reference):
        with pytest.raises(CallFailed) as failed:
            api.get_payment(pb.GetPaymentRequest(reference=other))
        assert failed.value.code == "NOT_FOUND"
        matching = pb.ListPaymentsRequest(filter=pb.PaymentFilter(reference=other))
        assert not api.list_payments(matching).payments


@pytest.mark.parametrize(
    "request_",
    [
        pb.GetPaymentRequest(payment_id=2**63 - 1),
        pb.GetPaymentRequest(reference="ECI20250910-NONE00"),
        pb.GetPaymentRequest(reference="' OR 1=1 --"),
    ],
    ids=["id", "reference", "SQL"],
)
def test_an_unknown_payment_is_not_found(api: Driver, request_: pb.GetPaymentRequest) -> None:
    with pytest.raises(CallFailed) as failed:
        api.get_payment(request_)
    assert (failed.value.code, failed.value.reason) == ("NOT_FOUND", "PAYMENT_NOT_FOUND")


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.GetPaymentRequest(), "key"),
        (pb.GetPaymentRequest(payment_id=0), "payment_id"),
        (pb.GetPaymentRequest(payment_id=-1), "payment_id"),
        (pb.GetPaymentRequest(reference=""), "reference"),
        (pb.GetPaymentRequest(reference="x" * 101), "reference"),
    ],
)
def test_an_invalid_key_is_rejected_with_its_field_named(
    api: Driver, request_: pb.GetPaymentRequest, field: str
) -> None:
    with pytest.raises(CallFailed) as failed:
        api.get_payment(request_)
    assert failed.value.code == "INVALID_ARGUMENT"
    assert failed.value.fields == [field]
