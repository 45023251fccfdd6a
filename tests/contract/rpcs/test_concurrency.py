"""The guarantees of the contract under concurrent calls."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import TypeVar

import grpc
import pytest
from payments_client.v1 import payments_pb2 as pb

from tests.support.drivers.calls import CallFailed, GrpcDriver
from tests.support.drivers.requests import SUCCEEDING, amount_of, charge, new_order_id, new_request_id, refund
from tests.support.running_service import RunningService

CALLERS = 64

Result = TypeVar("Result")


def call_concurrently(call: Callable[[int], Result]) -> list[Result | CallFailed]:
    """Run ``call`` with each number from 0 to 63, in 64 threads that start together. Return the results and errors."""
    start = threading.Barrier(CALLERS)

    def run(number: int) -> Result | CallFailed:
        start.wait()
        try:
            return call(number)
        except CallFailed as failed:
            return failed

    with ThreadPoolExecutor(CALLERS) as threads:
        return list(threads.map(run, range(CALLERS)))


@pytest.fixture
def replicas(start_service: Callable[..., RunningService]) -> Iterator[list[GrpcDriver]]:
    """Two servers that share a database."""
    channels = [grpc.insecure_channel(start_service().target) for _ in range(2)]
    yield [GrpcDriver(channel) for channel in channels]
    for channel in channels:
        channel.close()


def test_concurrent_charges_with_one_request_id_store_one_payment_and_get_equal_responses(
    replicas: list[GrpcDriver],
) -> None:
    for method in (SUCCEEDING, pb.PAYMENT_METHOD_UNSPECIFIED):
        request = charge(method=method, request_id=new_request_id())
        responses = call_concurrently(lambda number, request=request: replicas[number % 2].charge(request))  # type: ignore[misc]
        assert isinstance(responses[0], pb.ChargeResponse)
        assert responses == [responses[0]] * CALLERS
        listed = replicas[0].list_payments(
            pb.ListPaymentsRequest(filter=pb.PaymentFilter(order_id=request.order_id), include_total_size=True)
        )
        assert listed.total_size == 1


def test_concurrent_charges_with_one_request_id_and_two_amounts_store_one_payment(replicas: list[GrpcDriver]) -> None:
    order_id, request_id = new_order_id(), new_request_id()
    responses = call_concurrently(
        lambda number: replicas[number % 2].charge(charge(order_id, 1 + number % 2, request_id=request_id))
    )
    successes = [response for response in responses if isinstance(response, pb.ChargeResponse)]
    failures = [response for response in responses if isinstance(response, CallFailed)]
    assert successes == [successes[0]] * (CALLERS // 2)
    assert {failed.reason for failed in failures} == {"REQUEST_ID_REUSED"}


def test_concurrent_partial_refunds_never_exceed_the_charge(replicas: list[GrpcDriver]) -> None:
    payment = replicas[0].charge(charge(amount="100.00")).payment
    responses = call_concurrently(lambda number: replicas[number % 2].refund(refund(payment.payment_id, "7.00")))
    successes = [response for response in responses if isinstance(response, pb.RefundResponse)]
    assert len(successes) == 14
    assert {failed.reason for failed in responses if isinstance(failed, CallFailed)} == {"REFUND_EXCEEDS_PAYMENT"}
    details = replicas[0].get_payment(pb.GetPaymentRequest(payment_id=payment.payment_id))
    assert amount_of(details.payment.refunded_amount) == sum(amount_of(made.amount) for made in details.refunds) == 98


def test_concurrent_refunds_with_one_request_id_refund_once(replicas: list[GrpcDriver]) -> None:
    payment = replicas[0].charge(charge(amount="100.00")).payment
    request = refund(payment.payment_id, "7.00", request_id=new_request_id())
    responses = call_concurrently(lambda number: replicas[number % 2].refund(request))
    assert isinstance(responses[0], pb.RefundResponse)
    assert responses == [responses[0]] * CALLERS
    details = replicas[0].get_payment(pb.GetPaymentRequest(payment_id=payment.payment_id))
    assert [amount_of(made.amount) for made in details.refunds] == [Decimal(7)]


def test_concurrent_refunds_of_two_payments_with_one_request_id_refund_one_of_them(replicas: list[GrpcDriver]) -> None:
    payments = [replicas[0].charge(charge()).payment for _ in range(2)]
    request_id = new_request_id()
    responses = call_concurrently(
        lambda number: replicas[number % 2].refund(refund(payments[number % 2].payment_id, 1, request_id=request_id))
    )
    successes = [response for response in responses if isinstance(response, pb.RefundResponse)]
    assert successes == [successes[0]] * (CALLERS // 2)
    assert {failed.reason for failed in responses if isinstance(failed, CallFailed)} == {"REQUEST_ID_REUSED"}


def test_concurrent_full_refunds_without_a_request_id_refund_once(replicas: list[GrpcDriver]) -> None:
    payment = replicas[0].charge(charge(amount="100.00")).payment
    responses = call_concurrently(lambda number: replicas[number % 2].refund(refund(payment.payment_id)))
    assert isinstance(responses[0], pb.RefundResponse)
    assert responses == [responses[0]] * CALLERS


@pytest.mark.parametrize("order_by", ["create_time desc", "create_time asc"])
def test_paging_returns_each_existing_payment_once_during_concurrent_charges(
    replicas: list[GrpcDriver], order_by: str
) -> None:
    existing = {replicas[0].charge(charge()).payment.payment_id for _ in range(150)}
    stop = threading.Event()

    def keep_charging(api: GrpcDriver) -> int:
        count = 0
        while not stop.is_set():
            api.charge(charge())
            count += 1
        return count

    with ThreadPoolExecutor(2) as threads:
        charge_counts = [threads.submit(keep_charging, api) for api in replicas]
        try:
            seen: list[int] = []
            request = pb.ListPaymentsRequest(order_by=order_by, page_size=7)
            # In ascending order, new payments could extend the list forever, so stop once all existing ones were seen.
            while not existing <= set(seen):
                page = replicas[len(seen) % 2].list_payments(request)
                seen += [payment.payment_id for payment in page.payments]
                request.page_token = page.next_page_token
                assert request.page_token or existing <= set(seen)
        finally:
            stop.set()
    assert len(seen) == len(set(seen))
    assert all(count.result() > 0 for count in charge_counts)
