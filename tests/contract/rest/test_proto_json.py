"""``/v2`` accepts exactly ProtoJSON. The gateway's unit tests cover every type; these tests use a running service."""

import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.drivers.requests import new_order_id
from tests.support.running_service import RunningService


@pytest.fixture
def rest(approving_service: RunningService) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=approving_service.rest_url, timeout=30) as client:
        yield client


def violation(response: httpx.Response) -> tuple[str, str]:
    assert response.status_code == 400, response.text
    (found,) = (detail for detail in response.json()["details"] if detail["@type"].endswith("BadRequest"))
    first = found["fieldViolations"][0]
    return first.get("field", ""), first["description"]


def post(rest: httpx.Client, path: str, body: str) -> httpx.Response:
    return rest.post(path, content=body.encode(), headers={"Content-Type": "application/json"})


def test_a_number_with_a_zero_fraction_keeps_all_its_digits(rest: httpx.Client) -> None:
    charged = post(rest, "/v2/payments:charge", '{"orderId": 9007199254740993.0, "amount": {"units": 5.61e2}}').json()
    assert charged["payment"]["orderId"] == "9007199254740993"
    assert charged["payment"]["amount"]["units"] == "561"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ('"amount": {"units": "1_000"}', "amount.units"),
        ('"amount": {"units": "１２"}', "amount.units"),  # noqa: RUF001 - digits of another script
        ('"amount": {"units": "\\t5\\n"}', "amount.units"),
        ('"amount": {"units": 5.5}', "amount.units"),
        ('"amount": {"units": 5, "nanos": true}', "amount.nanos"),
        ('"amount": {"units": 5}, "method": true', "method"),
        ('"amount": {"units": 5}, "method": "UPI"', "method"),
        ('"amount": {"units": 5}, "method": 99', "method"),
        ('"amount": {"units": 5}, "requestId": 7', "requestId"),
        ('"amount": {"units": 5, "Units": 5}', "amount.Units"),
    ],
)
def test_a_value_that_is_not_protojson_is_rejected(rest: httpx.Client, fields: str, field: str) -> None:
    body = f'{{"orderId": {new_order_id()}, {fields}}}'
    assert violation(post(rest, "/v2/payments:charge", body))[0] == field
    if "99" not in fields:  # in a batch, the RPC rejects an unknown method in the result of its charge
        assert violation(post(rest, "/v2/payments:batchCharge", f'{{"charges": [{body}]}}'))[0] == f"charges[0].{field}"


@pytest.mark.parametrize("amount", ['"561.50"', "561.50", "[561]", "true"])
def test_an_amount_that_is_not_an_object_is_rejected_with_the_names_of_its_fields(
    rest: httpx.Client, amount: str
) -> None:
    expected = ("amount", "must be an object with currencyCode, units and nanos")
    assert violation(post(rest, "/v2/payments:charge", f'{{"orderId": 1, "amount": {amount}}}')) == expected
    assert violation(post(rest, "/v2/payments/1:refund", f'{{"amount": {amount}}}')) == expected


@pytest.mark.parametrize("payment_id", ["0_3", "%D9%A3", "+3", "%203", "3%20", "03", "3.5", "3%0A", "0x3", "three"])
def test_an_id_in_a_path_must_be_a_json_integer(rest: httpx.Client, payment_id: str) -> None:
    assert violation(rest.post(f"/v2/payments/{payment_id}:refund"))[0] == "payment_id"
    assert violation(rest.get(f"/v2/payments/{payment_id}"))[0] == "payment_id"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("filter.minCreateTime", time) for time in ("2025-2-7T5:8:4Z", "2025-02-07T05:08:04+25:99", "2025-02-07")),
        *(("filter.orderId", number) for number in ("1_0", "１", " 1", "+1", "")),  # noqa: RUF001 - another script
        *(("pageSize", number) for number in ("1_0", "1.5", "2147483648")),
        *(("filter.methods", method) for method in ("true", "upi", "1.5")),
        *(("includeTotalSize", boolean) for boolean in ("True", "1", "yes", "")),
        ("filter.minAmount.units", "1_000"),
    ],
)
def test_query_parameters_must_be_protojson(rest: httpx.Client, name: str, value: str) -> None:
    field, description = violation(rest.get("/v2/payments", params={name: value}))
    assert field.replace("_", "").lower() == name.lower()
    assert description.startswith("must be ")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("pageSize=1&pageSize=1", "pageSize"),
        ("pageSize=1&page_size=1", "page_size"),
        ("filter.minAmount=5", "filter.minAmount"),
        ("orderBy=%FF", ""),
    ],
)
def test_a_query_parameter_must_occur_once_and_be_utf_8(rest: httpx.Client, query: str, field: str) -> None:
    assert violation(rest.get(f"/v2/payments?{query}"))[0] == field


def test_a_query_must_not_name_a_different_key_than_the_path(rest: httpx.Client) -> None:
    assert violation(rest.get("/v2/payments/1?reference=x")) == (
        "payment_id",
        "only one of paymentId, reference, requestId may be set",
    )


@pytest.mark.parametrize("target", [b"/v2/payments/by-reference/\xff", b"/v2/payments?orderBy=\xc3\xa9", b"/v2/\xff"])
def test_a_target_with_raw_bytes_gets_a_client_error(approving_service: RunningService, target: bytes) -> None:
    with socket.create_connection(("127.0.0.1", approving_service.rest_port), 10) as connection:
        connection.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        parts: Any = iter(lambda: connection.recv(4096), b"")
        assert b"".join(parts).startswith(b"HTTP/1.1 4")


def test_a_body_must_not_repeat_the_payment_id_of_the_path(rest: httpx.Client) -> None:
    rejected = rest.post("/v2/payments/1:refund", json={"paymentId": "2"})
    assert violation(rejected) == ("payment_id", "is in the path, so it must not be in the body")


def test_zero_with_any_exponent_is_zero(rest: httpx.Client) -> None:
    for zero in ("0e99999999999999999999", "0.00", "-0e5"):
        assert violation(rest.post("/v2/payments:charge", content=f'{{"orderId": {zero}}}')) == (
            "order_id",
            "must be 1 or more, or left out if there is an external_reference",
        )


def test_an_error_of_the_whole_body_names_no_field(rest: httpx.Client) -> None:
    response = rest.post("/v2/payments:charge", content="{")
    assert response.json()["message"].startswith("the body must be JSON")
