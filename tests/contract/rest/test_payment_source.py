"""The header Payment-Source chooses the outcome of a charge over /v1, which is otherwise unchanged."""

import httpx
import pytest

from tests.support.running_service import RunningService


def charge(service: RunningService, *sources: str) -> httpx.Response:
    headers = [("Payment-Source", source) for source in sources]
    url = f"{service.rest_url}/v1/payments/charge"
    return httpx.post(url, json={"order_id": 342, "amount": 561.00}, headers=headers)


@pytest.mark.parametrize(
    ("source", "status", "message"),
    [
        ("sim_success", "SUCCESS", "Payment succeeded"),
        ("sim_fraud", "FAILED", "Payment failed"),
        ("sim_pending_5s", "PENDING", "Payment pending"),
    ],
)
def test_the_header_decides_the_outcome(service: RunningService, source: str, status: str, message: str) -> None:
    response = charge(service, source)
    assert response.status_code == 201
    body = response.json()
    assert body.keys() == {"reference", "status", "message"}
    assert (body["status"], body["message"]) == (status, message)


def test_an_empty_header_has_no_effect(approving_service: RunningService) -> None:
    assert charge(approving_service, "").json()["status"] == "SUCCESS"


def test_an_unknown_source_is_an_error_of_the_header(service: RunningService) -> None:
    response = charge(service, "pm_card_visa")
    (problem,) = response.json()["detail"]
    assert (response.status_code, problem["type"], problem["loc"]) == (422, "value_error", ["header", "payment-source"])
    assert "sim_success" in problem["msg"]


def test_two_headers_are_rejected(service: RunningService) -> None:
    assert charge(service, "sim_success", "sim_fraud").status_code == 400


def test_a_refund_that_fails_is_an_error_as_for_a_remote_processor(service: RunningService) -> None:
    charged = charge(service, "sim_refund_fails").json()["reference"]
    items = httpx.get(f"{service.rest_url}/v1/payments?order_id=342&per_page=200").json()["items"]
    (payment,) = (item for item in items if item["reference"] == charged)
    refunded = httpx.post(f"{service.rest_url}/v1/payments/{payment['payment_id']}/refund")
    assert (refunded.status_code, refunded.json()) == (400, {"detail": "the payment processor refused the refund"})
