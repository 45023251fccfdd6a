"""Writes that a browser sends on behalf of a page of another origin are rejected, over a real socket."""

import http.client
import json
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.certificates import Authority
from tests.support.drivers.requests import new_order_id, new_request_id
from tests.support.running_service import RunningService

StartService = Callable[..., RunningService]
Headers = list[tuple[str, str]]

EVIL = "https://evil.example"
SHOP = "https://shop.example.com"


@dataclass
class Response:
    """The parts of a response that the tests check."""

    status: int
    headers: dict[str, str]
    body: Any


@dataclass
class Page:
    """The headers that a browser adds to the requests of a page, and the content type of its bodies."""

    headers: Headers
    content_type: str | None = "application/json"


@dataclass
class Target:
    """A request that writes, and a check for its effect."""

    path: str
    body: dict[str, Any] | None
    took_effect: Callable[[], bool] = field(compare=False)


def send(running: RunningService, method: str, path: str, body: bytes | None, headers: Headers) -> Response:
    connection = http.client.HTTPConnection("127.0.0.1", running.rest_port, timeout=30)
    has_host = any(name.lower() == "host" for name, _ in headers)
    connection.putrequest(method, path, skip_host=has_host, skip_accept_encoding=True)
    for name, value in headers:
        connection.putheader(name, value.encode("latin-1"))
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    response = connection.getresponse()
    text = response.read()
    connection.close()
    is_json = response.getheader("content-type") == "application/json"
    received = {name.lower(): value for name, value in response.getheaders()}
    return Response(response.status, received, json.loads(text) if is_json else text)


def post(running: RunningService, target: Target, page: Page) -> Response:
    kind = [] if page.content_type is None else [("Content-Type", page.content_type)]
    body = None if target.body is None else json.dumps(target.body).encode()
    return send(running, "POST", target.path, body, [*kind, *page.headers])


TARGETS = ["/v1 charge", "/v1 refund", "/v2 charge", "/v2 batch", "/v2 refund"]


@pytest.fixture
def targets(approving_service: RunningService) -> Iterator[Callable[[str], Target]]:
    with httpx.Client(base_url=approving_service.rest_url, timeout=30) as rest:

        def has_payments(order_id: int) -> bool:
            return bool(rest.get("/v1/payments", params={"order_id": order_id}).json()["total"])

        def make(name: str) -> Target:
            order_id = new_order_id()
            amount = {"currencyCode": "INR", "units": "5"}
            match name.split():
                case ["/v1", "charge"]:
                    body: dict[str, Any] | None = {"order_id": order_id, "amount": 5}
                    return Target("/v1/payments/charge", body, lambda: has_payments(order_id))
                case ["/v2", "charge"]:
                    body = {"orderId": str(order_id), "amount": amount}
                    return Target("/v2/payments:charge", body, lambda: has_payments(order_id))
                case ["/v2", "batch"]:
                    body = {"charges": [{"orderId": str(order_id), "amount": amount}]}
                    return Target("/v2/payments:batchCharge", body, lambda: has_payments(order_id))
                case [version, _]:
                    body = {"orderId": str(order_id), "amount": amount}
                    payment_id = rest.post("/v2/payments:charge", json=body).json()["payment"]["paymentId"]
                    path, body = (
                        (f"/v1/payments/{payment_id}/refund", None)
                        if version == "/v1"
                        else (f"/v2/payments/{payment_id}:refund", {})
                    )
                    return Target(
                        path, body, lambda: bool(rest.get(f"/v2/payments/{payment_id}").json().get("refunds"))
                    )
                case _:
                    raise AssertionError(name)

        yield make


FOREIGN_PAGES = {
    "a script": Page([("Origin", EVIL)]),
    "a form": Page([("Origin", EVIL), ("Sec-Fetch-Site", "cross-site")], "text/plain"),
    "a Blob without a type": Page([("Origin", EVIL), ("Sec-Fetch-Site", "cross-site")], None),
    "an old browser's Blob without a type": Page([("Origin", EVIL)], None),
    "no origin": Page([("Sec-Fetch-Site", "cross-site")], None),
    "the same site": Page([("Sec-Fetch-Site", "same-site")], None),
    "a sandbox": Page([("Origin", "null")], None),
    "the same host, another port": Page([("Origin", "http://127.0.0.1:1")], None),
    "two origins": Page([("Origin", EVIL), ("Origin", EVIL)], None),
    "not a URL": Page([("Origin", "%\xff")], None),
    "DNS rebinding": Page([("Host", "evil.example"), ("Origin", "http://evil.example")], None),
}


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("page", FOREIGN_PAGES.values(), ids=FOREIGN_PAGES)
def test_a_page_of_another_origin_changes_nothing(
    approving_service: RunningService, targets: Callable[[str], Target], name: str, page: Page
) -> None:
    target = targets(name)
    response = post(approving_service, target, page)
    assert response.status == 403
    if target.path.startswith("/v1"):
        assert response.body.keys() == {"detail"}
        message = response.body["detail"]
    else:
        message = response.body["message"]
        (info,) = response.body["details"]
        assert (response.body["code"], info["reason"], info["domain"]) == (7, "ORIGIN_NOT_ALLOWED", "payments")
        assert info["metadata"]["call_id"] == response.headers["x-request-id"]
    assert "CORS_ALLOWED_ORIGINS" in message
    assert not any(header.startswith("access-control-") for header in response.headers)
    assert not target.took_effect()


OTHER_CALLERS = {
    "no browser": Page([]),
    "no browser and no type": Page([], None),
    "its own page": Page([("Host", "localhost:8001"), ("Origin", "http://localhost:8001")]),
    "its own page, in a newer browser": Page([("Origin", EVIL), ("Sec-Fetch-Site", "same-origin")]),
    "its own page, with TLS up to a proxy": Page([("Host", "pay.example.com"), ("Origin", "https://pay.example.com")]),
    "a typed address": Page([("Sec-Fetch-Site", "none")]),
}


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("page", OTHER_CALLERS.values(), ids=OTHER_CALLERS)
def test_other_callers_and_the_services_own_pages_can_write(
    approving_service: RunningService, targets: Callable[[str], Target], name: str, page: Page
) -> None:
    target = targets(name)
    assert post(approving_service, target, page).status in {200, 201}
    assert target.took_effect()


def test_pages_at_the_address_of_the_service_can_write(approving_service: RunningService) -> None:
    own = Page([("Origin", approving_service.rest_url)])
    target = Target("/v1/payments/charge", {"order_id": 1, "amount": 5}, lambda: True)
    assert post(approving_service, target, own).status == 201


def test_pages_of_other_origins_cannot_use_the_browsers_certificate(
    start_service: StartService, tmp_path: Path
) -> None:
    services, clients = Authority(), Authority()
    certificate, key = services.issue(dns=["localhost"]).write(tmp_path, "server")
    trusted = tmp_path / "clients.pem"
    trusted.write_bytes(clients.certificate)
    files = {"TLS_CERT_FILE": certificate, "TLS_KEY_FILE": key, "TLS_CLIENT_CA_FILE": trusted}
    running = start_service(**{name: str(path) for name, path in files.items()})
    context = ssl.create_default_context(cadata=services.certificate.decode())
    context.load_cert_chain(*clients.issue(dns=["desk.example.com"]).write(tmp_path, "client"))
    own = f"localhost:{running.rest_port}"
    with httpx.Client(base_url=f"https://{own}", verify=context, timeout=30) as browser:

        def charge(**headers: str) -> int:
            renamed = {name.replace("_", "-"): value for name, value in headers.items()}
            return browser.post("/v1/payments/charge", json={"order_id": 1, "amount": 5}, headers=renamed).status_code

        assert charge() == charge(Origin=f"https://{own}") == charge(Sec_Fetch_Site="same-origin") == 201
        # Without TLS, anyone on the network path can serve a page under the same name.
        assert charge(Origin=EVIL) == charge(Origin=f"http://{own}") == charge(Sec_Fetch_Site="same-site") == 403


@pytest.mark.parametrize("path", ["/v1/payments/charge", "/v2/payments:charge", "/healthz", "/nothing", "/v2/nothing"])
def test_a_cross_site_request_is_rejected_before_its_body(approving_service: RunningService, path: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", approving_service.rest_port, timeout=30)
    connection.putrequest("POST", path)
    connection.putheader("Origin", EVIL)
    connection.putheader("Content-Length", "1000")
    connection.endheaders()
    assert connection.getresponse().status == 403
    connection.close()


@pytest.mark.parametrize("path", ["/v1/payments", "/v2/payments", "/healthz", "/docs", "/openapi.json"])
def test_reads_succeed_but_grant_no_access_to_pages_of_other_origins(
    approving_service: RunningService, path: str
) -> None:
    response = send(approving_service, "GET", path, None, [("Origin", EVIL), ("Sec-Fetch-Site", "cross-site")])
    assert response.status == 200
    assert not any(header.startswith("access-control-") for header in response.headers)


def preflight(page: str, method: str = "POST") -> Headers:
    return [
        ("Origin", page),
        ("Access-Control-Request-Method", method),
        ("Access-Control-Request-Headers", "content-type,idempotency-key"),
    ]


@pytest.mark.parametrize("path", ["/v1/payments/charge", "/v2/payments:charge", "/v1/payments", "/nothing"])
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_no_origin_is_allowed_by_default(approving_service: RunningService, path: str, method: str) -> None:
    response = send(approving_service, "OPTIONS", path, None, preflight(SHOP, method))
    assert response.status == 403
    assert not any(header.startswith("access-control-") for header in response.headers)


def charge_as(running: RunningService, page: Page, path: str = "/v1/payments/charge") -> Response:
    order = {"order_id": new_order_id(), "amount": 5}
    second = {"orderId": str(order["order_id"]), "amount": {"units": "5"}}
    return post(running, Target(path, order if path.startswith("/v1") else second, lambda: True), page)


@pytest.fixture
def allowing_service(start_service: StartService) -> RunningService:
    return start_service(CORS_ALLOWED_ORIGINS=f"{SHOP}, http://desk.example.com:3000")


@pytest.mark.parametrize("path", ["/v1/payments/charge", "/v2/payments:charge"])
def test_a_configured_origin_can_call_and_read_the_response(allowing_service: RunningService, path: str) -> None:
    for page in (SHOP, "http://desk.example.com:3000"):
        preflight_response = send(allowing_service, "OPTIONS", path, None, preflight(page))
        assert (preflight_response.status, preflight_response.headers["access-control-allow-origin"]) == (200, page)
        sent = Page([("Origin", page), ("Sec-Fetch-Site", "cross-site")])
        charged = charge_as(allowing_service, sent, path)
        assert charged.status in {200, 201}
        assert charged.headers["access-control-allow-origin"] == page
        listed = send(allowing_service, "GET", "/v1/payments", None, sent.headers)
        assert (listed.status, listed.headers["access-control-allow-origin"]) == (200, page)
    for page in (EVIL, "http://desk.example.com", "null"):
        assert send(allowing_service, "OPTIONS", path, None, preflight(page)).status == 403
        assert charge_as(allowing_service, Page([("Origin", page)]), path).status == 403
        listed = send(allowing_service, "GET", "/v1/payments", None, [("Origin", page)])
        assert listed.status == 200
        assert "access-control-allow-origin" not in listed.headers


def test_a_configured_origin_can_send_any_header_but_no_cookies_or_client_certificates(
    allowing_service: RunningService,
) -> None:
    asked = "authorization,idempotency-key,last-event-id,x-api-key,x-request-id"
    headers = [("Origin", SHOP), ("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Headers", asked)]
    preflight_response = send(allowing_service, "OPTIONS", "/v2/payments:charge", None, headers)
    allowed = preflight_response.headers["access-control-allow-headers"].split(",")
    assert {name.strip().lower() for name in allowed} >= set(asked.split(","))
    listed = send(allowing_service, "GET", "/v2/payments", None, [("Origin", SHOP)])
    exposed = listed.headers["access-control-expose-headers"].split(", ")
    assert set(exposed) == {"x-request-id", "idempotency-replayed", "retry-after", "www-authenticate"}
    for response in (preflight_response, listed):
        assert "access-control-allow-credentials" not in response.headers


def test_every_origin_can_call_if_the_setting_is_a_star(start_service: StartService) -> None:
    running = start_service(CORS_ALLOWED_ORIGINS="*")
    preflight_response = send(running, "OPTIONS", "/v1/payments/charge", None, preflight(EVIL))
    assert (preflight_response.status, preflight_response.headers["access-control-allow-origin"]) == (200, "*")
    for page in FOREIGN_PAGES.values():
        charged = charge_as(running, Page(page.headers), "/v2/payments:charge")
        assert charged.status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([("Idempotency-Key", "a"), ("Idempotency-Key", "b")], 400),
        ([("Content-Length", str(100 << 20))], 413),
        ([("Authorization", "Bearer nonsense")], 401),
    ],
)
@pytest.mark.parametrize("path", ["/v1/payments/charge", "/v2/payments:charge"])
def test_an_allowed_page_can_read_the_reason_of_a_rejection(
    allowing_service: RunningService, path: str, headers: Headers, status: int
) -> None:
    response = send(allowing_service, "POST", path, None, [("Origin", SHOP), *headers])
    assert response.status == status
    assert response.headers["access-control-allow-origin"] == SHOP
    assert "x-request-id" in response.headers["access-control-expose-headers"]


def wait_for_event(running: RunningService, name: str) -> dict[str, Any]:
    deadline = time.monotonic() + 20
    while True:
        for event in running.events:
            if event.get("request_id") == name:
                return event
        assert time.monotonic() < deadline
        time.sleep(0.05)


def rejections(running: RunningService) -> dict[str, int]:
    """Return the number of rejected requests by RPC, from the metrics."""
    found = {}
    for line in httpx.get(f"{running.rest_url}/metrics").text.splitlines():
        if line.startswith("payments_call_errors_total{") and 'reason="ORIGIN_NOT_ALLOWED"' in line:
            rpc = line.partition('rpc="')[2].partition('"')[0]
            found[rpc] = int(float(line.rpartition(" ")[2]))
    return found


def test_rejections_are_counted_and_logged_with_their_origin(start_service: StartService) -> None:
    running = start_service()
    assert set(rejections(running).values()) == {0}
    rejected_requests: list[tuple[str, str, str, Headers]] = [
        ("POST", "/v1/payments/charge", "Charge", [("Origin", EVIL)]),
        ("POST", "/v1/payments/7/refund", "Refund", [("Origin", EVIL), ("Sec-Fetch-Site", "cross-site")]),
        ("POST", "/v2/payments:charge", "Charge", [("Sec-Fetch-Site", "same-site")]),
        ("POST", "/v2/payments/7:refund", "Refund", [("Origin", "null")]),
        ("OPTIONS", "/v2/payments:batchCharge", "BatchCharge", preflight(EVIL)),
        ("OPTIONS", "/v2/payments", "ListPayments", preflight(EVIL, "GET")),
        ("POST", "/v2/payments/by-reference/secret", "", [("Origin", EVIL)]),
        ("DELETE", "/nothing", "", [("Origin", EVIL)]),
    ]
    for method, path, rpc, headers in rejected_requests:
        name = new_request_id()
        assert send(running, method, path, None, [*headers, ("X-Request-Id", name)]).status == 403
        event = wait_for_event(running, name)
        sent = dict(headers)
        assert (event["event"], event["level"], event["rpc"]) == ("cross_site_refused", "warning", rpc)
        assert (event["origin"], event["sec_fetch_site"]) == (sent.get("Origin", ""), sent.get("Sec-Fetch-Site", ""))
        assert event["peer"].startswith("127.0.0.1:")
        assert "secret" not in json.dumps(event)
    counted = {rpc: count for rpc, count in rejections(running).items() if count}
    assert counted == {"Charge": 2, "Refund": 2, "BatchCharge": 1, "ListPayments": 1}
    assert not any(event["event"] == "call" for event in running.events)


def test_a_logged_origin_is_short_and_printable(start_service: StartService) -> None:
    running = start_service()
    name = new_request_id()
    hostile = "https://\xe9\t" + "x" * 5000 + " 4111 1111 1111 1111"
    assert (
        send(running, "POST", "/v1/payments/charge", None, [("Origin", hostile), ("X-Request-Id", name)]).status == 403
    )
    event = wait_for_event(running, name)
    assert len(event["origin"]) <= 200
    assert event["origin"].isascii()
    assert event["origin"].isprintable()
    other = new_request_id()
    number = [("Origin", "https://4111111111111111"), ("X-Request-Id", other)]
    response = send(running, "POST", "/v1/payments/charge", None, number)
    assert "4111" not in wait_for_event(running, other)["origin"]
    assert "4111" not in response.body["detail"]
