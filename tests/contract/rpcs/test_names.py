"""The caller's own names of a payment: external references, customers and labels."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from payments_client.v1 import payments_pb2 as pb

from tests.support.drivers.calls import CallFailed, Driver
from tests.support.drivers.requests import charge, new_request_id, refund

LABELS = {"channel": "web", "note": "", "Gr\u00f6\u00dfe": "\U0001f45f 42"}


def found(api: Driver, **conditions: Any) -> list[int]:  # noqa: ANN401 - of any field
    listed = api.list_payments(pb.ListPaymentsRequest(filter=pb.PaymentFilter(**conditions), order_by="create_time"))
    return [payment.payment_id for payment in listed.payments]


@pytest.mark.parametrize(
    "name",
    ["ORD-7", "  two spaces  ", "\u0928\u092e\u0938\u094d\u0924\u0947", "a/b?c=d&e%20f", "x" * 100, "' OR 1=1 --"],
)
def test_names_are_returned_and_found_exactly_and_at_once(api: Driver, name: str) -> None:
    external_reference, customer = f"{name[:80]}{new_request_id()}"[:100], f"{new_request_id()}{name}"[:100]
    payment = api.charge(charge(external_reference=external_reference, customer_id=customer, labels=LABELS)).payment
    assert (payment.external_reference, payment.customer_id, dict(payment.labels)) == (
        external_reference,
        customer,
        LABELS,
    )
    assert api.get_payment(pb.GetPaymentRequest(payment_id=payment.payment_id)).payment == payment
    assert found(api, external_reference=external_reference) == found(api, customer_id=customer) == [payment.payment_id]
    for other in (external_reference + " ", external_reference.swapcase(), external_reference[:-1] or "x"):
        if other != external_reference and len(other) <= 100:
            assert found(api, external_reference=other) == []


def test_a_name_need_not_be_unique_and_its_payments_are_paged_in_order(api: Driver) -> None:
    customer = new_request_id()
    ids = [api.charge(charge(customer_id=customer)).payment.payment_id for _ in range(5)]
    request = pb.ListPaymentsRequest(filter=pb.PaymentFilter(customer_id=customer), page_size=2)
    listed: list[int] = []
    while True:
        page = api.list_payments(request)
        listed += [payment.payment_id for payment in page.payments]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert listed == ids[::-1]


def test_the_page_token_of_one_customer_is_rejected_for_another(api: Driver) -> None:
    customer = new_request_id()
    for _ in range(2):
        api.charge(charge(customer_id=customer))
    request = pb.ListPaymentsRequest(filter=pb.PaymentFilter(customer_id=customer), page_size=1)
    request.page_token = api.list_payments(request).next_page_token
    request.filter.customer_id = new_request_id()
    with pytest.raises(CallFailed) as failed:
        api.list_payments(request)
    assert failed.value.fields == ["page_token"]


def test_an_order_may_have_only_an_external_reference(api: Driver) -> None:
    reference = new_request_id()
    payment = api.charge(charge(0, external_reference=reference)).payment
    assert (payment.order_id, payment.external_reference) == (0, reference)
    assert found(api, external_reference=reference) == [payment.payment_id]
    assert api.refund(refund(payment.payment_id)).payment.external_reference == reference


@pytest.mark.parametrize(
    ("fields", "violations"),
    [
        ({"order_id": 0}, ["order_id"]),
        ({"order_id": -1, "external_reference": "ORD-7"}, ["order_id"]),
        ({"external_reference": "x" * 101}, ["external_reference"]),
        ({"external_reference": "a\0b"}, ["external_reference"]),
        ({"customer_id": "x" * 101}, ["customer_id"]),
        ({"customer_id": "line\nline"}, ["customer_id"]),
        ({"labels": {f"key {number}": "" for number in range(17)}}, ["labels"]),
        ({"labels": {"": "empty key"}}, ["labels"]),
        ({"labels": {"k" * 41: ""}}, ["labels"]),
        ({"labels": {"k\t": ""}}, ["labels"]),
        ({"labels": {"k": "v" * 101}}, ["labels"]),
        ({"labels": {"k": "\x7f"}}, ["labels"]),
        (
            {"external_reference": "\0", "customer_id": "\0", "labels": {"": ""}},
            ["external_reference", "customer_id", "labels"],
        ),
    ],
)
def test_invalid_names_are_rejected_and_nothing_is_stored(
    api: Driver, fields: dict[str, Any], violations: list[str]
) -> None:
    request_id = new_request_id()
    with pytest.raises(CallFailed) as failed:
        api.charge(charge(request_id=request_id, **fields))
    assert (failed.value.code, failed.value.fields) == ("INVALID_ARGUMENT", violations)
    with pytest.raises(CallFailed, match="not found"):
        api.get_payment(pb.GetPaymentRequest(request_id=request_id))


@pytest.mark.parametrize("field", ["external_reference", "customer_id", "processor_reference", "caller", "request_id"])
@pytest.mark.parametrize("text", ["", "x" * 256])
def test_an_invalid_condition_is_rejected(api: Driver, field: str, text: str) -> None:
    with pytest.raises(CallFailed) as failed:
        found(api, **{field: text})
    assert failed.value.fields == [f"filter.{field}"]


def test_names_are_parameters_of_a_charge(api: Driver) -> None:
    request = charge(request_id=new_request_id(), external_reference="ORD-7", customer_id="c", labels=LABELS)
    payment = api.charge(request).payment
    assert api.charge(request).payment == payment
    for field, value in (("external_reference", "ORD-8"), ("customer_id", ""), ("payment_source", "sim_success")):
        changed = pb.ChargeRequest()
        changed.CopyFrom(request)
        setattr(changed, field, value)
        with pytest.raises(CallFailed) as failed:
            api.charge(changed)
        assert failed.value.reason == "REQUEST_ID_REUSED"
    del request.labels["note"]
    with pytest.raises(CallFailed) as failed:
        api.charge(request)
    assert failed.value.reason == "REQUEST_ID_REUSED"


# One charge at a time


def test_an_order_with_a_pending_payment_is_not_charged_again(api: Driver) -> None:
    first = charge(payment_source="sim_pending_5s", request_id=new_request_id(), unless_pending=True)
    pending = api.charge(first).payment
    assert pending.status == pb.PAYMENT_STATUS_PENDING
    with pytest.raises(CallFailed) as failed:
        api.charge(charge(first.order_id, payment_source="sim_success", unless_pending=True))
    assert (failed.value.code, failed.value.reason) == ("FAILED_PRECONDITION", "ORDER_HAS_PENDING_PAYMENT")
    assert failed.value.metadata["payment_id"] == str(pending.payment_id)
    assert api.charge(first).payment.payment_id == pending.payment_id
    other = api.charge(charge(first.order_id, payment_source="sim_success")).payment
    assert other.status == pb.PAYMENT_STATUS_SUCCEEDED
    assert api.charge(charge(payment_source="sim_success", unless_pending=True)).payment.order_id != first.order_id


def test_an_order_without_a_number_is_identified_by_its_external_reference(api: Driver) -> None:
    reference = new_request_id()
    pending = api.charge(charge(0, external_reference=reference, payment_source="sim_pending_5s")).payment
    with pytest.raises(CallFailed) as failed:
        api.charge(charge(0, external_reference=reference, unless_pending=True))
    assert failed.value.metadata["payment_id"] == str(pending.payment_id)
    # The same reference of an order with a number is another order.
    assert api.charge(charge(external_reference=reference, unless_pending=True)).payment.order_id > 0


def test_of_many_concurrent_charges_only_one_becomes_pending(api: Driver) -> None:
    order_id = charge().order_id

    def attempt(_: int) -> str:
        try:
            return str(
                api.charge(charge(order_id, payment_source="sim_pending_5s", unless_pending=True)).payment.status
            )
        except CallFailed as failed:
            return failed.reason

    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(attempt, range(16)))
    assert sorted(outcomes) == sorted([str(pb.PAYMENT_STATUS_PENDING), *["ORDER_HAS_PENDING_PAYMENT"] * 15])
    assert len(found(api, order_id=order_id)) == 1


def test_a_batch_reports_the_pending_payment_of_each_charge(api: Driver) -> None:
    order_id = charge().order_id
    charges = [charge(order_id, payment_source="sim_pending_5s", unless_pending=True) for _ in range(2)]
    charges.append(charge(order_id, payment_source="sim_success"))
    first, second, third = api.batch_charge(pb.BatchChargeRequest(charges=charges)).results
    assert first.payment.status == pb.PAYMENT_STATUS_PENDING
    assert second.error.code == 9
    assert third.payment.status == pb.PAYMENT_STATUS_SUCCEEDED
