"""Pages of other origins in a real browser cannot write."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page

from tests.support.drivers.chromium import TIMEOUT_MILLISECONDS, chromium
from tests.support.drivers.requests import new_order_id, new_request_id
from tests.support.running_service import RunningService

# The first test may have to install the browser.
pytestmark = pytest.mark.timeout(900)

NAME = "pages.test"
"""A DNS name that resolves to this machine in the browser only. Requests to it have no Sec-Fetch-Site header."""

SEND_FORM = """([url, encoding, fields]) => {
    const form = document.body.appendChild(document.createElement("form"));
    form.action = url;
    form.method = "post";
    form.enctype = encoding;
    for (const [name, value] of Object.entries(fields)) {
        const input = form.appendChild(document.createElement("input"));
        input.name = name;
        input.value = value;
    }
    form.submit();
}"""
FETCH = """async ([url, body, options]) => {
    try {
        const sent = body === null ? undefined : options.headers ? body : new Blob([body]);
        const response = await fetch(url, {method: "POST", body: sent, ...options});
        return [response.type, response.status, response.type === "opaque" ? "" : await response.text()];
    } catch (error) {
        return ["error", 0, String(error)];
    }
}"""
ADD_SANDBOX = """() => new Promise((resolve) => {
    const frame = document.createElement("iframe");
    frame.sandbox = "allow-scripts";
    frame.srcdoc = "<!DOCTYPE html>";
    frame.onload = resolve;
    document.body.appendChild(frame);
})"""
WATCH = """(url) => new Promise((resolve, reject) => {
    const events = new EventSource(url);
    window.seen = [];
    events.onmessage = (message) => { window.seen.push(JSON.parse(message.data)); resolve(); };
    events.onerror = () => reject(new Error("the stream failed"));
})"""


class _BlankPage(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"<!DOCTYPE html><title>a page</title>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def pages_port() -> Iterator[int]:
    """The port of a server on this machine that serves blank pages."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _BlankPage) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(f"--host-resolver-rules=MAP {NAME} 127.0.0.1") as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    context.set_default_timeout(TIMEOUT_MILLISECONDS)
    yield context.new_page()
    context.close()


@pytest.fixture
def rest(approving_service: RunningService) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=approving_service.rest_url, timeout=30) as client:
        yield client


def list_order(rest: httpx.Client, order_id: int) -> list[Any]:
    return list(rest.get("/v1/payments", params={"order_id": order_id}).json()["items"])


def charge_body(path: str, order_id: int) -> str:
    if path.startswith("/v1"):
        return json.dumps({"order_id": order_id, "amount": 5})
    charge = {"orderId": str(order_id), "amount": {"units": "5"}}
    return json.dumps({"charges": [charge]} if path.endswith("batchCharge") else charge)


CHARGES = ["/v1/payments/charge", "/v2/payments:charge", "/v2/payments:batchCharge"]
REFUNDS = ["/v1/payments/{}/refund", "/v2/payments/{}:refund"]
PAGES = ["localhost", "127.0.0.1", NAME]
"""Hosts of pages: a different site than the service, the same site, and the name without Sec-Fetch-Site."""

SERVICES = ["127.0.0.1", NAME]
"""Hosts that a page uses for the service: with and without Sec-Fetch-Site."""


@pytest.mark.parametrize("path", CHARGES)
@pytest.mark.parametrize("host", PAGES)
@pytest.mark.parametrize("service_host", SERVICES)
def test_a_blob_of_another_origin_cannot_charge(
    rest: httpx.Client,
    approving_service: RunningService,
    page: Page,
    pages_port: int,
    path: str,
    host: str,
    service_host: str,
) -> None:
    page.goto(f"http://{host}:{pages_port}/")
    order_id = new_order_id()
    url = f"http://{service_host}:{approving_service.rest_port}{path}"
    for mode in ("no-cors", "cors"):
        page.evaluate(FETCH, [url, charge_body(path, order_id), {"mode": mode}])
    with_type = {"headers": {"Content-Type": "application/json"}}
    assert page.evaluate(FETCH, [url, charge_body(path, order_id), with_type])[0] == "error"
    assert list_order(rest, order_id) == []


@pytest.mark.parametrize("path", REFUNDS)
@pytest.mark.parametrize("host", PAGES)
def test_a_form_of_another_origin_cannot_refund(
    rest: httpx.Client, approving_service: RunningService, page: Page, pages_port: int, path: str, host: str
) -> None:
    order_id = new_order_id()
    rest.post("/v1/payments/charge", json={"order_id": order_id, "amount": 5})
    url = approving_service.rest_url + path.format(list_order(rest, order_id)[0]["payment_id"])
    for encoding in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        page.goto(f"http://{host}:{pages_port}/")
        with page.expect_navigation() as navigation:
            page.evaluate(SEND_FORM, [url, encoding, {}])
        assert navigation.value is not None
        assert navigation.value.status == 403
    assert not list_order(rest, order_id)[0]["refunded"]


def test_a_form_of_another_origin_cannot_charge(
    rest: httpx.Client, approving_service: RunningService, page: Page, pages_port: int
) -> None:
    order_id = new_order_id()
    for path in CHARGES:
        page.goto(f"http://localhost:{pages_port}/")
        name, value = charge_body(path, order_id)[:-1] + ',"x":"', '"}'
        with page.expect_navigation() as navigation:
            page.evaluate(SEND_FORM, [approving_service.rest_url + path, "text/plain", {name: value}])
        assert navigation.value is not None
        assert navigation.value.status == 403
    assert list_order(rest, order_id) == []


def test_a_sandbox_cannot_charge(
    rest: httpx.Client, approving_service: RunningService, page: Page, pages_port: int
) -> None:
    """Test ``Origin: null``, which the browser sends for a sandbox."""
    order_id = new_order_id()
    page.goto(f"http://{NAME}:{pages_port}/")
    page.evaluate(ADD_SANDBOX)
    url = f"http://{NAME}:{approving_service.rest_port}/v1/payments/charge"
    page.frames[-1].evaluate(FETCH, [url, charge_body("/v1", order_id), {"mode": "no-cors"}])
    assert list_order(rest, order_id) == []


@pytest.mark.parametrize("path", CHARGES)
def test_a_page_cannot_charge_by_dns_rebinding(
    rest: httpx.Client, approving_service: RunningService, page: Page, path: str
) -> None:
    """Test DNS rebinding: to the browser, the page and the service have the same origin."""
    order_id = new_order_id()
    page.goto(f"http://{NAME}:{approving_service.rest_port}/healthz")
    with_type = {"headers": {"Content-Type": "application/json"}}
    kind, status, text = page.evaluate(FETCH, [path, charge_body(path, order_id), with_type])
    assert (kind, status) == ("basic", 403)
    assert f"http://{NAME}:{approving_service.rest_port}" in text
    assert list_order(rest, order_id) == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_services_own_pages_can_charge(
    rest: httpx.Client, approving_service: RunningService, page: Page, host: str
) -> None:
    page.goto(f"http://{host}:{approving_service.rest_port}/docs")
    for path in CHARGES:
        order_id = new_order_id()
        with_type = {"headers": {"Content-Type": "application/json"}}
        kind, status, _ = page.evaluate(FETCH, [path, charge_body(path, order_id), with_type])
        assert (kind, status) in {("basic", 200), ("basic", 201)}
        assert len(list_order(rest, order_id)) == 1


@pytest.mark.parametrize("host", PAGES)
@pytest.mark.parametrize("service_host", SERVICES)
def test_a_page_of_an_allowed_origin_can_charge_and_watch(
    start_service: Callable[..., RunningService], page: Page, pages_port: int, host: str, service_host: str
) -> None:
    running = start_service(CORS_ALLOWED_ORIGINS=f"http://{host}:{pages_port}", SUCCESS_PROBABILITY="1")
    url = f"http://{service_host}:{running.rest_port}"
    page.goto(f"http://{host}:{pages_port}/")
    page.evaluate(WATCH, f"{url}/v2/payments:watch")
    with httpx.Client(base_url=running.rest_url, timeout=30) as rest:
        for path in CHARGES:
            order_id = new_order_id()
            with_type = {"headers": {"Content-Type": "application/json", "Idempotency-Key": new_request_id()}}
            kind, status, text = page.evaluate(FETCH, [url + path, charge_body(path, order_id), with_type])
            assert kind == "cors", text
            assert status in {200, 201}, text
            assert len(list_order(rest, order_id)) == 1
    page.wait_for_function("window.seen.filter((it) => it.event).length === 3")
