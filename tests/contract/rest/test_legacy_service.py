"""``/v1`` compared with the legacy service, request by request: equal responses except for intended differences."""

import http.client
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pytest

from bench.peers.legacy.table import TABLE
from server.config.grpc import Engine
from tests.support import tidb
from tests.support.databases import DatabaseServer, settings_of
from tests.support.drivers.legacy_service import running_legacy_service
from tests.support.drivers.v1_requests import BODY, JSON, UNUSUAL_REQUESTS, Request, charges, lists
from tests.support.legacy_table import LEGACY_INSERT, LegacyRow
from tests.support.running_service import RunningService
from tools.database.migrations import migrate

ROWS: list[LegacyRow] = [
    (1, 355, "1757.91", "UPI", 0, "ECI20250910-ID9VVN", "2025-02-07 05:28:54", 0),
    (2, 355, "561.00", "UPI", 1, "ECI20250910-1A2B3C", "2025-02-07 05:28:54", 0),
    (3, 356, "10.10", "CARD", 1, "ECI20250910-AAAAAA", "2025-02-07 05:28:54", 1),
    (4, 357, "0.05", "COD", 1, "ECI20250910-BBBBBB", "2025-02-07 05:28:55", 0),
    (5, 358, "99999999.99", "UPI", 0, "ECI20250910-CCCCCC", "2025-02-08 00:00:00", 0),
    (6, 359, "20.00", "Net Banking \u20b9", 1, None, "2025-02-06 23:59:59", 0),
    (7, 360, None, "COD", None, "x", None, 0),
    (8, -1, "-5.00", "", 0, "ECI-'\"\\%s", None, 0),
    (9, 361, "30.00", "UPI", None, "pending", "2025-03-01 00:00:00", 0),
    (10, 362, "31.00", "Upi", 1, "mixed", "2025-02-07 12:00:00", 0),
    (11, 363, "32.00", "net banking \u20b9", 0, "small", "2025-02-06 12:00:00", 0),
    (12, 364, "33.00", "\u00c9CU", 1, "accent", "2025-02-06 13:00:00", 0),
]


@dataclass(frozen=True)
class Response:
    """The parts of a response that a caller can compare."""

    status: int
    body: str
    headers: Mapping[str, str]


def send(port: int, request: Request) -> Response:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest(request.verb, request.target, skip_accept_encoding=True)
    headers = dict(request.headers or {})
    if request.body is not None:
        headers["Content-Length"] = str(len(request.body))
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders(request.body)
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    received = {name: response.getheader(name, "") for name in ("content-type", "allow", "location")}
    received["allow"] = received["allow"].removesuffix(", HEAD")  # the legacy service has no HEAD
    return Response(response.status, body, {name: value.replace(str(port), "PORT") for name, value in received.items()})


SAME_RESPONSE = [
    *charges(BODY, b'{"order_id": "342", "amount": "561.00"}', b'{"order_id":342.0,"amount":561}'),
    *charges(
        b'{"order_id":" 7 ","amount":" 5 "}', b'{"order_id":"+7","amount":"1e2"}', b'{"order_id":true,"amount":true}'
    ),
    *charges(
        b'{"order_id":"1_000","amount":"1_000"}', b'{"order_id":1e2,"amount":5}', b'{"order_id":1,"amount":0.005}'
    ),
    *charges(
        b'{"order_id":1,"amount":5,"other":[1]}', b'{"order_id":1,"order_id":2,"amount":1}', b"\xef\xbb\xbf" + BODY
    ),
    *charges(
        b"",
        b"{",
        b"{}",
        b"[]",
        b"null",
        b"5",
        b'"x"',
        b"[1,2]",
        b"true",
        b"1.5",
        b'{"order_id":1,}',
        BODY + b" x",
        b"\x00",
    ),
    *charges(b'{"order_id":null,"amount":null}', b'{"order_id":"abc","amount":"abc"}', b'{"order_id":"","amount":""}'),
    *charges(
        b'{"order_id":342.5,"amount":1}', b'{"order_id":"342.5","amount":1}', b'{"order_id":[1],"amount":{"a":1.50}}'
    ),
    *charges(
        b'{"amount":5}',
        b'{"order_id":5}',
        b'{"order_id":1e30,"amount":5}',
        b'{"order_id":"\\u0661","amount":"\\u0661"}',
    ),
    *charges(b"\xff", b"[" * 5000, b'{"order_id":' + b"9" * 5000 + b',"amount":1}', b"{'order_id':1}"),
    *(
        Request("POST", "/v1/payments/charge", BODY, {"Content-Type": kind})
        for kind in (
            *("text/plain", "application/x-www-form-urlencoded", "garbage", ";", "application/jsonx", "text/json"),
            *("application/vnd.x+json", "APPLICATION/JSON; charset=utf-8", "application/json; charset=latin1"),
        )
    ),
    Request("POST", "/v1/payments/charge"),
    Request("POST", "/v1/payments/charge", b"", {}),
    *lists(
        "",
        "?page=1&per_page=10&method=UPI&status=SUCCESS&end_date=2025-12-31",
        "?page=2&per_page=3",
        "?page=4&per_page=3",
        "?per_page=200",
    ),
    *lists("?per_page=0", "?per_page=0&page=7", "?page=999999", "?page=99999999999999999&per_page=1"),
    *lists(
        "?page=0", "?page=-1&per_page=201", "?page=abc", "?page=1.0", "?page=1.5", "?page=", "?page", "?page=%201%20"
    ),
    *lists(
        "?page=%2B1", "?page=1_0", "?page=%D9%A1", "?page=1&page=2", "?page=x&page=2", "?page=%FF", "?unknown=1", "?&&"
    ),
    *lists("?per_page=201", "?per_page=x", "?per_page=1e1", "?per_page=9223372036854775808"),
    *lists("?order_id=355", "?order_id=355.0", "?order_id=", "?order_id=x", "?order_id=-1", "?order_id=999999999999"),
    *lists("?order_id=99999999999999999999", "?order_id=355&order_id=356", "?order_id=null"),
    *lists(
        "?method=UPI&end_date=2025-12-31",
        "?method=CARD&end_date=2025-12-31",
        "?method=",
        "?method=Bitcoin",
        "?method=Net%20Banking%20%E2%82%B9",
        "?method=%27",
        *(f"?method={text}&end_date=2025-12-31" for text in ("upi", "Upi", "uPI", "card", "Card", "cod", "cOd")),
        *(f"?method={text}&end_date=2025-12-31&sort_by_created=asc&per_page=2&page=2" for text in ("upi", "UPI")),
        *(f"?method={text}&end_date=2025-12-31&status=1&amount_gt=31" for text in ("upi", "UPI")),
        *("?method=NET%20BANKING%20%E2%82%B9", "?method=net%20banking%20%E2%82%B9", "?method=net%20banking"),
        *(
            "?method=%C3%A9cu",
            "?method=%C3%89CU",
            "?method=upi&order_id=362",
            "?method=UPI&order_id=355",
            "?method=%20upi",
        ),
        *("?method=up_", "?method=u%25", "?method=bitcoin", "?method=upi&method=card&end_date=2025-12-31"),
    ),
    *lists(
        *(
            f"?status={text}"
            for text in ("1", "true", "SUCCESS", "yes", "TRUE", "Yes", "0", "false", "failed", "", "x", "2")
        )
    ),
    *lists(
        "?amount_gt=20", "?amount_gt=20.00&amount_lt=561", "?amount_gt=561.005", "?amount_lt=0.05", "?amount_lt=0.049"
    ),
    *lists(
        "?amount_gt=",
        "?amount_lt=x",
        "?amount_gt=-1e300",
        "?amount_gt=1e300",
        "?amount_gt=1_0",
        "?amount_gt=100&amount_lt=1",
    ),
    *lists(
        "?start_date=2025-02-07",
        "?end_date=2025-02-07",
        "?start_date=2025-02-07%2005:28:54",
        "?end_date=2025-02-07T05:28:54",
    ),
    *lists(
        "?start_date=2025-02-07T05:28:55&end_date=2025-02-08",
        "?start_date=&end_date=",
        "?start_date=2026-01-01&end_date=2025-01-01",
    ),
    *lists(
        "?sort_by_created=asc",
        "?sort_by_created=desc",
        "?sort_by_created=",
        "?sort_by_created=ASC",
        "?sort_by_created=asc%0A",
    ),
    *lists("?sort_by_created=asc&page=2&per_page=4", "?sort_by_created=x&page=0&amount_lt=z&order_id=q&per_page=999"),
    *lists("/", "/?page=2", "/charge", "/charge/", "/3/refund", "/1%2F2", "//", "/../payments", "/3"),
    *(Request(verb, "/v1/payments") for verb in ("OPTIONS", "POST", "PUT", "PATCH", "DELETE")),
    Request("DELETE", "/v1/payments/charge"),
    Request("POST", "/v1/payments/charge/", BODY, JSON),
    Request("GET", "/v1"),
    Request("GET", "/nope"),
    *(
        Request("POST", f"/v1/payments/{payment_id}/refund")
        for payment_id in (
            "2",
            "2",
            "3",
            "4",
            "1",
            "5",
            "6",
            "9",
            "7",
            "999",
            "0",
            "-1",
            "99999999999999999999",
            "1.0",
            "1.5",
            "abc",
        )
    ),
    *(
        Request("POST", f"/v1/payments/{part}")
        for part in ("2/refund/", "/refund", "2%2F3/refund", "%32/refund", "2/Refund")
    ),
    Request("POST", "/v1/payments/2/refund", b"{}", JSON),
    Request("POST", "/v1/payments/2/refund", b"{bad", JSON),
    Request("POST", "/v1/payments/2/refund", b"x", {"Content-Type": "text/plain"}),
    *lists("?per_page=200&end_date=2025-12-31&sort_by_created=asc"),
]
"""Requests that get equal responses from both services."""


def problem(kind: str, where: str, name: str, message: str, value: object, **ctx: object) -> dict[str, object]:
    context = {"ctx": ctx} if ctx else {}
    return {"type": kind, "loc": [where, name], "msg": message, "input": value} | context


AT_LEAST, AT_MOST = "Input should be greater than or equal to", "Input should be less than or equal to"
DATES = "Input should be a date as in 2025-02-07, 2025-02-07 05:28:54 or 2025-02-07T05:28:54"
DIFFERENT_RESPONSE: list[tuple[Request, dict[str, object]]] = [
    *(
        (request, problem("greater_than_equal", "body", "amount", f"{AT_LEAST} 0.01", value, ge=0.01))
        for request, value in zip(
            charges(*(b'{"order_id":1,"amount":%s}' % text for text in (b"0", b"-5", b"0.004", b'"-1e300"'))),
            (0, -5, 0.004, "-1e300"),
            strict=True,
        )
    ),
    *(
        (request, problem("less_than_equal", "body", "amount", f"{AT_MOST} 99999999.99", value, le=99999999.99))
        for request, value in zip(
            charges(*(b'{"order_id":1,"amount":%s}' % text for text in (b"99999999.995", b"1e300"))),
            (99999999.995, 1e300),
            strict=True,
        )
    ),
    *(
        (request, problem("finite_number", "body", "amount", "Input should be a finite number", value))
        for request, value in zip(
            charges(*(b'{"order_id":1,"amount":%s}' % text for text in (b"NaN", b"1e400", b"-Infinity", b'"inf"'))),
            ("nan", "inf", "-inf", "inf"),
            strict=True,
        )
    ),
    *(
        (request, problem("greater_than_equal", "body", "order_id", f"{AT_LEAST} 1", value, ge=1))
        for request, value in zip(
            charges(b'{"order_id":0,"amount":1}', b'{"order_id":"-3","amount":1}'), (0, "-3"), strict=True
        )
    ),
    (
        charges(b'{"order_id":9223372036854775808,"amount":1}')[0],
        problem("less_than_equal", "body", "order_id", f"{AT_MOST} {2**63 - 1}", 2**63, le=2**63 - 1),
    ),
    (lists("?per_page=-1")[0], problem("greater_than_equal", "query", "per_page", f"{AT_LEAST} 0", "-1", ge=0)),
    (
        lists("?amount_gt=nan")[0],
        problem("finite_number", "query", "amount_gt", "Input should be a finite number", "nan"),
    ),
    *(
        (lists(f"?start_date={text}")[0], problem("datetime_parsing", "query", "start_date", DATES, text))
        for text in ("yesterday", "2025-02-30", "20250207", "2025-02-07T", "2025-2-7", "1738906134", "2025-W06-5")
    ),
]
"""Requests that the legacy service accepted, ignored or failed on, each with the error that this service returns."""


@pytest.fixture(scope="module")
def ports(
    database_server: DatabaseServer,
    make_database: Callable[[], dict[str, str]],
) -> Iterator[tuple[int, int]]:
    """The ports of this service and the legacy service, each with the same rows."""
    ours, legacy = make_database(), make_database()
    if tidb.IS_SELECTED:
        # The legacy service relies on a collation that ignores letter case.
        database_server.execute(f"ALTER DATABASE {legacy['MYSQL_DB']} COLLATE utf8mb4_general_ci")
    for database in (ours, legacy):
        database_server.execute(TABLE, database=database["MYSQL_DB"])
        for row in ROWS:
            database_server.execute(LEGACY_INSERT, row, database["MYSQL_DB"])
    migrate(settings_of(ours), report=lambda _: None)
    settings = {"SUCCESS_PROBABILITY": "1"}
    # The legacy service trusts a proxy on its own machine.
    service = RunningService({**ours, **settings, "TRUSTED_PROXIES": "127.0.0.1"}).start()
    with running_legacy_service(legacy | settings) as url:
        yield service.rest_port, int(url.rpartition(":")[2])
    assert service.stop() == 0


def without_random_values(response: Response) -> Response:
    """Replace the values of a response that depend on chance or on the clock."""
    body = re.sub(r'"ECI\d{8}-[0-9A-F]{8,}"', '"ECI"', response.body)
    body = re.sub(r'"created_at":"202[6-9][^"]*"', '"created_at":"now"', body)
    body = re.sub(r'"method":"(UPI|CARD|COD)","status":true,"reference":"ECI"', '"method":"any","status":true', body)
    return Response(response.status, body, response.headers)


@pytest.mark.parametrize("request_", SAME_RESPONSE, ids=str)
def test_both_services_return_equal_responses(ports: tuple[int, int], request_: Request) -> None:
    ours, legacy = (without_random_values(send(port, request_)) for port in ports)
    assert legacy.status != 500
    assert ours == legacy


@pytest.mark.parametrize(
    "text", ["%C3%9CPI", "ecu", "%EF%BC%B5PI", "UPI%0A", "up%C4%B1", "%20UPI", "upi%20", "%20", "%C8%BA"]
)
def test_methods_are_compared_exactly_except_for_letter_case(ports: tuple[int, int], text: str) -> None:
    response = send(ports[0], *lists(f"?method={text}"))
    assert json.loads(response.body) == {"items": [], "page": 1, "per_page": 10, "total": 0}


@pytest.mark.parametrize("request_", UNUSUAL_REQUESTS, ids=str)
def test_both_services_return_equal_responses_to_rare_forms(ports: tuple[int, int], request_: Request) -> None:
    is_envoy = os.environ.get("TEST_GRPC_ENGINE") == Engine.ENVOY
    ours, legacy = (without_random_values(send(port, request_)) for port in ports)
    if is_envoy and request_.verb == "X":
        assert ours.status == legacy.status == 400  # Envoy's response has another body
    elif is_envoy and "%FF/" in request_.target:
        assert ours.status == 400  # Envoy rejects a path that is not UTF-8
    elif legacy.status == 500:
        # Requests that crashed the legacy service are rejected here.
        assert ours.status == 422
    else:
        assert ours == legacy


@pytest.mark.parametrize(
    ("request_", "error"), DIFFERENT_RESPONSE, ids=[str(request) for request, _ in DIFFERENT_RESPONSE]
)
def test_invalid_requests_that_the_legacy_service_accepted_are_rejected(
    ports: tuple[int, int], request_: Request, error: dict[str, object]
) -> None:
    response = send(ports[0], request_)
    assert response.status == 422
    assert json.loads(response.body) == {"detail": [error]}
    assert list(json.loads(response.body)["detail"][0]) == list(error)
