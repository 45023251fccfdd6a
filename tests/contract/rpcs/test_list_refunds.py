"""ListRefunds, and the bound on the refunds that GetPayment returns, as their contract has it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from payments.v1 import payments_pb2 as pb

from server.domain import tokens
from server.transport.service import codec
from tests.support.drivers.calls import CallFailed, Driver
from tests.support.drivers.requests import charge, refund
from tests.support.running_service import RunningService

SHOWN = 100
"""How many refunds GetPayment returns, as the contract says."""


def charged(api: Driver, refunds: int = 0) -> tuple[int, list[pb.Refund]]:
    """Charge a payment and refund parts of it; return its id, and the refunds."""
    payment_id = api.charge(charge(amount="1000.00")).payment.payment_id
    return payment_id, [api.refund(refund(payment_id, "0.01", f"part {n}")).refund for n in range(refunds)]


def pages(api: Driver, payment_id: int, page_size: int, token: str = "") -> Iterator[list[pb.Refund]]:
    """Yield the refunds of each page, from ``token`` on."""
    while True:
        page = api.list_refunds(pb.ListRefundsRequest(payment_id=payment_id, page_size=page_size, page_token=token))
        yield list(page.refunds)
        token = page.next_page_token
        if not token:
            return


def test_refunds_come_oldest_first_a_page_at_a_time(api: Driver) -> None:
    payment_id, made = charged(api, 5)
    other_id, _ = charged(api, 2)
    assert other_id != payment_id
    assert list(pages(api, payment_id, 2)) == [made[:2], made[2:4], made[4:]]
    assert list(pages(api, payment_id, 5)) == list(pages(api, payment_id, 0)) == [made]
    assert list(pages(api, payment_id, 2**31 - 1)) == [made]


def test_a_payment_without_refunds_has_one_empty_page(api: Driver) -> None:
    payment_id, _ = charged(api)
    assert list(pages(api, payment_id, 0)) == [[]]


def test_a_refund_made_meanwhile_comes_last(api: Driver) -> None:
    payment_id, made = charged(api, 3)
    following = pages(api, payment_id, 2)
    assert next(following) == made[:2]
    made.append(api.refund(refund(payment_id, "0.02")).refund)
    assert [one for page in following for one in page] == made[2:]


def test_a_page_may_have_another_size_than_the_one_before(api: Driver) -> None:
    payment_id, made = charged(api, 4)
    first = api.list_refunds(pb.ListRefundsRequest(payment_id=payment_id, page_size=1))
    assert list(pages(api, payment_id, 50, first.next_page_token)) == [made[1:]]


@pytest.mark.parametrize("count", [SHOWN - 1, SHOWN, SHOWN + 1, 2 * SHOWN + 1])
def test_a_payment_is_shown_with_its_first_refunds(api: Driver, count: int) -> None:
    payment_id, made = charged(api, count)
    reference = api.get_payment(pb.GetPaymentRequest(payment_id=payment_id)).payment.reference
    for key in (pb.GetPaymentRequest(payment_id=payment_id), pb.GetPaymentRequest(reference=reference)):
        shown = api.get_payment(key)
        assert list(shown.refunds) == made[:SHOWN]
        assert bool(shown.next_refunds_page_token) == (count > SHOWN)
        if count > SHOWN:
            following = [one for page in pages(api, payment_id, 70, shown.next_refunds_page_token) for one in page]
            assert following == made[SHOWN:]


def test_payments_with_few_and_with_many_refunds_are_read_side_by_side(api: Driver) -> None:
    many_id, many = charged(api, SHOWN + 1)
    few_id, few = charged(api, 2)
    with ThreadPoolExecutor(8) as pool:
        keys = [pb.GetPaymentRequest(payment_id=payment_id) for payment_id in (many_id, few_id) * 20]
        answers = list(pool.map(api.get_payment, keys))
    assert [list(answer.refunds) for answer in answers] == [many[:SHOWN], few] * 20


def test_a_page_has_at_most_a_thousand_refunds() -> None:
    assert codec.refunds_request(pb.ListRefundsRequest(payment_id=1, page_size=5000)).size == 1000


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
def test_a_bad_request_is_refused_with_its_fields_named(
    api: Driver, request_: pb.ListRefundsRequest, fields: list[str]
) -> None:
    with pytest.raises(CallFailed) as failed:
        api.list_refunds(request_)
    assert failed.value.code == "INVALID_ARGUMENT"
    assert failed.value.fields == fields


def test_a_reference_may_be_the_word_refunds(service: RunningService) -> None:
    answer = httpx.get(f"{service.rest_url}/v2/payments/by-reference/refunds")
    assert (answer.status_code, answer.json()["message"]) == (404, "payment not found")
