"""The REST server: health, call ids, idempotency keys, limits, compression and shutdown."""

import gzip
import http.client
import json
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import httpx
import pytest

from tests.support.databases import DatabaseServer, LockPaymentRows
from tests.support.drivers.calls import GrpcDriver
from tests.support.drivers.requests import charge, new_order_id, new_request_id
from tests.support.running_service import RunningService

SLOW_SECONDS = 1


@pytest.fixture
def rest(approving_service: RunningService) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=approving_service.rest_url, timeout=30) as client:
        yield client


def charge_body(**more: object) -> dict[str, object]:
    return {"order_id": new_order_id(), "amount": 561.00, **more}


def total(rest: httpx.Client, order_id: object) -> int:
    return int(rest.get("/v1/payments", params={"order_id": str(order_id)}).json()["total"])


def test_the_examples_of_the_legacy_service_work_unchanged(rest: httpx.Client) -> None:
    charged_response = rest.post("/v1/payments/charge", json={"order_id": 342, "amount": 561.00})
    assert charged_response.status_code == 201
    assert list(charged_response.json()) == ["reference", "status", "message"]
    payment_id = rest.get("/v1/payments?order_id=342").json()["items"][0]["payment_id"]
    refunded = rest.post(f"/v1/payments/{payment_id}/refund")
    method = refunded.json()["method"]
    message = f"Amount 561.00 refunded to {method}"
    assert refunded.text == f'{{"payment_id":{payment_id},"amount":561.0,"method":"{method}","message":"{message}"}}'
    listed = rest.get("/v1/payments?page=1&per_page=10&method=UPI&status=SUCCESS")
    assert listed.status_code == 200
    assert {item["method"] for item in listed.json()["items"]} <= {"UPI"}


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/docs", "/redoc", "/docs/assets/swagger-ui.css", "/openapi.json", "/healthz", "/readyz", "/metrics"),
        *("/v1/payments?per_page=1", "/v1/payments?per_page=x", "/v1/payments/", "/nothing"),
        *("/v2/payments?page_size=1", "/v2/payments/999999999", "/v2/payments:watch?resume_token=x", "/v2/nothing"),
    ],
)
def test_head_returns_the_status_and_headers_of_get_and_no_body(rest: httpx.Client, path: str) -> None:
    head, get = rest.head(path), rest.get(path)
    assert (head.status_code, head.content) == (get.status_code, b"")
    for headers in (head.headers, get.headers):
        for varying in ("x-request-id", "date", "content-length"):
            headers.pop(varying, None)
    assert head.headers == get.headers


def test_head_of_a_stream_does_not_start_it(rest: httpx.Client) -> None:
    head = rest.head("/v2/payments:watch", headers={"Accept": "text/event-stream"})
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"].startswith("text/event-stream")


def test_the_root_redirects_to_the_documentation(rest: httpx.Client) -> None:
    assert rest.get("/", follow_redirects=True).url.path == "/docs"


def test_a_running_service_is_healthy_and_ready(rest: httpx.Client) -> None:
    for path in ("/healthz", "/readyz"):
        assert (rest.get(path).status_code, rest.get(path).json()) == (200, {"status": "ok"})


def test_without_a_database_the_process_is_healthy_but_not_ready(
    start_service: Callable[..., RunningService],
    database_server: DatabaseServer,
    migrated_database: dict[str, str],
) -> None:
    running = start_service(HEALTH_CHECK_INTERVAL_SECONDS="0.1", MYSQL_ACQUIRE_TIMEOUT_SECONDS="1")
    name = migrated_database["MYSQL_DB"]
    with httpx.Client(base_url=running.rest_url, timeout=30) as rest:
        assert rest.get("/readyz").status_code == 200
        database_server.execute(f"DROP DATABASE {name}")
        database_server.kill_connections(name)
        deadline = time.monotonic() + 20
        while rest.get("/readyz").status_code != 503:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert rest.get("/healthz").status_code == 200
        rejected = rest.post("/v1/payments/charge", json=charge_body())
        assert (rejected.status_code, list(rejected.json())) == (503, ["detail"])
        assert int(rejected.headers["retry-after"]) >= 1
        second = rest.post("/v2/payments:charge", json={"orderId": "1", "amount": {"units": "1"}})
        assert (second.status_code, second.json()["code"]) == (503, 14)
        assert int(second.headers["retry-after"]) >= 1


@pytest.mark.parametrize("path", ["/v1/payments", "/v2/payments", "/healthz", "/nope", "/v2/nope"])
def test_a_request_can_set_its_call_id_and_the_response_has_it(rest: httpx.Client, path: str) -> None:
    assert rest.get(path, headers={"X-Request-Id": "call 7"}).headers["x-request-id"] == "call 7"
    assert rest.get(path, headers={"X-Request-Id": "x" * 129}).headers["x-request-id"] != "x" * 129
    assert len(rest.get(path).headers["x-request-id"]) >= 16


def test_the_log_has_the_call_id(rest: httpx.Client, approving_service: RunningService) -> None:
    name = new_request_id()
    rest.get("/v1/payments", headers={"X-Request-Id": name})
    deadline = time.monotonic() + 10
    while not any(event.get("request_id") == name for event in approving_service.events):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    (event,) = (event for event in approving_service.events if event.get("request_id") == name)
    assert (event["rpc"], event["code"]) == ("ListPayments", "OK")


@pytest.mark.parametrize("value", [b"a\x01b", b"caf\xe9", b"a\tb"])
def test_a_call_id_with_unsafe_characters_is_replaced(
    rest: httpx.Client, approving_service: RunningService, value: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", approving_service.rest_port), 10) as connection:
        connection.sendall(
            b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Request-Id: " + value + b"\r\n\r\n"
        )
        response = b"".join(iter(lambda: connection.recv(4096), b""))
    assert value not in response
    assert rest.get("/healthz").status_code == 200


def test_a_repeated_idempotency_key_charges_once_and_the_replay_has_a_header(rest: httpx.Client) -> None:
    body, key = charge_body(), {"Idempotency-Key": new_request_id()}
    first, second = (rest.post("/v1/payments/charge", json=body, headers=key) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert total(rest, body["order_id"]) == 1
    third = rest.post(
        "/v2/payments:charge",
        json={"orderId": str(body["order_id"]), "amount": {"units": "561"}},
        headers=key,
    )
    assert third.json()["payment"]["reference"] == first.json()["reference"]
    assert third.headers["idempotency-replayed"] == "true"


def test_a_key_with_another_body_is_422_in_v1_and_409_in_v2(rest: httpx.Client) -> None:
    key = {"Idempotency-Key": new_request_id()}
    body = charge_body()
    assert rest.post("/v1/payments/charge", json=body, headers=key).status_code == 201
    reused = rest.post("/v1/payments/charge", json={**body, "amount": 562}, headers=key)
    assert reused.status_code == 422
    assert reused.json()["detail"][0]["loc"] == ["header", "idempotency-key"]
    again = {"orderId": str(body["order_id"]), "amount": {"units": "562"}}
    second = rest.post("/v2/payments:charge", json=again, headers=key)
    assert (second.status_code, second.json()["code"]) == (409, 6)
    assert total(rest, body["order_id"]) == 1


@pytest.mark.parametrize("key", [b"", b"x" * 256, b"caf\xe9", b"a\tb"])
def test_an_invalid_idempotency_key_is_rejected(rest: httpx.Client, key: bytes) -> None:
    headers = {b"Idempotency-Key": key}
    first = rest.post("/v1/payments/charge", json=charge_body(), headers=headers)
    assert (first.status_code, first.json()["detail"][0]["loc"]) == (422, ["header", "idempotency-key"])
    second = rest.post("/v2/payments:charge", json={"orderId": "1", "amount": {"units": "1"}}, headers=headers)
    assert second.status_code == 400
    assert "Idempotency-Key" in second.text


def test_a_repeated_v1_refund_refunds_once_with_any_key(rest: httpx.Client) -> None:
    body = charge_body()
    rest.post("/v1/payments/charge", json=body)
    payment_id = rest.get("/v1/payments", params={"order_id": str(body["order_id"])}).json()["items"][0]["payment_id"]
    key = {"Idempotency-Key": new_request_id()}
    path = f"/v1/payments/{payment_id}/refund"
    responses = [rest.post(path, headers=key), rest.post(path, headers=key), rest.post(path)]
    responses.append(rest.post(path, headers={"Idempotency-Key": new_request_id()}))
    assert {response.text for response in responses} == {responses[0].text}
    assert [response.headers.get("idempotency-replayed") for response in responses] == [None, "true", None, None]
    assert len(rest.get(f"/v2/payments/{payment_id}").json()["refunds"]) == 1


def test_a_full_v1_refund_after_a_partial_one_shows_the_whole_charge(rest: httpx.Client) -> None:
    payment = rest.post("/v2/payments:charge", json={"orderId": "1", "amount": {"units": "100"}}).json()["payment"]
    rest.post(f"/v2/payments/{payment['paymentId']}:refund", json={"amount": {"units": "30"}})
    refunded = rest.post(f"/v1/payments/{payment['paymentId']}/refund").json()
    assert refunded["amount"] == 100.0
    amounts = [item["amount"]["units"] for item in rest.get(f"/v2/payments/{payment['paymentId']}").json()["refunds"]]
    assert amounts == ["30", "70"]


def test_times_are_shown_and_filtered_to_the_second(rest: httpx.Client) -> None:
    body = charge_body()
    rest.post("/v1/payments/charge", json=body)
    parameters = {"order_id": str(body["order_id"])}
    shown = rest.get("/v1/payments", params=parameters).json()["items"][0]["created_at"]
    assert len(shown) == len("2025-02-07T05:28:54")
    bounds = {"start_date": shown, "end_date": shown.replace("T", " ")}
    assert rest.get("/v1/payments", params=parameters | bounds).json()["total"] == 1


@pytest.mark.parametrize(("amount", "charged"), [("0.005", 0.01), (561.005, 561.01), ("1.115", 1.12), (2.675, 2.68)])
def test_an_amount_with_more_than_two_decimals_is_rounded_half_up(
    rest: httpx.Client, amount: object, charged: float
) -> None:
    body = charge_body(amount=amount)
    assert rest.post("/v1/payments/charge", json=body).status_code == 201
    listed = rest.get("/v1/payments", params={"order_id": str(body["order_id"])}).json()["items"]
    assert [item["amount"] for item in listed] == [charged]


def test_a_long_response_is_compressed_on_request(rest: httpx.Client) -> None:
    for _ in range(20):
        rest.post("/v1/payments/charge", json=charge_body())
    plain = rest.get("/v1/payments?per_page=20", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    with rest.stream("GET", "/v1/payments?per_page=20", headers={"Accept-Encoding": "gzip"}) as compressed:
        raw = b"".join(compressed.iter_raw())
    assert compressed.headers["content-encoding"] == "gzip"
    assert json.loads(gzip.decompress(raw))["items"]
    assert "content-encoding" not in rest.get("/healthz", headers={"Accept-Encoding": "gzip"}).headers


@pytest.mark.parametrize("path", ["/v1/payments/charge", "/v1/payments/1/refund", "/v2/payments:charge", "/nope"])
def test_a_content_length_of_100_megabytes_is_rejected_before_the_body_is_read(
    approving_service: RunningService, path: str
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", approving_service.rest_port, timeout=10)
    connection.putrequest("POST", path)
    connection.putheader("Content-Length", str(100 << 20))
    connection.putheader("Content-Type", "application/json")
    connection.endheaders(b"{")
    response = connection.getresponse()
    assert response.status == 413
    assert set(json.loads(response.read())) == ({"detail"} if "v2" not in path else {"code", "message", "details"})
    connection.close()


def test_a_chunked_body_of_100_megabytes_is_rejected_before_its_end(rest: httpx.Client) -> None:
    chunk = b" " * (1 << 20)
    try:
        response = rest.post("/v1/payments/charge", content=(chunk for _ in range(100)))
    except httpx.WriteError:
        return  # the server may close the connection before it has the whole body
    assert response.status_code == 413


def test_a_slow_body_times_out_and_blocks_nobody(start_service: Callable[..., RunningService]) -> None:
    running = start_service(REST_BODY_TIMEOUT_SECONDS=str(SLOW_SECONDS))
    slow = [socket.create_connection(("127.0.0.1", running.rest_port), 30) for _ in range(50)]
    for path, connection in zip(("/v1/payments/charge", "/v2/payments:charge") * 25, slow, strict=True):
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 40\r\n\r\n"
        connection.sendall(head.encode() + b"{")
    with httpx.Client(base_url=running.rest_url) as rest:
        assert rest.post("/v1/payments/charge", json=charge_body()).status_code == 201
    for connection in slow:
        assert connection.recv(4096).startswith(b"HTTP/1.1 408")
        connection.close()


def test_calls_above_the_limit_get_a_retry_delay(
    start_service: Callable[..., RunningService], lock_payment_rows: LockPaymentRows
) -> None:
    running = start_service(MAX_CONCURRENT_CALLS="1")
    with (
        grpc.insecure_channel(running.target) as channel,
        httpx.Client(base_url=running.rest_url, timeout=30) as rest,
        ThreadPoolExecutor(1) as threads,
    ):
        payment_id = GrpcDriver(channel).charge(charge()).payment.payment_id
        with lock_payment_rows() as wait_until_blocked:
            refund_call = threads.submit(rest.post, f"/v1/payments/{payment_id}/refund")
            wait_until_blocked(refund_call)
            rejected = rest.get("/v1/payments")
            assert (rejected.status_code, list(rejected.json())) == (429, ["detail"])
            assert int(rejected.headers["retry-after"]) >= 1
            second = rest.get("/v2/payments")
            assert (second.status_code, second.json()["code"]) == (429, 8)
            assert rest.get("/healthz").status_code == 200
        assert refund_call.result().status_code == 200


POST = b"POST /v1/payments/charge HTTP/1.1\r\nHost: x\r\n"
HOSTILE_REQUESTS = [
    b"GET /v1/payments/..%2f..%2fetc HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /v2/payments/../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /v2/payments/%00 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /v2/payments/by-reference/%0d%0aX-Evil:%201 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /v2/payments/by-reference/a%2Fb HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /v1/payments?method=%0d%0aX-Evil:%201 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /v1/payments/?x=%0d%0aX-Evil:%201 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /v1/payments?start_date=%00 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /v1/payments?method=%ED%A0%80 HTTP/1.1\r\nHost: x\r\n\r\n",
    POST + b"Idempotency-Key: a\r\nIdempotency-Key: b\r\nContent-Length: 0\r\n\r\n",
    POST + b'Content-Type: application/json\r\nContent-Length: 27\r\n\r\n{"order_id":"\\ud800","a":1}',
    b"POST /v2/payments/1:refund/ HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET http://elsewhere/v1/payments HTTP/1.1\r\nHost: x\r\n\r\n",
]


@pytest.mark.parametrize("request_", HOSTILE_REQUESTS, ids=lambda request_: str(request_[:60]))
def test_hostile_requests_get_a_harmless_response(
    rest: httpx.Client, approving_service: RunningService, request_: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", approving_service.rest_port), 10) as connection:
        connection.sendall(request_)
        response = connection.recv(65536)
    head = response.partition(b"\r\n\r\n")[0]
    assert response.startswith(b"HTTP/1.1 ")
    assert not response.startswith(b"HTTP/1.1 5")
    assert b"X-Evil: 1" not in head
    assert rest.get("/healthz").status_code == 200


def test_100000_arbitrary_bytes_do_no_harm(rest: httpx.Client, approving_service: RunningService) -> None:
    noise = bytes(range(256)) * 400
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", approving_service.rest_port), 10) as connection:
            try:
                connection.sendall(noise)
                connection.recv(4096)
            except OSError:
                pass  # the server closed the connection before it had all bytes
    assert rest.get("/readyz").status_code == 200


def test_on_sigterm_calls_in_flight_complete_and_new_ones_are_rejected(
    start_service: Callable[..., RunningService], lock_payment_rows: LockPaymentRows
) -> None:
    running = start_service()
    with (
        grpc.insecure_channel(running.target) as channel,
        httpx.Client(base_url=running.rest_url, timeout=30) as rest,
        ThreadPoolExecutor(1) as threads,
    ):
        payment_id = GrpcDriver(channel).charge(charge()).payment.payment_id
        with lock_payment_rows() as wait_until_blocked:
            refund_call = threads.submit(rest.post, f"/v1/payments/{payment_id}/refund")
            wait_until_blocked(refund_call)
            running.send(signal.SIGTERM)
            running.wait_for("draining")
            assert rest.get("/readyz").status_code == 503
            assert rest.get("/v1/payments").status_code == 503
        assert refund_call.result().status_code == 200
    assert running.wait() == 0
    assert [event for event in running.events if event["level"] != "info"] == []
