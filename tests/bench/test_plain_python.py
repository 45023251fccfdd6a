"""The plain Python peer answers the calls of the benchmarks as the service does, so each test runs against both."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from payments_client.v1 import payments_pb2 as pb

from tests.support.databases import Accounts
from tests.support.drivers.calls import CallFailed, GrpcDriver
from tests.support.drivers.requests import amount_of, charge, new_request_id, refund
from tests.support.ports import free_port
from tests.support.programs import ROOT

START_TIMEOUT_SECONDS = 60
REPLAYED = ("idempotency-replayed", "true")


@pytest.fixture(scope="module")
def peer(make_migrated_database: Callable[[], dict[str, str]], accounts: Accounts) -> Iterator[str]:
    """Run the peer with the privileges of the service, and return its address."""
    settings = accounts.as_service(make_migrated_database())
    port = free_port()
    environment = {"PATH": os.environ["PATH"], **settings, "SUCCESS_PROBABILITY": "1", "GRPC_PORT": str(port)}
    process = subprocess.Popen([sys.executable, "-m", "bench.peers.plain_python"], cwd=ROOT, env=environment)
    target = f"127.0.0.1:{port}"
    with grpc.insecure_channel(target) as channel:
        grpc.channel_ready_future(channel).result(START_TIMEOUT_SECONDS)
    yield target
    process.terminate()
    assert process.wait() == 0


@pytest.fixture(params=["peer", "service"])
def driver(request: pytest.FixtureRequest) -> Iterator[GrpcDriver]:
    running = request.getfixturevalue(request.param)
    with grpc.insecure_channel(running if request.param == "peer" else running.target) as channel:
        yield GrpcDriver(channel)


def test_a_charge_returns_a_payment_that_can_be_read(driver: GrpcDriver) -> None:
    request = charge(amount="561.25")

    payment = driver.charge(request).payment

    assert (payment.order_id, payment.method) == (request.order_id, request.method)
    assert (amount_of(payment.amount), payment.amount.currency_code) == (Decimal("561.25"), "INR")
    assert (payment.status, payment.refund_state) == (pb.PAYMENT_STATUS_SUCCEEDED, pb.REFUND_STATE_NONE)
    expected = pb.GetPaymentResponse(payment=payment)
    assert driver.get_payment(pb.GetPaymentRequest(payment_id=payment.payment_id)) == expected
    assert driver.get_payment(pb.GetPaymentRequest(reference=payment.reference)) == expected


def test_a_charge_may_leave_out_its_method_and_currency(driver: GrpcDriver) -> None:
    payment = driver.charge(charge(method=pb.PAYMENT_METHOD_UNSPECIFIED)).payment
    assert payment.method in {pb.PAYMENT_METHOD_UPI, pb.PAYMENT_METHOD_CARD, pb.PAYMENT_METHOD_COD}


def test_a_retry_of_a_charge_returns_the_first_payment(driver: GrpcDriver) -> None:
    request = charge(request_id=new_request_id())
    first = driver.charge(request)

    retried, call = driver.stub.Charge.with_call(request)

    assert retried == first
    assert REPLAYED in call.trailing_metadata()


def test_a_request_id_cannot_be_used_for_another_charge(driver: GrpcDriver) -> None:
    request = charge(request_id=new_request_id())
    driver.charge(request)
    with pytest.raises(CallFailed) as failed:
        driver.charge(charge(order_id=request.order_id, amount="5.00", request_id=request.request_id))
    assert failed.value.code == "ALREADY_EXISTS"


@pytest.mark.parametrize(
    ("request_message", "field"),
    [
        (charge(order_id=0), "order_id"),
        (charge(amount="0"), "amount"),
        (pb.ChargeRequest(order_id=1), "amount"),
        (charge(amount="0.001"), "amount.nanos"),
        (charge(amount="10000000000000"), "amount"),
        (charge(currency="XYZ"), "amount.currency_code"),
        (charge(method=pb.PAYMENT_METHOD_OTHER), "method"),
        (charge(request_id=""), "request_id"),
    ],
)
def test_an_invalid_charge_is_rejected_with_the_name_of_its_field(
    driver: GrpcDriver, request_message: pb.ChargeRequest, field: str
) -> None:
    with pytest.raises(CallFailed) as failed:
        driver.charge(request_message)
    assert failed.value.code == "INVALID_ARGUMENT"
    assert field in failed.value.message


def test_refunds_add_up_until_nothing_remains(driver: GrpcDriver) -> None:
    payment = driver.charge(charge(amount="100.00")).payment

    first = driver.refund(refund(payment.payment_id, "30.25", reason="late"))
    with pytest.raises(CallFailed) as too_much:
        driver.refund(refund(payment.payment_id, "69.76"))
    rest = driver.refund(refund(payment.payment_id))
    with pytest.raises(CallFailed) as nothing_left:
        driver.refund(refund(payment.payment_id, request_id=new_request_id()))

    assert (first.payment.refund_state, first.refund.reason) == (pb.REFUND_STATE_PARTIAL, "late")
    assert amount_of(rest.refund.amount) == Decimal("69.75")
    assert rest.payment.refund_state == pb.REFUND_STATE_FULL
    assert {too_much.value.code, nothing_left.value.code} == {"FAILED_PRECONDITION"}
    assert driver.get_payment(pb.GetPaymentRequest(payment_id=payment.payment_id)) == pb.GetPaymentResponse(
        payment=rest.payment, refunds=[first.refund, rest.refund]
    )


def test_a_retry_of_a_refund_returns_the_first_refund(driver: GrpcDriver) -> None:
    payment = driver.charge(charge(amount="100.00")).payment
    request = refund(payment.payment_id, "30.00", request_id=new_request_id())
    first = driver.refund(request)

    retried, call = driver.stub.Refund.with_call(request)

    assert retried == first
    assert REPLAYED in call.trailing_metadata()
    for payment_id, amount in ((payment.payment_id, "31.00"), (driver.charge(charge()).payment.payment_id, "30.00")):
        with pytest.raises(CallFailed) as failed:
            driver.refund(refund(payment_id, amount, request_id=request.request_id))
        assert failed.value.code == "ALREADY_EXISTS"


def test_an_unknown_payment_is_not_found(driver: GrpcDriver) -> None:
    for call in (
        lambda: driver.get_payment(pb.GetPaymentRequest(payment_id=1 << 60)),
        lambda: driver.get_payment(pb.GetPaymentRequest(reference="unknown")),
        lambda: driver.refund(refund(1 << 60)),
    ):
        with pytest.raises(CallFailed) as failed:
            call()
        assert failed.value.code == "NOT_FOUND"


def test_pages_follow_one_another_from_the_newest_payment(driver: GrpcDriver) -> None:
    payments = [driver.charge(charge()).payment for _ in range(5)]

    first = driver.list_payments(pb.ListPaymentsRequest(page_size=2))
    second = driver.list_payments(pb.ListPaymentsRequest(page_size=2, page_token=first.next_page_token))
    third = driver.list_payments(pb.ListPaymentsRequest(page_size=1, page_token=second.next_page_token))

    assert [*first.payments, *second.payments, *third.payments] == payments[::-1]


def test_a_list_can_start_at_a_time(driver: GrpcDriver) -> None:
    payments = [driver.charge(charge()).payment for _ in range(3)]
    until_second = pb.PaymentFilter(max_create_time=payments[1].create_time)

    listed = driver.list_payments(pb.ListPaymentsRequest(filter=until_second, page_size=2)).payments

    assert list(listed) == payments[1::-1]


@pytest.mark.parametrize(
    ("request_message", "field"),
    [
        (pb.ListPaymentsRequest(page_size=-1), "page_size"),
        (pb.ListPaymentsRequest(page_token="bm90IGEgdG9rZW4="), "page_token"),
        (pb.ListPaymentsRequest(filter=pb.PaymentFilter(max_create_time=Timestamp(nanos=-1))), "max_create_time"),
    ],
)
def test_an_invalid_list_is_rejected_with_the_name_of_its_field(
    driver: GrpcDriver, request_message: pb.ListPaymentsRequest, field: str
) -> None:
    with pytest.raises(CallFailed) as failed:
        driver.list_payments(request_message)
    assert failed.value.code == "INVALID_ARGUMENT"
    assert field in failed.value.message
