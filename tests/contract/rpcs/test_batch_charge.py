"""BatchCharge: many charges in one call, each with its own outcome."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from google.rpc import code_pb2
from payments_client.v1 import payments_pb2 as pb

from tests.support.drivers.calls import CallFailed, Driver, fill_from_details
from tests.support.drivers.requests import FAILING, charge, new_order_id, new_request_id


def batch(*charges: pb.ChargeRequest) -> pb.BatchChargeRequest:
    return pb.BatchChargeRequest(charges=charges)


def error_of(result: pb.BatchChargeResult) -> CallFailed:
    """Return the error of a result, with its details unpacked."""
    assert result.WhichOneof("outcome") == "error"
    failed = CallFailed(code_pb2.Code.Name(code_pb2.Code.ValueType(result.error.code)), result.error.message)
    fill_from_details(failed, result.error)
    return failed


def list_order(api: Driver, order_id: int) -> list[pb.Payment]:
    request = pb.ListPaymentsRequest(filter=pb.PaymentFilter(order_id=order_id), page_size=1000)
    return list(api.list_payments(request).payments)


@pytest.mark.parametrize("count", [1, 2, 33, 1000])
def test_a_batch_returns_a_payment_for_each_charge_in_the_same_order(api: Driver, count: int) -> None:
    order_id = new_order_id()
    charges = [charge(order_id, 1 + number) for number in range(count)]
    results = api.batch_charge(batch(*charges)).results
    assert [result.payment.amount.units for result in results] == list(range(1, count + 1))
    assert {result.payment.status for result in results} == {pb.PAYMENT_STATUS_SUCCEEDED}
    assert not any(result.replayed for result in results)
    by_id = {payment.payment_id: payment for payment in list_order(api, order_id)}
    assert len(by_id) == count
    assert all(by_id[result.payment.payment_id] == result.payment for result in results)


def test_a_declined_charge_of_a_batch_is_a_failed_payment_and_not_an_error(api: Driver) -> None:
    first, second = api.batch_charge(batch(charge(), charge(method=FAILING))).results
    assert first.payment.status == pb.PAYMENT_STATUS_SUCCEEDED
    assert second.payment.status == pb.PAYMENT_STATUS_FAILED


def test_an_invalid_charge_of_a_batch_does_not_affect_the_others(api: Driver) -> None:
    order_id = new_order_id()
    invalid = charge(order_id, "-5", method=pb.PAYMENT_METHOD_OTHER)
    first, rejected, last = api.batch_charge(batch(charge(order_id), invalid, charge(order_id))).results
    failed = error_of(rejected)
    assert (failed.code, failed.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert failed.fields == ["amount", "method"]
    assert {payment.payment_id for payment in list_order(api, order_id)} == {
        first.payment.payment_id,
        last.payment.payment_id,
    }


def test_a_repeated_batch_replays_stored_charges_and_makes_the_missing_ones(api: Driver) -> None:
    order_id = new_order_id()
    charges = [charge(order_id, request_id=new_request_id()) for _ in range(5)]
    payment = api.charge(charges[2]).payment
    first = api.batch_charge(batch(*charges)).results
    again = api.batch_charge(batch(*charges)).results
    assert first[2].payment == payment
    assert [result.replayed for result in first] == [False, False, True, False, False]
    assert [result.payment for result in again] == [result.payment for result in first]
    assert all(result.replayed for result in again)
    assert len(list_order(api, order_id)) == len(charges)


def test_a_request_id_that_occurs_twice_in_a_batch_charges_once(api: Driver) -> None:
    order_id, request_id = new_order_id(), new_request_id()
    twice = charge(order_id, request_id=request_id)
    other = charge(order_id, "1.00", request_id=request_id)
    first, second, reused = api.batch_charge(batch(twice, twice, other)).results
    assert first.payment == second.payment
    assert (first.replayed, second.replayed) == (False, True)
    assert error_of(reused).reason == "REQUEST_ID_REUSED"
    assert len(list_order(api, order_id)) == 1


def test_concurrent_copies_of_a_batch_charge_once(api: Driver) -> None:
    order_id = new_order_id()
    same = batch(*(charge(order_id, request_id=new_request_id()) for _ in range(60)))
    with ThreadPoolExecutor(8) as threads:
        responses = list(threads.map(lambda _: api.batch_charge(same), range(8)))
    ids = {tuple(result.payment.payment_id for result in response.results) for response in responses}
    assert len(ids) == 1
    assert len(list_order(api, order_id)) == 60
    for results in zip(*(response.results for response in responses), strict=True):
        assert sum(not result.replayed for result in results) == 1


@pytest.mark.parametrize("count", [0, 1001])
def test_a_batch_that_is_empty_or_too_large_is_invalid_and_charges_nothing(api: Driver, count: int) -> None:
    order_id = new_order_id()
    with pytest.raises(CallFailed) as failed:
        api.batch_charge(batch(*[charge(order_id)] * count))
    assert (failed.value.code, failed.value.fields) == ("INVALID_ARGUMENT", ["charges"])
    assert failed.value.descriptions == ["must have 1 to 1,000 charges"]
    assert list_order(api, order_id) == []


def test_a_batch_of_invalid_charges_returns_an_error_for_each(api: Driver) -> None:
    results = api.batch_charge(batch(*[charge(0)] * 3)).results
    assert [error_of(result).fields for result in results] == [["order_id"]] * 3


def test_a_batch_of_100000_charges_is_rejected_before_it_is_decoded(api: Driver) -> None:
    with pytest.raises(CallFailed) as failed:
        api.batch_charge(pb.BatchChargeRequest(charges=[pb.ChargeRequest()] * 100_000))
    assert failed.value.code == "INVALID_ARGUMENT"
    assert "at most 10,000" in failed.value.message
