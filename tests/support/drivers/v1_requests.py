"""Unusual requests to the three ``/v1`` paths, to which this service must respond exactly like the legacy service."""

from collections.abc import Mapping
from dataclasses import dataclass

JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Request:
    """A request, as it is sent over the wire."""

    verb: str
    target: str
    body: bytes | None = None
    headers: Mapping[str, str] | None = None

    def __str__(self) -> str:
        """Return the request as a test id."""
        headers = "" if self.headers in (None, JSON) else f" {dict(self.headers or {})}"
        return f"{self.verb} {self.target[:60]} {(self.body or b'')[:50].decode(errors='replace')}{headers}"


def charges(*bodies: bytes) -> list[Request]:
    """Return a request to charge for each body."""
    return [Request("POST", "/v1/payments/charge", body, JSON) for body in bodies]


def lists(*queries: str) -> list[Request]:
    """Return a request to list payments for each query string."""
    return [Request("GET", "/v1/payments" + query) for query in queries]


def refunds(*payment_ids: str) -> list[Request]:
    """Return a request to refund, without a body, for each payment."""
    return [Request("POST", f"/v1/payments/{payment_id}/refund") for payment_id in payment_ids]


def _with_order_id(*texts: bytes) -> list[Request]:
    return charges(*(b'{"order_id":%s,"amount":1}' % text for text in texts))


def _with_amount(*texts: bytes) -> list[Request]:
    return charges(*(b'{"order_id":1,"amount":%s}' % text for text in texts))


BODY = b'{"order_id":342,"amount":561.00}'

_VALUES = (
    *(b"null", b"true", b"false", b"[]", b"[1]", b"{}", b'{"a":1}', b'""', b'" "', b'"abc"', b'"null"', b'"\\n5"'),
    *(b'" 5"', b'"5 "', b'"+5"', b'"--5"', b'"1e2"', b'"1E2"', b'"1_000"', b'"_1"', b'"1__0"', b'"1,000"', b'"0x10"'),
    *(b'"5.0"', b'"5."', b'".5"', b'"5.5"', b"5.0", b"5.5", b"5e0", b"1e2", b"1E+2", b"5e-1", b'"007"'),
    *(b'"\\u0665"', b'"\\u00bd"', b'"5\\u00a0"', b'"\\u20095"', b'"\\u0000"', b'"5\\u0000"', b'"\\ud83d\\ude00"'),
    *(b'"\xe2\x82\xb9 5"', b'"true"', b'"5a"', b'"5 5"'),
)
"""JSON values that may or may not be accepted as an integer or as a number."""

ORDER_IDS = [
    *_with_order_id(*(value for value in _VALUES if value != b"false")),
    *_with_order_id(b"1.0000000000000001", b"2147483647", b'"2147483647"', b"2147483647.0", b"1e9", b"1.5e1", b"-0.5"),
    *_with_order_id(b"NaN", b"Infinity", b"-Infinity", b"1e400", b"-1e400", b'"NaN"', b'"inf"', b'"1e400"', b"1e19"),
    *_with_order_id(b'"' + b"9" * 4301 + b'"', b'"' + b"x" * 300 + b'"', b"9" * 4301),
]
AMOUNTS = [
    *_with_amount(*(value for value in _VALUES if value != b"false")),
    *_with_amount(b"0.01", b"1e-2", b"99999999.99", b'"99999999.99"', b'"0.01"', b"0.1", b"33.333333333333336"),
    *_with_amount(b"1.0000000000000000000000001", b"1e7", b"12345678.9", b'"1.5e3"', b'"nan "x', b'"infin"'),
]
BODIES = [
    *charges(b" ", b"\n", b" " + BODY + b"\r\n", b"\xef\xbb\xbf", BODY.decode().encode("utf-16"), b"\xfe\xff"),
    *charges(BODY.decode().encode("utf-16-le"), BODY.decode().encode("utf-32"), b'{"order_id":1,"amount":1}\x00'),
    *charges(b"}", b"]", b'"', b"'", b"{]", b"[", b"[1", b"[1,", b"[1,]", b"[1 2]", b"nul", b"tru", b"-", b"+1", b"01"),
    *charges(b".5", b"5.", b"1e", b"0x1", b"--1", b"undefined", b"nan", b"NaN", b"Infinity", b"-Infinity", b"1.5"),
    *charges(b'{"order_id"}', b'{"order_id":}', b'{"order_id":1', b'{"order_id":1,', b'{"order_id":1 "amount":1}'),
    *charges(b'{"order_id":1;"amount":1}', b"{order_id:1}", b'{"a":"\t"}', b'{"a":"\\x"}', b'{"a":"\\u12"}'),
    *charges(b'{"a":"unfinished', b"{,}", b'{"a":1,,}', b"// comment\n{}", BODY + BODY, BODY + b",", BODY + b"\n\nx"),
    *charges(b'{\n  "order_id": 1,\n  "amount": x\n}', b'{"\xc3\xa9\xe2\x82\xb9": x}', b'["\xf0\x9f\x98\x80", x]'),
    *charges(b'"text"', b'"{\\"order_id\\":1}"', b"[{}]", b"[" + BODY + b"]", b"[[]]", b"0", b"-1", b"false", b"1e400"),
    *charges(b'{"order_id":1,"amount":1,"amount":"x"}', b'{"order_id":"x","order_id":3,"amount":1}', b'{"":1}'),
    *charges(b'{"Order_Id":1,"AMOUNT":1}', b'{"orderId":1,"amount":1}', b'{" order_id":1,"amount ":1}', b'{"a":NaN}'),
    *charges(b'{"amount":"x","order_id":"x"}', b'{"amount":[],"x":1}', b'{"x":1}', b'{"a":"\\ud800"}', b'{"a":1e400}'),
    *charges(b'{"amount":1,"order_id":1,"method":"UPI","status":false,"reference":"mine","payment_id":1}'),
    *charges(b'{"order_id":{"b":[1.50,1e-07,1e16,1e22,-0.0,"\\u20b9",null,true]},"amount":[]}', b"\xc3\x28", b'"\xff"'),
]
CONTENT_TYPES = [
    Request("POST", "/v1/payments/charge", body, {"Content-Type": kind})
    for body, kind in (
        *((BODY, kind) for kind in ("application/json;", "application/json ; charset=utf-8", " application/json")),
        *((BODY, kind) for kind in ("application/problem+json", "application/x+JSON", "application/+json", "*/*")),
        *((BODY, kind) for kind in ("application/json, text/plain", "application", "application/", "/json", "json")),
        *((BODY, kind) for kind in ("text/json", "text/x+json", "application/xml", "application/octet-stream", ";")),
        *((b"{bad", kind) for kind in ("text/plain", "application/vnd.x+json")),
        (b"order_id=1&amount=1", "application/x-www-form-urlencoded"),
        (b"--x\r\n\r\n--x--", "multipart/form-data; boundary=x"),
        ('{"order_id":1,"amount":"₹"}'.encode(), "text/plain; charset=utf-8"),
        (b"", "text/plain"),
        (b"", "application/json"),
    )
]
_NUMBERS = (
    *("", "%20", "abc", "null", "true", "1.0", "1.", "1.5", "%201%20", "%2B1", "+1", "-0", "0", "00", "01", "1_000"),
    *("_1", "1__0", "0x1", "1e1", "1,0", "%D9%A1", "%EF%BC%91", "%00", "1%00", "1%0A", "%0A1", "%FF", "%E2%82%B9"),
    *("%C2%A01", "nan%20x", "1%20000", "9" * 19, "9" * 25, "9" * 4301, "x" * 300, "%2", "%zz", "%F0%9F%98%80"),
)
"""Texts of query parameters that may or may not be accepted as a number."""

QUERIES = [
    *lists(*(f"?page={text}" for text in _NUMBERS if not text.startswith(("9", "00")))),
    *lists(*(f"?per_page={text}" for text in (*_NUMBERS, "200", "201", "199", "0200", "200.0"))),
    *lists(*(f"?order_id={text}" for text in _NUMBERS)),
    *lists(
        *(f"?amount_gt={text}" for text in (*_NUMBERS, "20.", ".05", "1e-5", "0.1e2", "99999999.99", "-5", "-5.00"))
    ),
    *lists(*(f"?amount_lt={text}" for text in ("", "abc", "%2020%20", "%2B20", "1e1", "561.00", "561", "0", "-5.01"))),
    *lists(*(f"?status={text}" for text in ("%201", "1%20", "t", "y", "on", "SUCCEEDED", "YeS", "tRUE", "%C4%B1"))),
    *lists(*(f"?method={text}" for text in ("CASH", "UPI%20%20x", "OTHER", "%25", "_", "%E2%82%B9", "%5C"))),
    *lists(
        *(f"?sort_by_created={text}" for text in ("asc%20", "%20desc", "ascdesc", "asc,desc", "%E2%82%B9", "desc%0A"))
    ),
    *lists("?sort_by_created", "?status", "?method", "?start_date", "?order_id", "?amount_gt"),
    *lists("?per_page=5&per_page=2", "?per_page=2&per_page=x", "?method=UPI&method=CARD&end_date=2025-12-31"),
    *lists("?status=1&status=0&end_date=2025-12-31", "?sort_by_created=asc&sort_by_created=desc&per_page=2"),
    *lists(
        "?amount_gt=x&amount_gt=20", "?page=1&page=", "?page[]=2", "?Page=2", "?PAGE=x", "? page=2".replace(" ", "%20")
    ),
    *lists("?per_page=1;page=2", "?page=1#x", "?=1", "?", "?page=1&", "?&page=1", "?page=1?page=2", "?page==2"),
    *lists("?sort_by_created=x&amount_lt=x&amount_gt=x&order_id=x&per_page=x&page=x"),
    *lists("?start_date=2025-02-07T05:28:54&end_date=2025-02-07T05:28:54", "?end_date=2025-02-06%2023:59:59"),
    *lists("?start_date=2025-02-07+05:28:54&sort_by_created=asc&end_date=2025-12-31&order_id=355&status=1&method=UPI"),
]
PATHS = [
    *refunds("", "%20", "%202%20", "+2", "%2B2", "-2", "00", "02", "0_2", "0x2", "2e0", "2.0", "2.", "nan", "true"),
    *refunds("%D9%A2", "%00", "%FF", "%E2%82%B9", "9" * 10, "9" * 19, "9" * 25, "9" * 4301, "charge", "null", "2%0A"),
    *refunds("2%20", "2;a=b", "2%3Fx", "x" * 300),
    *(
        Request("POST", "/v1/payments/2/refund" + query, body, headers)
        for query, body, headers in (
            ("", b"", None),
            ("", b"", JSON),
            ("", b"null", JSON),
            ("", b'{"amount":1}', JSON),
            ("", b"[" * 5000, JSON),
            ("", b"\xff\x00", {"Content-Type": "application/octet-stream"}),
            ("", b"{}", {}),
            ("?payment_id=3", None, None),
            ("?", None, None),
        )
    ),
    *(Request(verb, "/v1/payments/charge") for verb in ("GET", "HEAD", "OPTIONS", "PUT", "PATCH", "TRACE", "X")),
    *(Request(verb, "/v1/payments/2/refund") for verb in ("GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE")),
    *(Request(verb, "/v1/payments/") for verb in ("HEAD", "POST", "OPTIONS", "DELETE")),
    *(Request(verb, "/nope") for verb in ("HEAD", "POST", "OPTIONS", "DELETE")),
    *lists("/?page=2&method=%E2%82%B9", "/?", "/?x=%0d%0a", "/charge?x=1", "/charge/?x=1", "/x/refund", "/2/refund/"),
    *(Request("GET", path) for path in ("/v1/payments%2F", "/V1/payments", "/v1/Payments", "/v1/", "//v1/payments")),
    *(Request("GET", path) for path in ("/v1/payments%3Fpage=2", "/v1//payments", "/v1/payments/%2e%2e/x", "/v3/x")),
    Request("GET", "/v1/payments/", None, {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "elsewhere"}),
    Request("POST", "/v1/payments/charge", BODY, {**JSON, "Accept": "text/html"}),
    Request("GET", "/v1/payments?page=1", b"{bad", JSON),
]
UNUSUAL_REQUESTS = [*ORDER_IDS, *AMOUNTS, *BODIES, *CONTENT_TYPES, *QUERIES, *PATHS]
