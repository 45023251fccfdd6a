"""The router: the endpoint that a request reaches, or the response if there is none."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from server.transport.rest.router import Endpoint, HttpRouter


async def show_variables(request: Request) -> Response:
    return PlainTextResponse(" ".join(request.path_params.values()))


async def fail(_request: Request) -> Response:
    raise RuntimeError("secret")


ENDPOINTS = [
    Endpoint("GET", "/v1/items", show_variables),
    Endpoint("POST", "/v1/items/{id}/refund", show_variables, "Refund"),
    Endpoint("GET", "/v1/broken", fail),
    Endpoint("GET", "/v2/items/{id}", show_variables, "GetItem", is_transcoded=True),
    Endpoint("POST", "/v2/items/{id}:cancel", show_variables, "CancelItem", is_transcoded=True),
]


def client_of(router: ASGIApp) -> httpx.AsyncClient:
    async def with_call_id(scope: Scope, receive: Receive, send: Send) -> None:
        await router({**scope, "call_id": "call"}, receive, send)

    return httpx.AsyncClient(transport=httpx.ASGITransport(with_call_id), base_url="http://service")


@pytest_asyncio.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of a router with paths of ``/v1`` and of RPCs."""
    async with client_of(HttpRouter(ENDPOINTS)) as client:
        yield client


@pytest.mark.parametrize(
    ("verb", "path", "variables"),
    [
        ("GET", "/v1/items", ""),
        ("POST", "/v1/items/%37/refund", "7"),
        ("GET", "/v2/items/7", "7"),
        ("POST", "/v2/items/7:cancel", "7"),
    ],
)
@pytest.mark.asyncio
async def test_a_request_reaches_the_endpoint_of_its_verb_and_path(
    client: httpx.AsyncClient, verb: str, path: str, variables: str
) -> None:
    response = await client.request(verb, path)
    assert (response.status_code, response.text) == (200, variables)


@pytest.mark.asyncio
async def test_an_encoded_slash_ends_a_segment_in_v1_paths_but_not_in_rpc_paths(client: httpx.AsyncClient) -> None:
    assert (await client.post("/v1/items/a%2Fb/refund")).status_code == 404
    assert (await client.get("/v2/items/a%2Fb")).text == "a%2Fb"


@pytest.mark.asyncio
async def test_head_finds_the_endpoint_of_get(client: httpx.AsyncClient) -> None:
    assert (await client.head("/v2/items/7")).status_code == 200
    assert (await client.head("/v1/items")).status_code == 200
    assert (await client.head("/v1/items/a/refund")).status_code == 405


@pytest.mark.asyncio
async def test_an_unsupported_verb_is_405_with_the_body_that_fits_the_path(client: httpx.AsyncClient) -> None:
    legacy, rpc = await client.put("/v1/items"), await client.put("/v2/items/7")
    assert (legacy.status_code, legacy.headers["allow"], legacy.json()) == (
        405,
        "GET, HEAD",
        {"detail": "Method Not Allowed"},
    )
    assert (rpc.status_code, rpc.headers["allow"], rpc.json()["code"]) == (405, "GET, HEAD", 12)


@pytest.mark.asyncio
async def test_an_unknown_path_is_404_with_the_body_that_fits_the_path(client: httpx.AsyncClient) -> None:
    legacy, rpc = await client.get("/nothing"), await client.get("/v2/nothing")
    assert (legacy.status_code, legacy.json()) == (404, {"detail": "Not Found"})
    assert (rpc.status_code, rpc.json()["code"]) == (404, 5)


@pytest.mark.asyncio
async def test_a_trailing_slash_is_redirected_except_for_rpcs_or_without_redirects(
    client: httpx.AsyncClient,
) -> None:
    redirect = await client.get("/v1/items/?page=2")
    assert (redirect.status_code, redirect.headers["location"]) == (307, "http://service/v1/items?page=2")
    assert (await client.get("/v2/items/7/")).status_code == 404
    async with client_of(HttpRouter(ENDPOINTS, redirects_slashes=False)) as strict:
        assert (await strict.get("/v1/items/")).status_code == 404


@pytest.mark.asyncio
async def test_an_unexpected_error_is_500_without_its_message(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/broken")
    assert (response.status_code, response.json()) == (500, {"detail": "Internal Server Error"})
