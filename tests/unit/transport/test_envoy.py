"""Envoy's part of the service that runs without Envoy: the event loops, REST's requests, and the TLS files."""

import asyncio
import json
import threading
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from server.config.settings import Settings
from server.transport.envoy.configuration import bootstrap
from server.transport.envoy.other_loop import InOtherLoop
from server.transport.envoy.rest import FORWARDED_SCHEME, behind_envoy
from server.transport.envoy.tls import PublishedTls
from server.transport.rest.callers import CERTIFICATE
from server.transport.tls import Tls, TlsFiles
from tests.support.certificates import Authority


@pytest.fixture
def service_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop in a thread of its own, as that of the service."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


class Pyvoy:
    """The receive and send callables of pyvoy, which return futures of the loop that the request arrived in."""

    def __init__(self, parts: list[bytes], *, leaves: bool = False) -> None:
        """Deliver ``parts``, and then report that the client has left, or empty parts forever, as pyvoy does."""
        self.loop = asyncio.get_running_loop()
        self.sent: list[MutableMapping[str, Any]] = []
        self.empty_parts = 0
        self._parts = parts
        self._leaves = leaves

    def receive(self) -> "asyncio.Future[dict[str, Any]]":
        """Return a future of the loop."""
        future: asyncio.Future[dict[str, Any]] = self.loop.create_future()
        if self._parts:
            part = self._parts.pop(0)
            event: dict[str, Any] = {"type": "http.request", "body": part, "more_body": bool(self._parts)}
        elif self._leaves and self.empty_parts:
            event = {"type": "http.disconnect"}
        else:
            self.empty_parts += 1
            event = {"type": "http.request", "body": b"", "more_body": False}
        self.loop.call_soon_threadsafe(future.set_result, event)
        return future

    def send(self, event: MutableMapping[str, Any]) -> "asyncio.Future[None]":
        """Record an event, and return a future of the loop."""
        future: asyncio.Future[None] = self.loop.create_future()
        self.sent.append(event)
        self.loop.call_soon_threadsafe(future.set_result, None)
        return future


def test_an_application_runs_in_its_own_loop(service_loop: asyncio.AbstractEventLoop) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert asyncio.get_running_loop() is service_loop
        body = await Request(scope, receive).body()
        await PlainTextResponse(body + b"!")(scope, receive, send)

    async def check() -> None:
        pyvoy = Pyvoy([b"a", b"b"])
        await InOtherLoop(app, service_loop)({"type": "http", "headers": []}, pyvoy.receive, pyvoy.send)
        assert [event.get("body") for event in pyvoy.sent] == [None, b"ab!"]

    asyncio.run(check())


def test_a_complete_request_waits_until_its_client_leaves(service_loop: asyncio.AbstractEventLoop) -> None:
    seen = []

    async def app(_scope: Scope, receive: Receive, _send: Send) -> None:
        seen.extend([await receive(), await receive()])

    async def check() -> None:
        pyvoy = Pyvoy([b"a"], leaves=True)
        await InOtherLoop(app, service_loop, look_seconds=0.01)({}, pyvoy.receive, pyvoy.send)
        assert [event["type"] for event in seen] == ["http.request", "http.disconnect"]
        assert pyvoy.empty_parts == 1

    asyncio.run(check())


def test_an_error_of_the_application_or_the_server_reaches_the_other(service_loop: asyncio.AbstractEventLoop) -> None:
    class Gone(Pyvoy):
        def send(self, _event: MutableMapping[str, Any]) -> "asyncio.Future[None]":
            future: asyncio.Future[None] = self.loop.create_future()
            self.loop.call_soon_threadsafe(future.set_exception, OSError("gone"))
            return future

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        with pytest.raises(OSError, match="gone"):
            await send({"type": "http.response.start"})
        raise ValueError("a bug")

    async def check() -> None:
        pyvoy = Gone([])
        with pytest.raises(ValueError, match="a bug"):
            await InOtherLoop(app, service_loop)({}, pyvoy.receive, pyvoy.send)

    asyncio.run(check())


async def answer_with_headers(scope: Scope, _receive: Receive, send: Send) -> None:
    """Respond with what the application sees of a request."""
    seen = {
        "headers": [(name.decode(), value.decode()) for name, value in scope["headers"]],
        "client": scope["client"],
        "scheme": scope["scheme"],
        "certificate": scope["state"][CERTIFICATE].pem.decode() if CERTIFICATE in scope["state"] else None,
    }
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(seen).encode(), "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def request(
    headers: list[tuple[bytes, bytes]], method: str = "GET", trusted_proxies: frozenset[str] = frozenset()
) -> bytes:
    """Return the body of the response to a request that Envoy passes on."""
    sent: list[MutableMapping[str, Any]] = []
    scope = {"type": "http", "method": method, "headers": headers, "client": ("10.0.0.7", 5), "scheme": "http"}

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.disconnect"}

    async def send(event: MutableMapping[str, Any]) -> None:
        sent.append(event)

    async def answer() -> None:
        await behind_envoy(answer_with_headers, trusted_proxies)(scope, receive, send)

    asyncio.run(answer())
    assert sent[-1].get("more_body", False) is False
    return b"".join(event.get("body", b"") for event in sent)


def seen_of(headers: list[tuple[bytes, bytes]], **options: Any) -> dict[str, Any]:
    seen: dict[str, Any] = json.loads(request(headers, **options))
    return seen


@pytest.mark.parametrize("name", ["authorization", "content-type"])
def test_headers_that_envoy_joined_are_separate_again(name: str) -> None:
    assert seen_of([(name.encode(), b"a,b")])["headers"] == [[name, "a"], [name, "b"]]
    assert seen_of([(name.encode(), b"a, b")])["headers"] == [[name, "a, b"]]
    assert seen_of([(b"accept", b"a,b")])["headers"] == [["accept", "a,b"]]


def test_a_response_to_head_has_no_body() -> None:
    assert request([], method="HEAD") == b""


def test_only_a_trusted_proxy_says_who_the_client_is() -> None:
    headers = [(b"x-forwarded-for", b"192.0.2.1"), (FORWARDED_SCHEME, b"https")]
    untrusted, trusted = (seen_of(headers, trusted_proxies=frozenset(proxies)) for proxies in ([], ["10.0.0.0/8"]))
    assert (untrusted["client"], untrusted["scheme"]) == (["10.0.0.7", 5], "http")
    assert (trusted["client"][0], trusted["scheme"]) == ("192.0.2.1", "https")


def test_the_certificate_of_the_client_is_in_the_state() -> None:
    headers = [(b"x-forwarded-client-cert", b'Hash=0a;Cert="-----BEGIN%20CERTIFICATE-----%0A"')]
    assert seen_of(headers)["certificate"] == "-----BEGIN CERTIFICATE-----\n"
    assert seen_of([])["certificate"] is None


def test_each_version_of_the_tls_files_has_new_names(tmp_path: Path) -> None:
    issued = Authority().issue(dns=["localhost"])
    issued.write(tmp_path, "server")
    (tmp_path / "clients.pem").write_bytes(Authority().certificate)
    tls = Tls(TlsFiles(tmp_path / "server.pem", tmp_path / "server.key.pem", tmp_path / "clients.pem"))
    folder = tmp_path / "envoy"
    folder.mkdir()
    published = PublishedTls(folder)

    def secrets() -> dict[str, Any]:
        return {
            resource["name"]: resource
            for name in ("certificate", "authorities")
            for resource in json.loads((folder / f"{name}.json").read_text())["resources"]
        }

    assert published.publish(tls) == 2
    first = secrets()
    assert published.publish(tls) == 2
    second = secrets()
    for key, path in (("certificate_chain", "server.pem"), ("private_key", "server.key.pem")):
        names = [secret["certificate"]["tls_certificate"][key]["filename"] for secret in (first, second)]
        assert names[0] != names[1]
        assert {Path(name).readlink() for name in names} == {tmp_path / path}
    names = [secret["authorities"]["validation_context"]["trusted_ca"]["filename"] for secret in (first, second)]
    assert names[0] != names[1]
    assert {Path(name).read_bytes() for name in names} == {tls.client_authorities}


def test_the_settings_are_in_the_configuration(tmp_path: Path) -> None:
    applications = {"grpc": "module:grpc", "rest": "module:rest"}
    addresses = {"grpc": [("127.0.0.1", 1), ("::1", 1)], "rest": [("::", 2)]}
    settings = Settings(
        mysql_host="db",
        grpc_max_connections=3,
        rest_max_connections=4,
        grpc_max_concurrent_streams=5,
        grpc_max_connection_age_seconds=6,
        tls_cert_file=tmp_path / "a",
        tls_key_file=tmp_path / "b",
        tls_client_ca_file=tmp_path / "c",
    )
    grpc, rest = bootstrap(settings, tmp_path, applications, addresses, tmp_path / "pyvoy.so")["static_resources"][
        "listeners"
    ]
    for listener, connections, requires_certificate in ((grpc, 3, True), (rest, 4, False)):
        (chain,) = listener["filter_chains"]
        limit, manager = (network_filter["typed_config"] for network_filter in chain["filters"])
        bound = [listener["address"], *(more["address"] for more in listener["additional_addresses"])]
        assert [
            (each["socket_address"]["address"], each["socket_address"]["port_value"]) for each in bound
        ] == addresses[listener["name"]]
        assert {each["socket_address"]["ipv4_compat"] for each in bound} == {listener["name"] == "rest"}
        assert limit["max_connections"] == connections
        tls = chain["transport_socket"]["typed_config"]
        assert tls["require_client_certificate"] is requires_certificate
        assert tls["disable_stateless_session_resumption"]
        assert manager["forward_client_cert_details"] == "SANITIZE_SET"
        python = manager["http_filters"][-1]["typed_config"]
        assert python["terminal_filter"]
        assert json.loads(python["filter_config"]["value"])["app"] == applications[listener["name"]]
    options = grpc["filter_chains"][0]["filters"][1]["typed_config"]
    assert options["http2_protocol_options"]["max_concurrent_streams"] == 5
    assert options["common_http_protocol_options"]["max_connection_duration"] == "6.000000s"
