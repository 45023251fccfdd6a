"""The Idempotency-Key header: equivalent spellings, invalid keys, and its effect on each write."""

import http.client
import json
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from payments_client.v1 import payments_pb2 as pb

from server.config.grpc import Engine
from server.transport.rest.gateway.idempotency import fill_request_ids
from server.transport.service.requests import MAX_BATCH
from tests.support.drivers.requests import new_order_id, new_request_id
from tests.support.running_service import RunningService

V1, V2, BATCH = "/v1/payments/charge", "/v2/payments:charge", "/v2/payments:batchCharge"
Header = tuple[str, str]


@dataclass(frozen=True)
class Response:
    """The parts of a response that the tests check."""

    status: int
    body: Any
    headers: dict[str, str]


Post = Callable[..., Response]


@pytest.fixture
def post(approving_service: RunningService) -> Post:
    """A function that sends a POST request with unmodified headers, which httpx would normalize."""

    def send(path: str, body: object, *headers: Header) -> Response:
        return request(approving_service.rest_port, "POST", path, body, headers)

    return send


def request(port: int, verb: str, path: str, body: object, headers: Sequence[Header]) -> Response:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.putrequest(verb, path)
    content = b"" if body is None else json.dumps(body).encode()
    connection.putheader("Content-Length", str(len(content)))
    if not any(name == "Content-Type" for name, _ in headers):
        connection.putheader("Content-Type", "application/json")
    for name, value in headers:
        connection.putheader(name, value)
    connection.endheaders(content)
    raw = connection.getresponse()
    response = Response(raw.status, json.loads(raw.read()), dict(raw.getheaders()))
    connection.close()
    return response


def key(value: str) -> Header:
    return "Idempotency-Key", value


def v1_body(order_id: int) -> dict[str, object]:
    return {"order_id": order_id, "amount": 561}


def v2_body(order_id: int) -> dict[str, object]:
    return {"orderId": str(order_id), "amount": {"units": "561"}}


BODIES: dict[str, dict[str, object]] = {
    V1: v1_body(1),
    V2: v2_body(1),
    BATCH: {"charges": [v2_body(1)]},
    "/v1/payments/1/refund": {},
    "/v2/payments/1:refund": {},
}


def reference(response: Response) -> str:
    return str(response.body["reference"] if "reference" in response.body else response.body["payment"]["reference"])


def violation(response: Response) -> dict[str, str]:
    (found,) = (detail for detail in response.body["details"] if detail["@type"].endswith("BadRequest"))
    return dict(found["fieldViolations"][0])


@pytest.mark.parametrize("spelling", ["{} ", "{}\t", " {}", "\t {} \t ", '"{}"', '"{}" ', ' "{}"\t'])
@pytest.mark.parametrize(("path", "body"), [(V1, v1_body), (V2, v2_body)])
def test_every_spelling_of_a_key_charges_once(
    post: Post, path: str, body: Callable[[int], dict[str, object]], spelling: str
) -> None:
    name, order_id = new_request_id(), new_order_id()
    first = post(path, body(order_id), key(name))
    second = post(path, body(order_id), key(spelling.format(name)))
    assert reference(second) == reference(first)
    assert second.headers["idempotency-replayed"] == "true"


def test_a_quoted_key_has_escapes_and_significant_inner_spaces(post: Post) -> None:
    name, order_id = new_request_id(), new_order_id()
    first = post(V2, {**v2_body(order_id), "requestId": f'{name} "a\\b'})
    assert reference(post(V2, v2_body(order_id), key(f'"{name} \\"a\\\\b"'))) == reference(first)
    assert reference(post(V2, v2_body(order_id), key(f'"{name}  \\"a\\\\b"'))) != reference(first)
    assert reference(post(V2, v2_body(order_id), key(f'{name} "a\\b'))) == reference(first)


MALFORMED = ['"', '"k', '"k\\"', '"k\\a"', '"k"x', '"k" x', '"k";a=1', '"k", "l"', '"k""l"', '"a\tb"', '"caf\xe9"']


@pytest.mark.parametrize("value", MALFORMED)
@pytest.mark.parametrize("path", BODIES)
def test_a_malformed_quoted_key_is_rejected_with_the_valid_form(post: Post, path: str, value: str) -> None:
    response = post(path, BODIES[path], key(value))
    assert response.status == 400
    if path.startswith("/v1"):
        assert response.body["detail"].startswith("Idempotency-Key: ")
        assert "in quotation marks" in response.body["detail"]
    else:
        assert violation(response)["field"] == "Idempotency-Key"
        assert "in quotation marks" in violation(response)["description"]


@pytest.mark.parametrize("value", ["", " ", '""', "x" * 256, '"' + "x" * 256 + '"', "caf\xe9", "a\tb"])
def test_a_key_that_is_not_a_valid_request_id_is_rejected(post: Post, value: str) -> None:
    for path in (V1, "/v1/payments/1/refund"):
        response = post(path, v1_body(1), key(value))
        assert (response.status, response.body["detail"][0]["loc"]) == (422, ["header", "idempotency-key"])
    for path in (V2, "/v2/payments/1:refund", BATCH):
        response = post(path, BODIES[path], key(value))
        assert (response.status, violation(response)["field"]) == (400, "Idempotency-Key")
        assert "1 to 255 printable ASCII characters" in violation(response)["description"]


@pytest.mark.parametrize("name", ["Idempotency-Key", "X-Api-Key", "Authorization", "Last-Event-ID"])
@pytest.mark.parametrize("values", [("a", "b"), ("a", "a"), ("", "a")])
def test_a_duplicate_of_a_single_value_header_is_rejected_by_name(
    post: Post, approving_service: RunningService, name: str, values: tuple[str, str]
) -> None:
    if approving_service.engine is Engine.ENVOY and name == "Authorization" and not values[0]:
        pytest.skip("Envoy drops an empty value when it joins the two")
    headers = [(name, values[0]), (name.lower(), values[1])]
    for path in (V1, "/v1/payments/1/refund"):
        response = post(path, BODIES[path], *headers)
        assert (response.status, list(response.body)) == (400, ["detail"])
        assert response.body["detail"] == f"{name}: must be sent at most once"
    for path in (V2, BATCH, "/v2/payments/1:refund"):
        response = post(path, BODIES[path], *headers)
        assert (response.status, response.body["code"]) == (400, 3)
        assert violation(response) == {"field": name, "description": "must be sent at most once"}
    assert request(approving_service.rest_port, "GET", "/v1/payments", None, headers).status == 400
    assert request(approving_service.rest_port, "GET", "/v2/payments", None, headers).status == 400


def test_two_content_types_must_both_be_json(post: Post) -> None:
    json_type, other = ("Content-Type", "application/json"), ("Content-Type", "text/plain")
    assert post(V2, v2_body(new_order_id()), json_type, json_type).status == 200
    assert post(V2, v2_body(new_order_id()), json_type, other).status == 415
    assert post(V2, v2_body(new_order_id()), other, json_type).status == 415


def test_white_space_around_a_header_value_is_ignored(post: Post) -> None:
    response = post(
        V2, v2_body(new_order_id()), ("X-Request-Id", "\t call 7 \t"), ("Content-Type", " application/json \t")
    )
    assert response.headers["x-request-id"] == "call 7"
    assert response.status == 200


def test_a_trailer_is_not_a_header(approving_service: RunningService) -> None:
    name, order_id = new_request_id(), new_order_id()
    head = b"POST /v2/payments:charge HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = json.dumps(v2_body(order_id)).encode()
    trailer = f"Idempotency-Key: {name}\r\nAuthorization: x\r\n\r\n".encode()
    for _ in range(2):
        with socket.create_connection(("127.0.0.1", approving_service.rest_port), 10) as connection:
            connection.sendall(head + b"%x\r\n%b\r\n0\r\n%b" % (len(body), body, trailer))
            response = b"".join(iter(lambda: connection.recv(4096), b""))
        assert response.startswith(b"HTTP/1.1 200"), response
        assert b"idempotency-replayed" not in response


# Batches


def batch(post: Post, charges: Sequence[dict[str, object]], *headers: Header) -> list[dict[str, Any]]:
    response = post(BATCH, {"charges": charges}, *headers)
    assert response.status == 200, response.body
    return list(response.body["results"])


def references(results: Sequence[dict[str, Any]]) -> list[str]:
    return [result["payment"]["reference"] for result in results]


@pytest.mark.parametrize("length", [1, 36, 255])
def test_a_repeated_batch_with_a_key_charges_once(post: Post, length: int) -> None:
    header = key(new_request_id().ljust(length, "x")[-length:])
    charges = [v2_body(new_order_id()) for _ in range(3)]
    first, second = batch(post, charges, header), batch(post, charges, header)
    assert references(second) == references(first)
    assert [result.get("replayed", False) for result in (*first, *second)] == [False] * 3 + [True] * 3


def test_equal_charges_of_a_batch_with_a_key_are_separate_charges(post: Post) -> None:
    charges = [v2_body(new_order_id())] * 2
    assert len(set(references(batch(post, charges, key(new_request_id()))))) == 2


def test_a_charge_with_its_own_request_id_keeps_it_in_a_batch_with_a_key(post: Post) -> None:
    own, order_id = new_request_id(), new_order_id()
    alone = post(V2, {**v2_body(order_id), "requestId": own})
    charges = [v2_body(order_id), {**v2_body(order_id), "requestId": own}]
    header = key(new_request_id())
    results = batch(post, charges, header)
    assert references(results)[1] == reference(alone)
    assert references(batch(post, charges, header)) == references(results)


def test_a_batch_and_a_single_charge_with_the_same_key_are_different_charges(post: Post) -> None:
    header, body = key(new_request_id()), v2_body(new_order_id())
    alone = reference(post(V2, body, header))
    assert references(batch(post, [body], header)) != [alone]


def test_a_key_reused_with_other_charges_fails_for_each_changed_charge(post: Post) -> None:
    header, unchanged = key(new_request_id()), v2_body(new_order_id())
    first = batch(post, [unchanged, v2_body(new_order_id())], header)
    again = batch(post, [unchanged, v2_body(new_order_id()), v2_body(new_order_id())], header)
    assert references(again[:1]) == references(first[:1])
    assert again[1]["error"]["code"] == 6
    assert again[2]["payment"]["reference"] not in references(first)


def test_every_spelling_of_a_key_replays_a_batch(post: Post) -> None:
    name, charges = new_request_id(), [v2_body(new_order_id())]
    first = references(batch(post, charges, key(name)))
    assert references(batch(post, charges, key(f'"{name}" '))) == first


# Refunds


@pytest.mark.parametrize("spelling", ["{} ", '"{}"'])
def test_every_spelling_of_a_key_refunds_once(post: Post, spelling: str) -> None:
    name = new_request_id()
    payment_id = post(V2, v2_body(new_order_id())).body["payment"]["paymentId"]
    path, part = f"/v2/payments/{payment_id}:refund", {"amount": {"units": "100"}}
    first, second = (post(path, part, key(value)) for value in (name, spelling.format(name)))
    assert second.body["refund"]["refundId"] == first.body["refund"]["refundId"]
    rest = new_request_id()
    path = f"/v1/payments/{payment_id}/refund"
    responses = [post(path, None, key(value)) for value in (rest, spelling.format(rest))]
    assert [response.headers.get("idempotency-replayed") for response in responses] == [None, "true"]


def test_an_empty_request_id_is_not_replaced_by_the_key(post: Post) -> None:
    rejected = post(V2, v2_body(1) | {"requestId": ""}, key(new_request_id()))
    assert (rejected.status, violation(rejected)["field"]) == (400, "request_id")
    batch = {"charges": [v2_body(1) | {"requestId": ""}, v2_body(1)]}
    first, second = post(BATCH, batch, key(new_request_id())).body["results"]
    assert "error" in first
    assert "payment" in second


def test_no_request_id_is_derived_beyond_the_largest_batch() -> None:
    message = pb.BatchChargeRequest(charges=[pb.ChargeRequest()] * (MAX_BATCH + 1))
    fill_request_ids(message, "k")
    assert message.charges[MAX_BATCH - 1].HasField("request_id")
    assert not message.charges[MAX_BATCH].HasField("request_id")
