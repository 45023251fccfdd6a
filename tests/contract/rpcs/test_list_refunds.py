"""The contract of ListRefunds, and the limit on the refunds that GetPayment returns."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from payments_client.v1 import payments_pb2 as pb

from server.domain import tokens
from server.transport.service import requests
from tests.support.drivers.calls import CallFailed, Driver
from tests.support.drivers.requests import charge, refund
from tests.support.running_service import RunningService

REFUNDS_WITH_PAYMENT = 100
"""The largest number of refunds in a response of GetPayment, according to the contract."""


def charge_and_refund(api: Driver, refunds: int = 0) -> tuple[int, list[pb.Refund]]:
    """Create a payment with ``refunds`` partial refunds, and return its id and the refunds."""
    payment_id = api.charge(charge(amount="1000.00")).payment.payment_id
    return payment_id, [api.refund(refund(payment_id, "0.01", f"part {n}")).refund for n in range(refunds)]


def pages(api: Driver, payment_id: int, page_size: int, token: str = "") -> Iterator[list[pb.Refund]]:
    """Yield the refunds of each page, starting at ``token``."""
    while True:
        page = api.list_refunds(pb.ListRefundsRequest(payment_id=payment_id, page_size=page_size, page_token=token))
        yield list(page.refunds)
        token = page.next_page_token
        if not token:
            return


def test_refunds_are_listed_in_pages_oldest_first(api: Driver) -> None:
    payment_id, refunds = charge_and_refund(api, 5)
    other_id, _ = charge_and_refund(api, 2)
    assert other_id != payment_id
    assert list(pages(api, payment_id, 2)) == [refunds[:2], refunds[2:4], refunds[4:]]
    assert list(pages(api, payment_id, 5)) == list(pages(api, payment_id, 0)) == [refunds]
    assert list(pages(api, payment_id, 2**31 - 1)) == [refunds]


def test_a_payment_without_refunds_has_one_empty_page(api: Driver) -> None:
    payment_id, _ = charge_and_refund(api)
    assert list(pages(api, payment_id, 0)) == [[]]


def test_a_refund_made_between_two_pages_comes_last(api: Driver) -> None:
    payment_id, refunds = charge_and_refund(api, 3)
    following = pages(api, payment_id, 2)
    assert next(following) == refunds[:2]
    refunds.append(api.refund(refund(payment_id, "0.02")).refund)
    assert [item for page in following for item in page] == refunds[2:]


def test_the_page_size_of_refunds_can_change_between_pages(api: Driver) -> None:
    payment_id, refunds = charge_and_refund(api, 4)
    first = api.list_refunds(pb.ListRefundsRequest(payment_id=payment_id, page_size=1))
    assert list(pages(api, payment_id, 50, first.next_page_token)) == [refunds[1:]]


@pytest.mark.parametrize(
    "count", [REFUNDS_WITH_PAYMENT - 1, REFUNDS_WITH_PAYMENT, REFUNDS_WITH_PAYMENT + 1, 2 * REFUNDS_WITH_PAYMENT + 1]
)
def test_get_payment_returns_the_first_refunds_and_a_token_for_the_rest(api: Driver, count: int) -> None:
    payment_id, refunds = charge_and_refund(api, count)
    reference = api.get_payment(pb.GetPaymentRequest(payment_id=payment_id)).payment.reference
    for key in (pb.GetPaymentRequest(payment_id=payment_id), pb.GetPaymentRequest(reference=reference)):
        shown = api.get_payment(key)
        assert list(shown.refunds) == refunds[:REFUNDS_WITH_PAYMENT]
        assert bool(shown.next_refunds_page_token) == (count > REFUNDS_WITH_PAYMENT)
        if count > REFUNDS_WITH_PAYMENT:
            following = [item for page in pages(api, payment_id, 70, shown.next_refunds_page_token) for item in page]
            assert following == refunds[REFUNDS_WITH_PAYMENT:]


def test_payments_with_few_and_with_many_refunds_can_be_read_concurrently(api: Driver) -> None:
    many_id, many = charge_and_refund(api, REFUNDS_WITH_PAYMENT + 1)
    few_id, few = charge_and_refund(api, 2)
    with ThreadPoolExecutor(8) as pool:
        keys = [pb.GetPaymentRequest(payment_id=payment_id) for payment_id in (many_id, few_id) * 20]
        responses = list(pool.map(api.get_payment, keys))
    assert [list(response.refunds) for response in responses] == [many[:REFUNDS_WITH_PAYMENT], few] * 20


def test_a_page_has_at_most_a_thousand_refunds() -> None:
    assert requests.refunds_request(pb.ListRefundsRequest(payment_id=1, page_size=5000)).size == 1000


def test_refunds_of_an_unknown_payment_are_not_found(api: Driver) -> None:
    with pytest.raises(CallFailed) as failed:
        api.list_refunds(pb.ListRefundsRequest(payment_id=2**63 - 1))
    assert (failed.value.code, failed.value.reason) == ("NOT_FOUND", "PAYMENT_NOT_FOUND")


@pytest.mark.parametrize(
    ("request_", "fields"),
    [
        (pb.ListRefundsRequest(payment_id=0), ["payment_id"]),
        (pb.ListRefundsRequest(payment_id=-1, page_size=-1), ["payment_id", "page_size"]),
        (pb.ListRefundsRequest(payment_id=1, page_size=-1), ["page_size"]),
        (pb.ListRefundsRequest(payment_id=1, page_token="x"), ["page_token"]),
        (pb.ListRefundsRequest(payment_id=1, page_token=tokens.encode_refunds_token(1, 2)), ["page_token"]),
        (pb.ListRefundsRequest(payment_id=1, page_token=tokens.encode_refunds_token(1, 1) + "="), ["page_token"]),
    ],
)
def test_an_invalid_request_for_refunds_is_rejected_with_its_fields_named(
    api: Driver, request_: pb.ListRefundsRequest, fields: list[str]
) -> None:
    with pytest.raises(CallFailed) as failed:
        api.list_refunds(request_)
    assert failed.value.code == "INVALID_ARGUMENT"
    assert failed.value.fields == fields


def test_a_reference_can_be_the_word_refunds(service: RunningService) -> None:
    response = httpx.get(f"{service.rest_url}/v2/payments/by-reference/refunds")
    assert (response.status_code, response.json()["message"]) == (404, "payment not found")
