"""The rule that rejects requests from foreign web pages, by the headers with which a browser describes the page."""

from collections.abc import Collection
from typing import Any, cast

import pytest
from payments_client.v1 import payments_pb2 as pb

from server.domain.callers import Role
from server.transport.pipeline.auth import ROLES
from server.transport.pipeline.cross_site import CrossSiteRule
from server.transport.pipeline.errors import OriginNotAllowed
from server.transport.rest.gateway.rules import http_rules
from server.transport.rest.v1.endpoints import LegacyRest

SHOP = "https://shop.example.com"
HOST = "payments.example.com"

Headers = list[tuple[str, str]]


def is_rejected(
    browser_headers: Headers,
    *,
    allowed: Collection[str] = (),
    method: str = "POST",
    host: str = HOST,
    scheme: str = "http",
) -> bool:
    headers = [*([("host", host)] if host else []), *browser_headers]
    scope = {
        "method": method,
        "scheme": scheme,
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
    }
    try:
        CrossSiteRule(allowed).check(scope)
    except OriginNotAllowed:
        return True
    return False


def origin(*values: str) -> Headers:
    return [("origin", value) for value in values]


def site(*values: str) -> Headers:
    return [("sec-fetch-site", value) for value in values]


FOREIGN: list[Headers] = [
    origin(SHOP),
    origin("null"),
    origin("https://payments.example.com.evil.example"),
    origin("https://evil.example/payments.example.com"),
    origin("https://payments.example.com@evil.example"),
    origin("https://payments.example.com:8443"),
    origin("chrome-extension://abcdefghijklmnop"),
    origin("file://"),
    origin(""),
    origin("payments.example.com"),
    origin(f"https://{HOST}/"),
    origin(f"https://{HOST}\t"),
    origin("caf\xe9"),
    origin(f"https://{HOST} {SHOP}"),
    origin(f"https://{HOST}", SHOP),
    origin(f"https://{HOST}", f"https://{HOST}"),
    site("cross-site"),
    site("same-site"),
    site("anything"),
    site("same-origin", "cross-site"),
    site("cross-site") + origin(SHOP),
    site("cross-site") + origin(f"https://{HOST}"),
    site("same-origin") + origin(f"https://{HOST}", SHOP),
    # Without Sec-Fetch-Site: a page without TLS, under a name that its owner can point to this service.
    origin(f"http://{HOST}"),
]
SAME_ORIGIN: list[Headers] = [
    [],
    origin(f"https://{HOST}"),
    site("none"),
    site("same-origin"),
    site("same-origin") + origin(f"https://{HOST}"),
    # A proxy changed the Host of the request.
    site("same-origin") + origin(SHOP),
    # A form on a page with a Referrer-Policy of no-referrer.
    site("same-origin") + origin("null"),
]


@pytest.mark.parametrize("browser_headers", FOREIGN, ids=repr)
def test_a_page_from_a_foreign_origin_is_rejected(browser_headers: Headers) -> None:
    assert is_rejected(browser_headers)
    assert is_rejected(browser_headers, allowed={"https://desk.example.com"})


@pytest.mark.parametrize("browser_headers", SAME_ORIGIN, ids=repr)
def test_requests_without_a_page_and_from_pages_of_the_same_origin_are_accepted(browser_headers: Headers) -> None:
    assert not is_rejected(browser_headers)


@pytest.mark.parametrize("browser_headers", [*FOREIGN, *SAME_ORIGIN], ids=repr)
def test_every_page_is_accepted_if_every_origin_is_allowed(browser_headers: Headers) -> None:
    assert not is_rejected(browser_headers, allowed={"*"})


@pytest.mark.parametrize(
    "browser_headers", [origin(SHOP), origin(SHOP) + site("cross-site"), origin(SHOP) + site("same-site")]
)
def test_a_page_from_an_allowed_origin_is_accepted(browser_headers: Headers) -> None:
    assert not is_rejected(browser_headers, allowed={SHOP, "https://desk.example.com"})


@pytest.mark.parametrize(
    "browser_headers",
    [
        origin(SHOP.upper()),
        origin(f"{SHOP}:8443"),
        origin("http://shop.example.com"),
        origin(SHOP, SHOP),
        origin("null"),
        site("cross-site"),
    ],
)
def test_an_allowed_origin_must_match_exactly(browser_headers: Headers) -> None:
    assert is_rejected(browser_headers, allowed={SHOP})


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("browser_headers", FOREIGN, ids=repr)
def test_requests_with_a_safe_method_are_accepted(method: str, browser_headers: Headers) -> None:
    assert not is_rejected(browser_headers, method=method)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "QUERY", "TRACE", "get", "ANYTHING"])
def test_requests_with_any_other_method_are_checked(method: str) -> None:
    assert is_rejected(origin(SHOP), method=method)


def test_a_preflight_is_checked_even_though_options_is_a_safe_method() -> None:
    asks_for_post = [("access-control-request-method", "POST")]
    assert is_rejected(origin(SHOP) + asks_for_post, method="OPTIONS")
    assert not is_rejected(origin(SHOP) + asks_for_post, method="OPTIONS", allowed={SHOP})


@pytest.mark.parametrize(
    ("page", "host", "scheme"),
    [
        ("http://localhost:8001", "localhost:8001", "http"),
        ("http://127.0.0.1:8001", "127.0.0.1:8001", "http"),
        ("http://[::1]:8001", "[::1]:8001", "http"),
        ("http://10.1.2.3", "10.1.2.3:80", "http"),
        ("https://payments.example.com", "payments.example.com:443", "http"),
        ("https://payments.example.com", "Payments.Example.com", "https"),
        ("https://payments.example.com:8443", "payments.example.com:8443", "https"),
    ],
)
def test_a_page_has_the_same_origin_if_its_host_is_the_host_of_the_request(page: str, host: str, scheme: str) -> None:
    assert not is_rejected(origin(page), host=host, scheme=scheme)


@pytest.mark.parametrize(
    ("page", "host", "scheme"),
    [
        ("http://localhost:3000", "localhost:8001", "http"),
        ("http://localhost", "localhost:8001", "http"),
        ("http://localhost:443", "localhost", "http"),
        ("http://127.0.0.1:8001", "localhost:8001", "http"),
        ("http://[::1]:80", "[::1]:8001", "http"),
        ("http://localhost:8001", "", "http"),
        # DNS rebinding: a name that resolves to this service now, and resolved to the server of the page before.
        ("http://evil.example:8001", "evil.example:8001", "http"),
        ("http://127.0.0.1.evil.example:8001", "127.0.0.1.evil.example:8001", "http"),
        ("http://localhost.evil.example:8001", "localhost.evil.example:8001", "http"),
        # A page without TLS on the host of a service with TLS: an attacker on the network may have written it.
        ("http://payments.example.com", "payments.example.com", "https"),
        ("http://127.0.0.1:8001", "127.0.0.1:8001", "https"),
    ],
)
def test_a_similar_or_insecure_origin_is_not_the_same_origin(page: str, host: str, scheme: str) -> None:
    assert is_rejected(origin(page), host=host, scheme=scheme)


def test_no_page_has_the_same_origin_as_a_request_with_two_hosts() -> None:
    assert is_rejected([("host", "evil.example"), *origin(f"https://{HOST}")])


def test_the_error_message_shows_a_short_and_printable_origin() -> None:
    scope = {"method": "POST", "scheme": "http", "headers": [(b"origin", b"https://\x1b[31m\xe9\x7f" + b"x" * 5000)]}
    with pytest.raises(OriginNotAllowed) as rejected:
        CrossSiteRule(()).check(scope)
    assert len(str(rejected.value)) < 500
    assert str(rejected.value).isascii()
    assert str(rejected.value).isprintable()


def test_no_endpoint_with_a_safe_method_changes_anything() -> None:
    """The rule accepts GET, HEAD and OPTIONS, so their endpoints must not change a payment."""
    rules = http_rules([pb.DESCRIPTOR.services_by_name["PaymentService"]])
    reads = {rule.method.name for rule in rules if rule.verb in {"GET", "HEAD", "OPTIONS"}}
    assert reads
    assert {ROLES[rpc] for rpc in reads} == {Role.READ}
    legacy = LegacyRest(*cast("Any", [None] * 5)).endpoints()
    assert {endpoint.path for endpoint in legacy if endpoint.verb == "GET"} == {"/v1/payments"}
