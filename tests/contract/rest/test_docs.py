"""The Swagger UI and ReDoc pages, in a browser that can reach only the service."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Route, expect

from tests.support.drivers.chromium import TIMEOUT_MILLISECONDS, chromium
from tests.support.running_service import RunningService
from tools.dev.generate import DOCUMENT, ROOT

# The first test may have to install the browser.
pytestmark = pytest.mark.timeout(900)

OPERATIONS = (
    "/v2/payments:charge",
    "/v2/payments/{payment_id}:refund",
    "/v2/payments/by-reference/{reference}",
    "/v1/payments/charge",
    "/v1/payments/{payment_id}/refund",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@dataclass
class Visit:
    """A page, its blocked requests to other hosts, and its console errors."""

    page: Page
    blocked_urls: list[str] = field(default_factory=list)
    console_errors: list[str] = field(default_factory=list)


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    context = browser.new_context()
    context.set_default_timeout(TIMEOUT_MILLISECONDS)
    visit = Visit(context.new_page())

    def is_external(url: str) -> bool:
        parts = urlsplit(url)
        return parts.scheme not in {"data", "blob"} and parts.hostname != "127.0.0.1"

    def record_external(request: Request) -> None:
        if is_external(request.url):
            visit.blocked_urls.append(request.url)

    def block_external(route: Route) -> None:
        if is_external(route.request.url):
            route.abort()
        else:
            route.continue_()

    def record_error(message: ConsoleMessage) -> None:
        if message.type == "error":
            visit.console_errors.append(message.text)

    context.route("**/*", block_external)
    context.on("request", record_external)
    visit.page.on("console", record_error)
    visit.page.on("pageerror", lambda error: visit.console_errors.append(str(error)))
    yield visit
    context.close()


def test_swagger_ui_shows_the_operations_without_requests_to_other_hosts(service: RunningService, visit: Visit) -> None:
    visit.page.goto(f"{service.rest_url}/docs")
    for operation in OPERATIONS:
        expect(visit.page.locator(f'[data-path="{operation}"]')).to_be_visible(timeout=TIMEOUT_MILLISECONDS)
    expect(visit.page.get_by_text("Charges orders, refunds payments, and looks them up.")).to_be_visible()
    visit.page.wait_for_load_state("networkidle")
    assert (visit.blocked_urls, visit.console_errors) == ([], [])


def test_redoc_shows_the_operations_without_requests_to_other_hosts(service: RunningService, visit: Visit) -> None:
    visit.page.goto(f"{service.rest_url}/redoc")
    for operation in OPERATIONS:
        expect(visit.page.get_by_text(operation, exact=True).first).to_be_attached(timeout=TIMEOUT_MILLISECONDS)
    heading = visit.page.get_by_role("heading", name="Charges an order: submits the charge to the payment processor")
    expect(heading.first).to_be_visible()
    visit.page.wait_for_load_state("networkidle")
    assert (visit.blocked_urls, visit.console_errors) == ([], [])


@pytest.mark.parametrize(
    ("path", "status", "response"),
    [("/v1/payments/charge", "201", '"reference"'), ("/v2/payments:charge", "200", '"paymentId"')],
)
def test_a_charge_can_be_tried_out_in_swagger_ui(
    service: RunningService, visit: Visit, path: str, status: str, response: str
) -> None:
    visit.page.goto(f"{service.rest_url}/docs")
    operation = visit.page.locator(".opblock-post").filter(has=visit.page.locator(f'[data-path="{path}"]'))
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()

    responses_table = operation.locator(".live-responses-table")
    expect(responses_table.locator("tbody .response-col_status")).to_contain_text(status, timeout=TIMEOUT_MILLISECONDS)
    expect(responses_table).to_contain_text(response)
    assert (visit.blocked_urls, visit.console_errors) == ([], [])


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/openapi.json", "application/json"),
        ("/docs", "text/html; charset=utf-8"),
        ("/redoc", "text/html; charset=utf-8"),
        ("/docs/assets/swagger-ui.css", "text/css; charset=utf-8"),
        ("/docs/assets/swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
        ("/docs/assets/redoc.standalone.js", "text/javascript; charset=utf-8"),
        ("/docs/assets/favicon-32x32.png", "image/png"),
    ],
)
def test_a_file_is_served_plain_or_compressed_and_can_be_cached(service: RunningService, path: str, kind: str) -> None:
    with httpx.Client(base_url=service.rest_url) as client:
        plain = client.get(path, headers={"Accept-Encoding": "identity"})
        compressed = client.get(path, headers={"Accept-Encoding": "gzip"})
        revalidated = client.get(path, headers={"If-None-Match": plain.headers["ETag"]})
    assert plain.status_code == compressed.status_code == 200
    assert plain.headers["Content-Type"] == kind
    assert "Content-Encoding" not in plain.headers
    assert compressed.headers["Content-Encoding"] == "gzip"
    assert compressed.content == plain.content
    assert (revalidated.status_code, revalidated.content) == (304, b"")


@pytest.mark.parametrize("path", ["/openapi.json", "/docs", "/docs/assets/swagger-ui-bundle.js"])
@pytest.mark.parametrize("encoding", ["identity", "br", "gzip"])
@pytest.mark.parametrize("extra_headers", [{}, {"Origin": "http://127.0.0.1"}])
def test_a_file_varies_by_accept_encoding_only(
    service: RunningService, path: str, encoding: str, extra_headers: dict[str, str]
) -> None:
    response = httpx.get(f"{service.rest_url}{path}", headers={"Accept-Encoding": encoding, **extra_headers})
    assert response.headers.get_list("Vary", split_commas=True) == ["Accept-Encoding"]


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_a_page_can_load_scripts_from_the_service_only(service: RunningService, path: str) -> None:
    policy = httpx.get(f"{service.rest_url}{path}").headers["Content-Security-Policy"]
    assert "default-src 'none'; script-src 'self'; connect-src 'self'" in policy


def test_the_service_serves_the_committed_document(service: RunningService) -> None:
    assert httpx.get(f"{service.rest_url}/openapi.json").content == (ROOT / DOCUMENT).read_bytes()


@pytest.mark.parametrize("name", ["swagger-ui-bundle.js.map", "%2e%2e/swagger-ui.css", "nothing.js", ""])
def test_there_are_no_other_assets(service: RunningService, name: str) -> None:
    assert httpx.get(f"{service.rest_url}/docs/assets/{name}").status_code == 404
