"""The gateway serves a test service over a real socket, by the rules of google/api/http.proto."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass

from server.application.health import HealthMonitor
from server.application.payments import Payments
from server.config.settings import Settings
from server.domain.callers import Role
from server.domain.errors import PaymentNotFound, StoreUnavailable
from server.domain.money import Currencies
from server.transport.pipeline.auth import Authorizer, Keys
from server.transport.pipeline.calls import Call, Calls
from server.transport.pipeline.worker_thread import WorkerThread
from server.transport.rest.application import http_app
from server.transport.rest.gateway.rules import InvalidHttpRule, PathTemplate, http_rules
from server.transport.rest.server import HttpServer
from tests.protos import FOLDER, compile_proto


class LibraryServicer:
    """Returns most requests unchanged, so that tests see how they were parsed."""

    async def GetBook(self, request: Any, _call: Call) -> Any:
        return request

    async def PutBook(self, request: Any, _call: Call) -> Any:
        return request

    async def CancelBook(self, request: Any, call: Call) -> Any:
        if request.id == 404:
            raise PaymentNotFound("no such book")
        if request.id == 503:
            raise StoreUnavailable("closed")
        if request.id == 500:
            raise RuntimeError("secret shelf")
        call.replayed = request.id == 2
        return request

    async def FindBooks(self, request: Any, _call: Call) -> Any:
        books: Any = GetMessageClass(request.DESCRIPTOR.file.message_types_by_name["Books"])()
        books.books.add(name=request.name)
        return books

    async def RemoveBook(self, request: Any, _call: Call) -> Any:
        return request

    async def CheckBook(self, request: Any, _call: Call) -> Any:
        return request

    async def StreamBooks(self, request: Any, _call: Call) -> AsyncIterator[Any]:
        if request.id == 404:
            raise PaymentNotFound("no such book")
        for number in range(1, 4):
            yield type(request)(id=number)
        if request.id == 1:
            raise StoreUnavailable("closed")

    async def Hidden(self, request: Any, _call: Call) -> Any:
        return request


@pytest.fixture(scope="module")
def library() -> ServiceDescriptor:
    """Return the test service."""
    return compile_proto("library.proto").services_by_name["Library"]


@pytest.fixture(scope="module")
def http(library: ServiceDescriptor) -> Iterator[httpx.Client]:
    """Yield a client of an HTTP server of the test service."""
    settings = Settings(mysql_host="none", rest_max_body_bytes=4096)
    monitor = cast("HealthMonitor", SimpleNamespace(is_serving=True))
    port: list[int] = []
    listening = threading.Event()
    loop = asyncio.new_event_loop()
    stopping = asyncio.Event()

    async def serve() -> None:
        payments = cast("Payments", None)  # no test charges
        currencies = Currencies("INR", frozenset({"INR"}))
        calls = Calls(100, open_authorizer(library))
        app = http_app(settings, [(library, LibraryServicer())], payments, currencies, calls, monitor, WorkerThread())
        server = HttpServer(app, settings)
        server.listen("127.0.0.1", 0)
        port.append(server.port)
        await server.start()
        listening.set()
        await stopping.wait()
        await server.stop(1)

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert listening.wait(10)
    with httpx.Client(base_url=f"http://127.0.0.1:{port[0]}") as client:
        yield client
    loop.call_soon_threadsafe(stopping.set)
    thread.join(10)
    loop.close()


def open_authorizer(service: ServiceDescriptor) -> Authorizer:
    """Return an authorizer that allows every caller to call every RPC."""
    roles = {method.name: Role.READ for method in service.methods}
    no_keys = cast("Keys", None)
    return Authorizer(
        roles, no_keys, anonymous_roles=frozenset({Role.READ}), certificate_roles={}, requires_certificate=False
    )


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/lib/shelves/1/books/2", {"name": "shelves/1/books/2"}),
        ("/lib/shelves/a%20b/books/%E0%A4%97", {"name": "shelves/a b/books/\u0917"}),
        ("/lib/shelves/a%2Fb/books/2", {"name": "shelves/a%2Fb/books/2"}),
        ("/lib/books/7", {"id": "7"}),
        ("/lib/books/-7", {"id": "-7"}),
        ("/lib/shelf/sea%2Fair/first", {"shelf": {"theme": "sea/air"}}),
        ("/lib/books/7?shelf.place=3&shelf.theme=sea", {"id": "7", "shelf": {"theme": "sea", "place": 3}}),
        ("/lib/books/7?genres=GENRE_POEM&genres=1", {"id": "7", "genres": ["GENRE_POEM", "GENRE_NOVEL"]}),
        ("/lib/books/7?authors=a&authors=b%26c&authors=", {"id": "7", "authors": ["a", "b&c", ""]}),
        ("/lib/books/7?is_lent=true", {"id": "7", "isLent": True}),
        ("/lib/books/7?isLent=true", {"id": "7", "isLent": True}),
        ("/lib/books/7?isRare=false", {"id": "7", "isRare": False}),
        ("/lib/books/7?printTime=2025-02-07T05:28:54Z", {"id": "7", "printTime": "2025-02-07T05:28:54Z"}),
        ("/lib/books/7?weightKg=1.5&cover=QUJD", {"id": "7", "weightKg": 1.5, "cover": "QUJD"}),
        ("/lib/books/7?person=x", {"id": "7", "person": "x"}),
    ],
)
def test_paths_and_parameters_set_fields(http: httpx.Client, path: str, expected: dict[str, Any]) -> None:
    response = http.get(path)
    assert response.status_code == 200, response.text
    assert response.json() == expected
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("path", "field", "description"),
    [
        ("/lib/books/seven", "id", "64-bit integer"),
        ("/lib/books/7.5", "id", "64-bit integer"),
        ("/lib/books/9223372036854775808", "id", "64-bit integer"),
        ("/lib/books/7?id=8", "id", "the path or the body sets it"),
        ("/lib/books/7?colour=red", "colour", "is not a parameter"),
        ("/lib/books/7?shelf=x", "shelf", "name one of its fields"),
        ("/lib/books/7?shelf.colour=x", "shelf.colour", "is not a parameter"),
        ("/lib/books/7?shelf.place=x", "shelf.place", "32-bit integer"),
        ("/lib/books/7?shelf.place=1&shelf.place=2", "shelf.place", "must not be repeated"),
        ("/lib/books/7?isLent=yes", "is_lent", "true or false"),
        ("/lib/books/7?genres=GENRE_SONG", "genres", "GENRE_POEM"),
        ("/lib/books/7?printTime=yesterday", "print_time", "RFC 3339"),
        ("/lib/books/7?printTime.seconds=1", "printTime.seconds", "cannot be set separately"),
        ("/lib/books/7?former_shelves.theme=x", "former_shelves.theme", "cannot be set separately"),
        ("/lib/books/7?cover=A", "cover", "Base64"),
        ("/lib/books/7?person=x&company=y", "company", "one of person, company"),
        ("/lib/books/%FF", "", "UTF-8"),
    ],
)
def test_an_error_names_the_invalid_path_variable_or_parameter(
    http: httpx.Client, path: str, field: str, description: str
) -> None:
    response = http.get(path)
    assert response.status_code == 400, response.text
    violation = violations(response)[0]
    assert violation.get("field", "") == field
    assert description in violation["description"]


def violations(response: httpx.Response) -> list[dict[str, str]]:
    status = response.json()
    assert status["code"] == 3
    (bad_request,) = (detail for detail in status["details"] if detail["@type"].endswith("BadRequest"))
    return cast("list[dict[str, str]]", bad_request["fieldViolations"])


def test_a_whole_body_sets_the_fields_that_the_path_does_not(http: httpx.Client) -> None:
    response = http.post("/lib/books/2:cancel", json={"authors": ["x"], "shelf": {"theme": "y"}})
    assert response.json() == {"id": "2", "authors": ["x"], "shelf": {"theme": "y"}}
    assert http.post("/lib/books/3:cancel").json() == {"id": "3"}
    rejected = http.post("/lib/books/2:cancel?isLent=true", json={})
    assert violations(rejected)[0]["field"] == "isLent"
    rejected = http.post("/lib/books/2:cancel", json={"id": "9"})
    assert violations(rejected)[0] == {"field": "id", "description": "is in the path, so it must not be in the body"}


def test_a_body_may_set_one_field_and_parameters_the_others(http: httpx.Client) -> None:
    response = http.put("/lib/shelves/1/books/2?id=5", json={"theme": "sea"})
    assert response.json() == {"name": "shelves/1/books/2", "id": "5", "shelf": {"theme": "sea"}}
    rejected = http.put("/lib/shelves/1/books/2?shelf.place=5", json={"theme": "sea"})
    assert violations(rejected)[0]["field"] == "shelf.place"


def test_a_response_body_may_be_one_field_and_two_stars_match_all_segments(http: httpx.Client) -> None:
    assert http.get("/lib/find/a/b%2Fc/d").json() == [{"name": "a/b%2Fc/d"}]
    assert http.get("/lib/find/").json() == [{}]


def test_the_most_specific_of_several_matching_paths_wins(http: httpx.Client) -> None:
    assert http.get("/lib/books/newest").json() == {"books": [{}]}
    assert http.get("/lib/find/a/on/b").json() == {"books": [{"name": "a"}]}
    assert http.get("/lib/find/a/at/b").json() == [{"name": "a/at/b"}]


def test_every_verb_reaches_its_rpc(http: httpx.Client) -> None:
    assert http.delete("/lib/books/7").json() == {"id": "7"}
    head = http.head("/lib/books/7")
    assert (head.status_code, head.content) == (200, b"")
    assert http.patch("/lib/books/7").status_code == 405


def test_an_unsupported_verb_is_405_and_the_response_lists_the_supported_ones(http: httpx.Client) -> None:
    response = http.post("/lib/books/7", json={})
    assert response.status_code == 405
    assert response.headers["allow"] == "CHECK, DELETE, GET, HEAD"
    assert response.json()["code"] == 12


@pytest.mark.parametrize("path", ["/lib", "/lib/", "/lib/nothing", "/lib/shelves/1/books", "/lib/books/7:return/x"])
def test_an_unknown_path_is_404_with_a_status_as_its_body(http: httpx.Client, path: str) -> None:
    response = http.get(path)
    assert (response.status_code, response.json()["code"]) == (404, 5)


def test_an_rpc_without_a_rule_is_not_served(http: httpx.Client) -> None:
    assert http.post("/tests.library.Library/Hidden", json={}).status_code == 404


def test_a_stream_has_one_line_for_each_response(http: httpx.Client) -> None:
    response = http.get("/lib/books:stream")
    assert response.headers["content-type"].startswith("application/x-ndjson")
    assert [json.loads(line) for line in response.text.splitlines()] == [{"result": {"id": str(n)}} for n in (1, 2, 3)]


def test_a_stream_reports_an_early_error_as_its_status_and_a_later_one_in_its_last_line(
    http: httpx.Client,
) -> None:
    assert http.get("/lib/books:stream?id=404").status_code == 404
    assert http.get("/lib/books:stream?id=x").status_code == 400
    response = http.get("/lib/books:stream?id=1")
    assert response.status_code == 200
    *results, last = map(json.loads, response.text.splitlines())
    assert len(results) == 3
    assert last["error"]["code"] == 14


def test_errors_have_the_same_http_status_as_in_grpc_gateway(http: httpx.Client) -> None:
    assert http.post("/lib/books/404:cancel").status_code == 404
    unavailable = http.post("/lib/books/503:cancel")
    assert (unavailable.status_code, unavailable.headers["retry-after"]) == (503, "1")
    internal = http.post("/lib/books/500:cancel")
    assert internal.status_code == 500
    assert "secret" not in internal.text


INVALID_BODIES = [
    (b"{", "line 1, column 2"),
    (b'{"authors": ["x",\n ]}', "line 2, column 2"),
    (b"[]", "JSON object"),
    (b'"x"', "JSON object"),
    (b"null", "JSON object"),
    (b'{"id": 1, "id": 2}', "must not be repeated"),
    (b'{"is_lent": true, "isLent": false}', "must not be repeated"),
    (b'{"weightKg": NaN}', "NaN is not a JSON number"),
    (b'{"weightKg": -Infinity}', "not a JSON number"),
    (b'{"weightKg": 1e400}', "too large"),
    (b'{"id": ' + b"9" * 1000 + b"}", "more than 400 digits"),
    (b'{"name": "\xff"}', "UTF-8"),
    (b"[" * 2000, "nested"),
    (b'{"shelf": ' * 200 + b"1" + b"}" * 200, ""),
    (b'{"nothing": 1}', "is not a field"),
    (b'{"shelf": {"nothing": 1}}', "is not a field"),
    (b'{"genres": ["GENRE_SONG"]}', "GENRE_NOVEL"),
    (b'{"name": 5}', "must be a string"),
    (b'{"name": "\\ud800"}', "surrogate"),
    (b'{"\\ud800": 1}', "surrogate"),
    (b'{"shelf": {"\\udfff": 1}}', "surrogate"),
    (b'{"genres": ["\\ud800"]}', "surrogate"),
    (b'{"authors": "x"}', "a list"),
    (b'{"isLent": "true"}', "true or false"),
    (b'{"id": 1.5}', "64-bit integer"),
    (b'{"person": "a", "company": "b"}', ""),
]


@pytest.mark.parametrize(("body", "description"), INVALID_BODIES, ids=[str(body[:30]) for body, _ in INVALID_BODIES])
def test_an_invalid_body_is_400_with_a_description(http: httpx.Client, body: bytes, description: str) -> None:
    response = http.post("/lib/books/7:cancel", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 400, response.text
    assert description in violations(response)[0]["description"]


def test_a_body_of_an_unsupported_type_is_415_and_one_that_is_too_large_is_413(http: httpx.Client) -> None:
    form = http.post("/lib/books/7:cancel", data={"name": "x"})
    assert (form.status_code, form.json()["code"]) == (415, 3)
    large = http.post("/lib/books/7:cancel", json={"name": "x" * 5000})
    assert (large.status_code, large.json()["code"]) == (413, 3)
    chunked = http.post("/lib/books/7:cancel", content=(b"x" * 1000 for _ in range(6)))
    assert chunked.status_code == 413
    with_type = http.post(
        "/lib/books/7:cancel", content=b"{}", headers={"Content-Type": "Application/JSON; charset=UTF-8"}
    )
    assert with_type.status_code == 200


def test_the_idempotency_key_sets_the_request_id(http: httpx.Client) -> None:
    response = http.post("/lib/books/2:cancel", json={}, headers={"Idempotency-Key": "k 1"})
    assert response.json() == {"id": "2", "requestId": "k 1"}
    assert response.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in http.post("/lib/books/3:cancel").headers
    both = http.post("/lib/books/2:cancel", json={"requestId": "k 2"}, headers={"Idempotency-Key": "k 1"})
    assert violations(both)[0]["field"] == "request_id"


@pytest.mark.parametrize(
    "template",
    ["", "lib", "/lib/{id", "/lib/{}", "/lib/**/x", "/lib/{id=**}/x", "/lib/x:", "/lib/{a={b}}", "/lib//{9}", "/:x"],
)
def test_a_template_that_violates_the_grammar_is_rejected(template: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        PathTemplate.parse(template)


def test_the_root_matches_only_itself() -> None:
    root = PathTemplate.parse("/")
    assert root.match("/") == {}
    assert (root.match(""), root.match("/lib"), root.match("//")) == (None, None, None)


@pytest.mark.parametrize(
    ("rule", "description"),
    [
        ('get: "/lib/{nothing}"', "has no field nothing"),
        ('get: "/lib/{genres}"', "cannot be in a path"),
        ('get: "/lib/{shelf}"', "cannot be in a path"),
        ('post: "/lib" body: "nothing"', "has no field nothing"),
        ('get: "/lib" response_body: "nothing"', "has no field nothing"),
        ('get: "lib"', "must start with a slash"),
        ('additional_bindings: {get: "/lib"}', None),
    ],
)
def test_an_invalid_rule_prevents_startup(tmp_path: Path, rule: str, description: str | None) -> None:
    proto = (FOLDER / "library.proto").read_text().split("service Library")[0]
    proto += f"service S {{ rpc R(Book) returns (Book) {{ option (google.api.http) = {{{rule}}}; }} }}\n"
    proto += "enum Genre" + (FOLDER / "library.proto").read_text().split("enum Genre", 1)[1]
    (tmp_path / "broken.proto").write_text(proto)
    service = compile_proto("broken.proto", tmp_path).services_by_name["S"]
    if description is None:
        assert http_rules([service]) == []
        return
    with pytest.raises(InvalidHttpRule, match=description):
        http_rules([service])
