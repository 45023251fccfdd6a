"""Lists and filters of the fake, where the conformance cases do not cover them."""

from datetime import timedelta
from decimal import Decimal

import grpc
import payments_client
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money
from payments_client import PaymentsClient, PaymentStatus
from payments_client.testing import FakePayments
from payments_client.v1 import payments_pb2 as pb
from payments_client.v1.payments_pb2_grpc import PaymentServiceStub

from tests.unit.tools.python_client_fake.conftest import NOW, Clock


def test_a_list_misses_and_repeats_nothing_while_charges_are_made(client: PaymentsClient, clock: Clock) -> None:
    for _ in range(5):
        client.charge(order_id=1, amount=Decimal(1))
        clock.advance(1)
    newest_first = client.list_payments(page_size=2)
    oldest_first = client.list_payments(page_size=2, order_by="create_time")
    seen = [next(newest_first).payment_id]
    client.charge(order_id=1, amount=Decimal(1))
    seen += [payment.payment_id for payment in newest_first]
    assert seen == [5, 4, 3, 2, 1]
    assert [payment.payment_id for payment in oldest_first] == [1, 2, 3, 4, 5, 6]


def test_a_page_token_stays_valid_if_its_payment_no_longer_matches(client: PaymentsClient, clock: Clock) -> None:
    for source in ("sim_pending_5s", "sim_timeout", "sim_timeout"):
        client.charge(order_id=1, amount=Decimal(1), payment_source=source)
    pages = client.list_payments(page_size=1, statuses=[PaymentStatus.PENDING], order_by="create_time asc")
    assert next(pages).payment_id == 1
    clock.advance(5)
    assert [payment.payment_id for payment in pages] == [2, 3]


def test_a_page_token_is_bound_to_the_filter_and_the_order(client: PaymentsClient) -> None:
    for _ in range(2):
        client.charge(order_id=1, amount=Decimal(1))
    token = client.list_payments_page(order_id=1, page_size=1).next_page_token
    assert client.list_payments_page(order_id=1, page_token=token, order_by="create_time desc").payments
    for call in (
        lambda: client.list_payments_page(order_id=2, page_token=token),
        lambda: client.list_payments_page(order_id=1, page_token=token, order_by="create_time asc"),
        lambda: client.list_payments_page(order_id=1, page_token=token + "AAAA"),
        lambda: client.list_refunds_page(payment_id=1, page_token=token),
        lambda: next(client.watch_payments(resume_token=token)),
    ):
        with pytest.raises(payments_client.InvalidRequest):
            call()


def test_a_page_token_of_another_fake_is_rejected(client: PaymentsClient) -> None:
    for _ in range(2):
        client.charge(order_id=1, amount=Decimal(1))
    token = client.list_payments_page(page_size=1).next_page_token
    with FakePayments().client() as other, pytest.raises(payments_client.InvalidRequest, match="page_token"):
        other.list_payments_page(page_token=token)


def test_times_and_amounts_are_compared_exactly(client: PaymentsClient) -> None:
    client.charge(order_id=1, amount=Decimal("10.00"))
    later = NOW + timedelta(microseconds=1)
    assert [payment.payment_id for payment in client.list_payments(min_create_time=NOW, max_create_time=NOW)] == [1]
    assert not list(client.list_payments(min_create_time=later))
    assert not list(client.list_payments(max_create_time=NOW - timedelta(microseconds=1)))
    assert list(client.list_payments(min_amount=Decimal(10), max_amount=Decimal(10), currency="INR"))
    assert not list(client.list_payments(min_amount=Decimal("10.01")))
    assert not list(client.list_payments(max_amount=Decimal("9.99")))
    assert not list(client.list_payments(min_amount=Decimal(0), currency="USD"))


@pytest.mark.parametrize(
    ("request_", "fields"),
    [
        (
            pb.PaymentFilter(min_amount=Money(units=1), max_amount=Money(units=1, currency_code="USD")),
            ["filter.max_amount.currency_code"],
        ),
        (pb.PaymentFilter(min_amount=Money(units=2), max_amount=Money(units=1)), ["filter.max_amount"]),
        (pb.PaymentFilter(min_amount=Money(units=1, nanos=1)), ["filter.min_amount.nanos"]),
        (pb.PaymentFilter(min_amount=Money(units=1, nanos=-1)), ["filter.min_amount.nanos"]),
        (pb.PaymentFilter(min_amount=Money(currency_code="XYZ")), ["filter.min_amount.currency_code"]),
        (
            pb.PaymentFilter(min_create_time=Timestamp(seconds=2), max_create_time=Timestamp(seconds=1)),
            ["filter.max_create_time"],
        ),
        (pb.PaymentFilter(min_create_time=Timestamp(seconds=2**60)), ["filter.min_create_time.seconds"]),
        (pb.PaymentFilter(max_create_time=Timestamp(nanos=-1)), ["filter.max_create_time.nanos"]),
        (pb.PaymentFilter(methods=[pb.PAYMENT_METHOD_UNSPECIFIED]), ["filter.methods"]),
        (pb.PaymentFilter(statuses=[pb.PAYMENT_STATUS_FAILED] * 21), ["filter.statuses"]),
        (pb.PaymentFilter(reference="", request_id=""), ["filter.reference", "filter.request_id"]),
        (
            pb.PaymentFilter(processor_reference="x" * 256, external_reference="", customer_id="a\nb"),
            ["filter.processor_reference", "filter.external_reference", "filter.customer_id"],
        ),
        (pb.PaymentFilter(caller=" shop"), ["filter.caller"]),
    ],
)
def test_an_invalid_filter_is_rejected(stub: PaymentServiceStub, request_: pb.PaymentFilter, fields: list[str]) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        stub.ListPayments(pb.ListPaymentsRequest(filter=request_))
    error = payments_client.errors.error_from_rpc(raised.value, None)
    assert isinstance(error, payments_client.InvalidRequest)
    assert [violation.field for violation in error.violations] == fields


def test_a_payment_is_requested_by_a_key(stub: PaymentServiceStub) -> None:
    with pytest.raises(grpc.RpcError, match="key: payment_id, reference or request_id is required"):
        stub.GetPayment(pb.GetPaymentRequest())
