"""The REST routes, and the responses of a new service on each of them."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import httpx

from server.transport.rest.gateway.rules import HttpRule, http_rules
from server.transport.rest.router import HttpRouter
from server.transport.service.servicer import SERVICE
from tests.support.running_service import RunningService
from tests.surface.without_database import service_without_database

_REQUEST_NAME = "surface"
"""Sent as X-Request-Id, so that responses do not contain random ids."""

_PLACEHOLDERS = (
    (re.compile(r"http://127\.0\.0\.1:\d+"), "URL"),
    (re.compile(r"ECI\d{8}-\w+"), "REFERENCE"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?"), "TIME"),
    (re.compile(r'(?<="resumeToken":")[^"]+'), "TOKEN"),
    (re.compile(r'(?<="requestId":")[0-9a-f]{32}'), "REQUEST_ID"),
)
_OMITTED_HEADERS = {"content-length", "date", "etag"}
_SHOWN_TYPE = "application/json"
_MAX_SHOWN_BYTES = 2000
"""Excludes the OpenAPI document, which has its own snapshot."""


@dataclass(frozen=True)
class _Request:
    """A request to send, and its name in the snapshot."""

    name: str
    verb: str
    path: str
    json: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Route:
    """A verb and a path template, and the RPC that serves it, which is empty for pages, probes and metrics."""

    verb: str
    path: str
    rpc: str

    def __str__(self) -> str:
        return f"{self.verb} {self.path}" + (f" -> {self.rpc}" if self.rpc else "")

    def matches(self, request: _Request) -> bool:
        """Return whether the request takes this route."""
        expression = re.sub(r"\\{\w+\\}", r"[^/:]+", re.escape(self.path))
        return self.verb == request.verb and bool(re.fullmatch(expression, request.path.partition("?")[0]))


_KEY_V1 = {"Idempotency-Key": "order-342"}
_KEY = {"Idempotency-Key": "order-343"}
_CHARGE_V1 = {"order_id": 342, "amount": 561.0}
_CHARGE = {"orderId": "343", "amount": {"currencyCode": "INR", "units": "561"}, "method": "PAYMENT_METHOD_UPI"}
_PART = {"amount": {"currencyCode": "INR", "units": "1"}, "reason": "returned"}

_REST = (
    # These come first so that their ids are 1, 2 and 3: a repeated or rejected request may use up ids.
    _Request("v1 charge", "POST", "/v1/payments/charge", _CHARGE_V1, _KEY_V1),
    _Request("v2 charge", "POST", "/v2/payments:charge", _CHARGE, _KEY),
    _Request("v2 batch", "POST", "/v2/payments:batchCharge", {"charges": [_CHARGE, {}]}),
    _Request("v1 refund", "POST", "/v1/payments/1/refund"),
    _Request("v2 partial refund", "POST", "/v2/payments/2:refund", _PART, _KEY),
    _Request("v1 charge, repeated", "POST", "/v1/payments/charge", _CHARGE_V1, _KEY_V1),
    _Request("v1 charge, key reused", "POST", "/v1/payments/charge", {**_CHARGE_V1, "amount": 1}, _KEY_V1),
    _Request("v1 charge, unknown source", "POST", "/v1/payments/charge", _CHARGE_V1, {"Payment-Source": "sim_x"}),
    _Request("v1 charge, wrong", "POST", "/v1/payments/charge", {"amount": -1}),
    _Request("v1 refund, repeated", "POST", "/v1/payments/1/refund"),
    _Request("v1 refund, no payment", "POST", "/v1/payments/999/refund"),
    _Request("v1 list", "GET", "/v1/payments?sort_by_created=asc"),
    _Request("v1 list, wrong", "GET", "/v1/payments?per_page=201&page=x"),
    _Request("v1, no such path", "GET", "/v1/nothing"),
    _Request("v1, other verb", "PUT", "/v1/payments"),
    _Request("v1, trailing slash", "GET", "/v1/payments/"),
    _Request("v2 charge, repeated", "POST", "/v2/payments:charge", _CHARGE, _KEY),
    _Request("v2 charge, key reused", "POST", "/v2/payments:charge", {**_CHARGE, "orderId": "1"}, _KEY),
    _Request("v2 charge, wrong", "POST", "/v2/payments:charge", {"orderId": "0"}),
    _Request("v2 refund, nothing left", "POST", "/v2/payments/1:refund", _PART),
    _Request("v2 get", "GET", "/v2/payments/2"),
    _Request("v2 get, no payment", "GET", "/v2/payments/999"),
    _Request("v2 get by reference, no payment", "GET", "/v2/payments/by-reference/none"),
    _Request("v2 get by request_id", "GET", "/v2/payments/by-request-id/order-343"),
    _Request("v2 get by request_id of another caller", "GET", "/v2/payments/by-request-id/order-343?caller=shop"),
    _Request("v2 refunds", "GET", "/v2/payments/2/refunds"),
    _Request("v2 events", "GET", "/v2/payments/2/events"),
    _Request("v2 list", "GET", "/v2/payments?include_total_size=true&order_by=create_time%20asc"),
    _Request("v2 watch, head", "HEAD", "/v2/payments:watch"),
    _Request("v2 watch, wrong token", "GET", "/v2/payments:watch?resume_token=x"),
    _Request("v2, no such path", "GET", "/v2/nothing"),
    _Request("v2, other verb", "PUT", "/v2/payments"),
    _Request("cross-site request", "POST", "/v2/payments:charge", _CHARGE, {"Sec-Fetch-Site": "cross-site"}),
    _Request("no such path", "GET", "/nothing"),
)
_MONITORING = (
    _Request("no such path", "GET", "/nothing"),
    _Request("other verb", "POST", "/healthz"),
)


def rest_paths() -> dict[str, list[str]]:
    """Return the routes of each port."""
    return {port: sorted(map(str, routes)) for port, routes in _routes().items()}


def _routes() -> dict[str, list[_Route]]:
    with service_without_database() as service:
        rest, monitoring = cast("Any", service.rest), cast("Any", service.monitoring)
        return {
            "rest": [*_endpoints(rest.router), *map(_route_of_rule, http_rules([SERVICE]))],
            "monitoring": list(_endpoints(monitoring)),
        }


def _endpoints(router: HttpRouter) -> Iterator[_Route]:
    """Yield the routes that do not come from an RPC's rules."""
    for route, _ in router.routes:
        if not route.is_transcoded:
            yield _Route(route.verb, route.path, route.rpc)


def _route_of_rule(rule: HttpRule) -> _Route:
    parts = [
        rule.method.name,
        rule.body and f"body {rule.body}",
        rule.response_body and f"response body {rule.response_body}",
    ]
    return _Route(rule.verb, rule.template.text, ", ".join(filter(None, parts)))


def rest_answers(running: RunningService) -> dict[str, Any]:
    """Return the responses of a service that has no payments yet."""
    routes = _routes()
    ports = (
        ("rest", running.rest_url, _with_simple_requests(_REST, routes["rest"])),
        ("monitoring", running.monitoring_url, _with_simple_requests(_MONITORING, routes["monitoring"])),
    )
    responses = {}
    for port, url, requests in ports:
        headers = {"X-Request-Id": _REQUEST_NAME, "Accept-Encoding": "identity"}
        with httpx.Client(base_url=url, headers=headers) as http:
            for request in requests:
                response = http.request(request.verb, request.path, json=request.json, headers=request.headers)
                responses[f"{port}, {request.name}"] = _describe(response)
    return responses


def _with_simple_requests(requests: Sequence[_Request], routes: Sequence[_Route]) -> list[_Request]:
    """Add a request for each route without an RPC, and check that every route has a request."""
    all_requests = [*requests, *(_Request(str(route), route.verb, route.path) for route in routes if not route.rpc)]
    missing = [str(route) for route in routes if not any(map(route.matches, all_requests))]
    assert not missing, f"add requests for {missing}"
    return all_requests


def _describe(response: httpx.Response) -> dict[str, Any]:
    request = f"{response.request.method} {response.request.url.raw_path.decode()}"
    headers = {
        name: _with_placeholders(value) for name, value in response.headers.items() if name not in _OMITTED_HEADERS
    }
    described = {"request": request, "status": response.status_code, "headers": headers}
    if headers.get("content-type") == _SHOWN_TYPE and 0 < len(response.content) <= _MAX_SHOWN_BYTES:
        # One item per line, in the order of the response.
        described["body"] = json.dumps(json.loads(_with_placeholders(response.text)), indent=2)
    return described


def _with_placeholders(text: str) -> str:
    """Replace values that differ between runs with placeholders."""
    for expression, name in _PLACEHOLDERS:
        text = expression.sub(name, text)
    return text
