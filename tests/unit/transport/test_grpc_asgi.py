"""gRPC over ASGI: the protocol, with a scripted ASGI server."""

import asyncio
import base64
import gzip
import zlib
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest

from server.transport.grpc.asgi.app import GrpcApp
from server.transport.grpc.call_context import CallContext
from server.transport.grpc.server import Rejection
from server.transport.pipeline.cross_site import CrossSiteRule

_MAX_MESSAGE_BYTES, _MAX_METADATA_BYTES = 1000, 2000

SHOP = "https://shop.example.com"

Headers = list[tuple[bytes, bytes]]


@dataclass
class Exchange:
    """A request, as parts of its body, and the response to it. After the last part, the client waits or is gone."""

    parts: list[bytes]
    headers: Headers = field(default_factory=list)
    path: str = "/test.Service/Echo"
    method: str = "POST"
    http_version: str = "2"
    content_type: bytes | None = b"application/grpc"
    ends: bool = True
    leaves_after_seconds: float | None = None
    peer: tuple[str, int] | None = ("10.0.0.7", 5000)
    events: list[MutableMapping[str, Any]] = field(default_factory=list)
    parts_read: int = 0

    @property
    def scope(self) -> dict[str, Any]:
        """The scope of the request."""
        types = [] if self.content_type is None else [(b"content-type", self.content_type)]
        return {
            "type": "http",
            "method": self.method,
            "http_version": self.http_version,
            "scheme": "http",
            "path": self.path,
            "raw_path": self.path.encode(),
            "headers": [(b"host", b"payments"), (b"te", b"trailers"), *types, *self.headers],
            "client": self.peer,
        }

    async def receive(self) -> dict[str, Any]:
        """Return the next part. Afterwards, like pyvoy, return empty parts until the client is gone."""
        if self.parts_read < len(self.parts):
            self.parts_read += 1
            is_last = self.parts_read == len(self.parts)
            return {
                "type": "http.request",
                "body": self.parts[self.parts_read - 1],
                "more_body": not (is_last and self.ends),
            }
        if not self.ends:
            await asyncio.sleep(self.leaves_after_seconds or 3600)
        if self.leaves_after_seconds is not None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(self, event: MutableMapping[str, Any]) -> None:
        """Record a part of the response."""
        self.events.append(event)

    @property
    def start(self) -> dict[bytes, bytes]:
        """The headers of the response."""
        return dict(self.events[0]["headers"])

    @property
    def trailers(self) -> dict[bytes, bytes]:
        """The trailers of the response, which are its headers if it has only a status."""
        return dict(self.events[-1].get("headers", self.events[0]["headers"]))

    @property
    def code(self) -> int:
        """The number of the status."""
        return int(self.trailers[b"grpc-status"])

    @property
    def message(self) -> str:
        """The message of the status."""
        return self.trailers[b"grpc-message"].decode()

    @property
    def body(self) -> bytes:
        """The body of the response."""
        return b"".join(event.get("body", b"") for event in self.events)


def framed(message: bytes, *, compressed: bool = False) -> bytes:
    return bytes([compressed]) + len(message).to_bytes(4, "big") + message


async def echo(payload: bytes, context: CallContext) -> bytes:
    context.set_trailing_metadata((("x-text", "a b"), ("x-data-bin", b"\0\xff")))
    return payload


def app_of(handler: Any, name: str = "Echo", read_timeout_seconds: float = 60) -> GrpcApp:
    app = GrpcApp(_MAX_MESSAGE_BYTES, _MAX_METADATA_BYTES, read_timeout_seconds, CrossSiteRule([SHOP]))
    app.add_registered_method_handlers("test.Service", {name: handler})
    return app


def unary(function: Callable[..., Awaitable[bytes]]) -> GrpcApp:
    return app_of(grpc.unary_unary_rpc_method_handler(function))


def stream(function: Callable[..., Awaitable[None]]) -> GrpcApp:
    return app_of(grpc.unary_stream_rpc_method_handler(function))


def exchange(exchanged: Exchange, app: GrpcApp | None = None) -> Exchange:
    async def run() -> None:
        await asyncio.wait_for((app or unary(echo))(exchanged.scope, exchanged.receive, exchanged.send), 30)

    asyncio.run(run())
    return exchanged


def test_a_unary_call_is_answered_with_headers_a_message_and_trailers() -> None:
    done = exchange(Exchange([framed(b"hello")]))

    assert done.events == [
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", b"application/grpc")],
            "trailers": True,
        },
        {"type": "http.response.body", "body": framed(b"hello"), "more_body": False},
        {
            "type": "http.response.trailers",
            "headers": [(b"grpc-status", b"0"), (b"x-text", b"a b"), (b"x-data-bin", b"AP8")],
        },
    ]


@pytest.mark.parametrize("size", [1, 3, 5, 6, 9])
def test_a_message_may_arrive_in_pieces_of_any_size(size: int) -> None:
    data = framed(b"hello")
    done = exchange(Exchange([data[start : start + size] for start in range(0, len(data), size)]))
    assert (done.body, done.code) == (data, 0)


def test_the_end_of_a_request_may_arrive_after_its_message() -> None:
    assert exchange(Exchange([framed(b"hello"), b""])).code == 0


@pytest.mark.parametrize(
    ("parts", "code", "message"),
    [
        ([b""], grpc.StatusCode.INTERNAL, "the request has no message"),
        ([framed(b"a") + framed(b"b")], grpc.StatusCode.INTERNAL, "the request of this RPC must have one message"),
        ([framed(b"a"), framed(b"b")], grpc.StatusCode.INTERNAL, "the request of this RPC must have one message"),
        ([framed(b"hello")[:-1]], grpc.StatusCode.INTERNAL, "the request ends in the middle of a message"),
        ([framed(b"hello")[:3]], grpc.StatusCode.INTERNAL, "the request ends in the middle of a message"),
        ([b"\2" + framed(b"a")[1:]], grpc.StatusCode.INTERNAL, "the first byte of a message must be 0 or 1"),
        (
            [framed(b"a", compressed=True)],
            grpc.StatusCode.INTERNAL,
            "a message is compressed, but grpc-encoding does not say how",
        ),
    ],
)
def test_a_malformed_request_is_rejected(parts: list[bytes], code: grpc.StatusCode, message: str) -> None:
    done = exchange(Exchange(parts))
    assert (done.code, done.message) == (code.value[0], message)
    assert done.events[0]["status"] == 200
    assert len(done.events) == 2


def test_a_message_that_is_too_large_is_rejected_before_it_arrives() -> None:
    prefix = framed(bytes(_MAX_MESSAGE_BYTES + 1))[:5]
    done = exchange(Exchange([prefix, *[bytes(100)] * 11]))
    assert (done.code, done.message) == (
        grpc.StatusCode.RESOURCE_EXHAUSTED.value[0],
        "a message must be at most 1,000 bytes",
    )
    assert done.parts_read == 1
    assert exchange(Exchange([framed(bytes(_MAX_MESSAGE_BYTES))])).code == 0


def compressed_with(encoding: str, data: bytes) -> bytes:
    return gzip.compress(data) if encoding == "gzip" else zlib.compress(data)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_messages_are_inflated_and_responses_are_compressed_like_the_request(encoding: str) -> None:
    message = b"hello " * 100
    headers = [(b"grpc-encoding", encoding.encode())]
    done = exchange(Exchange([framed(compressed_with(encoding, message), compressed=True)], headers))
    assert (done.code, done.start[b"grpc-encoding"]) == (0, encoding.encode())
    assert done.body[0] == 1
    assert zlib.decompress(done.body[5:], 47) == message
    assert exchange(Exchange([framed(b"not compressed")], headers)).code == 0


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        (lambda data: data[:-9], grpc.StatusCode.INTERNAL, "a compressed message is incomplete"),
        (lambda data: b"\0" + data[1:], grpc.StatusCode.INTERNAL, "a compressed message is malformed"),
    ],
)
def test_a_malformed_compressed_message_is_rejected(
    encoding: str, change: Callable[[bytes], bytes], code: grpc.StatusCode, message: str
) -> None:
    data = change(compressed_with(encoding, b"hello hello hello"))
    done = exchange(Exchange([framed(data, compressed=True)], [(b"grpc-encoding", encoding.encode())]))
    assert (done.code, done.message) == (code.value[0], message)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_compressed_message_may_not_inflate_beyond_the_limit(encoding: str) -> None:
    headers = [(b"grpc-encoding", encoding.encode())]
    for size, code in ((_MAX_MESSAGE_BYTES, 0), (_MAX_MESSAGE_BYTES + 1, 8), (10_000_000, 8)):
        data = compressed_with(encoding, bytes(size))[:_MAX_MESSAGE_BYTES]
        assert exchange(Exchange([framed(data, compressed=True)], headers)).code == code


def test_an_unknown_encoding_is_rejected_with_the_known_ones() -> None:
    done = exchange(Exchange([framed(b"", compressed=True)], [(b"grpc-encoding", b"br")]))
    assert done.code == grpc.StatusCode.UNIMPLEMENTED.value[0]
    assert done.trailers[b"grpc-accept-encoding"] == b"identity, deflate, gzip"
    assert exchange(Exchange([framed(b"")], [(b"grpc-encoding", b"identity")])).code == 0


@pytest.mark.parametrize(
    "content_type",
    [b"application/grpc", b"application/grpc+proto", b"application/grpc;charset=utf-8", b"Application/gRPC"],
)
def test_every_media_type_of_grpc_is_accepted(content_type: bytes) -> None:
    assert exchange(Exchange([framed(b"")], content_type=content_type)).code == 0


@pytest.mark.parametrize(
    "content_type", [None, b"application/json", b"application/grpc-web+proto", b"application/grpcx"]
)
def test_another_media_type_gets_an_http_status(content_type: bytes | None) -> None:
    done = exchange(Exchange([framed(b"")], content_type=content_type))
    assert (done.events[0]["status"], done.start) == (415, {b"content-type": b"text/plain; charset=utf-8"})
    assert b"must be application/grpc" in done.body


def test_another_method_gets_an_http_status() -> None:
    done = exchange(Exchange([b""], method="GET"))
    assert (done.events[0]["status"], done.start[b"allow"]) == (405, b"POST")


def test_grpc_over_http_1_gets_an_http_status_unless_envoy_translated_it_from_grpc_web() -> None:
    done = exchange(Exchange([framed(b"")], http_version="1.1"))
    assert done.events[0]["status"] == 505
    assert b"gRPC-Web" in done.body
    translated = [(b"grpc-accept-encoding", b"identity,deflate,gzip")]
    assert exchange(Exchange([framed(b"")], translated, http_version="1.1")).code == 0


@pytest.mark.parametrize(("origin", "status"), [(SHOP, 405), ("https://evil.example", 403), ("null", 403)])
def test_the_preflight_of_a_page_of_another_origin_is_rejected_and_logged(
    origin: str, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [(b"origin", origin.encode()), (b"access-control-request-method", b"POST")]
    assert exchange(Exchange([b""], asked, method="OPTIONS")).events[0]["status"] == status
    assert ("cross_site_refused" in capsys.readouterr().out) is (status == 403)


@pytest.mark.parametrize("path", ["/test.Service/Other", "/other.Service/Echo", "/", "/test.Service/echo"])
def test_an_unknown_rpc_is_unimplemented(path: str) -> None:
    assert exchange(Exchange([framed(b"")], path=path)).code == grpc.StatusCode.UNIMPLEMENTED.value[0]


def test_metadata_reaches_the_handler() -> None:
    seen: list[Any] = []

    async def handle(_payload: bytes, context: CallContext) -> bytes:
        seen.extend(context.invocation_metadata() or ())
        return b""

    binary = base64.b64encode(b"\0\1").rstrip(b"=")
    headers = [
        (b"x-request-id", b"one"),
        (b"x-data-bin", binary + b",AQI="),
        (b"authorization", b"Bearer a,Bearer b"),
        (b"grpc-trace-bin", b"AA"),
        (b"x-latin", b"\xe9"),
    ]
    exchange(Exchange([framed(b"")], headers), unary(handle))
    assert seen == [
        ("x-request-id", "one"),
        ("x-data-bin", b"\0\1"),
        ("x-data-bin", b"\1\2"),
        ("authorization", "Bearer a"),
        ("authorization", "Bearer b"),
        ("x-latin", "\xe9"),
    ]


@pytest.mark.parametrize(
    ("headers", "code", "message"),
    [
        (
            [(b"x-data-bin", b"?")],
            grpc.StatusCode.INVALID_ARGUMENT,
            "metadata x-data-bin: the value must be Base64, because the key ends in -bin",
        ),
        (
            [(b"grpc-timeout", b"1s")],
            grpc.StatusCode.INVALID_ARGUMENT,
            "grpc-timeout must be 1 to 8 digits and a unit: H, M, S, m, u or n",
        ),
        (
            [(b"x-large", bytes(_MAX_METADATA_BYTES))],
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "the metadata must be at most 2,000 bytes, with 32 for each entry",
        ),
    ],
)
def test_invalid_metadata_is_rejected(headers: Headers, code: grpc.StatusCode, message: str) -> None:
    done = exchange(Exchange([framed(b"")], headers))
    assert (done.code, done.message) == (code.value[0], message)


@pytest.mark.parametrize(
    ("peer", "text"), [(("10.0.0.7", 5), "ipv4:10.0.0.7:5"), (("::1", 5), "ipv6:%5B::1%5D:5"), (None, "")]
)
def test_the_peer_is_written_as_grpcio_writes_it(peer: tuple[str, int] | None, text: str) -> None:
    seen = []

    async def handle(_payload: bytes, context: CallContext) -> bytes:
        seen.append(context.peer())
        return b""

    exchange(Exchange([framed(b"")], peer=peer), unary(handle))
    assert seen == [text]


def test_the_certificate_that_envoy_verified_is_the_clients() -> None:
    seen: list[Any] = []

    async def handle(_payload: bytes, context: CallContext) -> bytes:
        seen.append(context.auth_context())
        return b""

    header = (b"x-forwarded-client-cert", b'Hash=0a;Cert="-----BEGIN%20CERTIFICATE-----%0Aab%2Fc%0A"')
    for headers in ([header], []):
        exchange(Exchange([framed(b"")], headers), unary(handle))
    assert seen == [{"x509_pem_cert": (b"-----BEGIN CERTIFICATE-----\nab/c\n",)}, {}]


@pytest.mark.parametrize(
    ("timeout", "seconds"), [(b"2H", 7200), (b"3M", 180), (b"90S", 90), (b"90000000m", 90_000), (b"1n", 0)]
)
def test_the_deadline_is_known_to_the_handler(timeout: bytes, seconds: float) -> None:
    seen = []

    async def handle(_payload: bytes, context: CallContext) -> bytes:
        remaining = context.time_remaining()
        assert remaining is not None
        seen.append(remaining)
        return b""

    exchange(Exchange([framed(b"")], [(b"grpc-timeout", timeout)]), unary(handle))
    assert seen[0] == pytest.approx(seconds, abs=5)


async def hang(_payload: bytes, _context: CallContext) -> bytes:
    await asyncio.sleep(3600)
    return b""


def test_a_call_ends_at_its_deadline() -> None:
    done = exchange(Exchange([framed(b"")], [(b"grpc-timeout", b"50m")]), unary(hang))
    assert (done.code, done.message) == (4, "the deadline passed before the call ended")
    unread = exchange(Exchange([framed(b"hello")[:-1]], [(b"grpc-timeout", b"50m")], ends=False))
    assert (unread.code, unread.message) == (4, "the deadline passed before the call ended")


def test_a_request_that_takes_too_long_to_arrive_is_rejected() -> None:
    app = app_of(grpc.unary_unary_rpc_method_handler(echo), read_timeout_seconds=0.05)
    done = exchange(Exchange([framed(b"hello")[:-1]], ends=False), app)
    assert (done.code, done.message) == (4, "the request took too long to arrive")


def test_a_call_is_cancelled_when_its_client_leaves() -> None:
    cancelled = []

    async def handle(_payload: bytes, _context: CallContext) -> bytes:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise
        return b""

    done = exchange(Exchange([framed(b"")], leaves_after_seconds=0), unary(handle))
    assert (cancelled, done.events) == ([True], [])


def test_a_client_that_leaves_before_its_request_is_complete_gets_nothing() -> None:
    assert exchange(Exchange([framed(b"hello")[:-1]], ends=False, leaves_after_seconds=0.01)).events == []


def test_the_handler_can_abort_a_call() -> None:
    async def handle(_payload: bytes, context: CallContext) -> bytes:
        await context.abort(grpc.StatusCode.NOT_FOUND, "50 % of Größe\n", (("x-key", "value"), ("x-bin", b"\1")))

    done = exchange(Exchange([framed(b"")]), unary(handle))
    assert done.trailers == {
        b"content-type": b"application/grpc",
        b"grpc-status": b"5",
        b"grpc-message": b"50 %25 of Gr%C3%B6%C3%9Fe%0A",
        b"x-key": b"value",
        b"x-bin": b"AQ",
    }


def test_a_bug_in_a_handler_is_an_internal_error_that_tells_nothing() -> None:
    async def handle(_payload: bytes, _context: CallContext) -> bytes:
        raise ValueError("secret")

    done = exchange(Exchange([framed(b"")]), unary(handle))
    assert (done.code, done.message) == (grpc.StatusCode.INTERNAL.value[0], "internal error")


def test_a_call_can_be_rejected_before_its_request_is_read() -> None:
    app = unary(echo)
    app.reject_early("test.Service", lambda: Rejection(grpc.StatusCode.UNAVAILABLE, "busy", (("x-key", "value"),)))
    done = exchange(Exchange([framed(b"")]), app)
    assert (done.code, done.message, done.parts_read) == (14, "busy", 0)
    assert done.trailers[b"x-key"] == b"value"


def test_a_stream_sends_each_message_and_then_its_status() -> None:
    async def handle(payload: bytes, context: CallContext) -> None:
        for part in payload.split():
            await context.write(part)

    done = exchange(Exchange([framed(b"a b")]), stream(handle))
    assert (done.body, done.code) == (framed(b"a") + framed(b"b"), 0)
    assert [event["type"].rpartition(".")[2] for event in done.events] == ["start", "body", "body", "body", "trailers"]
    assert exchange(Exchange([framed(b"")]), stream(handle)).code == 0


def test_a_stream_can_fail_after_a_message() -> None:
    async def handle(_payload: bytes, context: CallContext) -> None:
        await context.write(b"a")
        await context.abort(grpc.StatusCode.ABORTED, "no more")

    done = exchange(Exchange([framed(b"")]), stream(handle))
    assert (done.body, done.code, done.message) == (framed(b"a"), 10, "no more")


def test_a_stream_ends_when_its_client_leaves() -> None:
    cancelled = []

    class Leaving(Exchange):
        async def send(self, event: MutableMapping[str, Any]) -> None:
            if self.events:
                raise OSError
            await super().send(event)

    async def handle(_payload: bytes, context: CallContext) -> None:
        try:
            await context.write(b"a")
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    exchange(Leaving([framed(b"")]), stream(handle))
    assert cancelled == [True]


def test_a_bidirectional_stream_answers_each_message_as_it_arrives() -> None:
    async def handle(requests: Any, context: CallContext) -> None:
        async for request in requests:
            await context.write(request.upper())

    app = app_of(
        grpc.stream_stream_rpc_method_handler(handle, request_deserializer=bytes.decode, response_serializer=str.encode)
    )
    data = framed(b"a") + framed(b"bcd") + framed(b"e")
    for size in range(1, len(data) + 1):
        done = exchange(Exchange([data[start : start + size] for start in range(0, len(data), size)]), app)
        assert (done.body, done.code) == (b"".join(framed(part) for part in (b"A", b"BCD", b"E")), 0)


def test_many_calls_at_once_do_not_mix() -> None:
    async def handle(payload: bytes, _context: CallContext) -> bytes:
        await asyncio.sleep(0.01)
        return payload

    async def run_all(exchanges: Iterable[Exchange]) -> None:
        app = unary(handle)
        await asyncio.gather(*(app(each.scope, each.receive, each.send) for each in exchanges))

    exchanges = [Exchange([framed(b"%d" % number)]) for number in range(100)]
    asyncio.run(run_all(exchanges))
    assert [each.body for each in exchanges] == [framed(b"%d" % number) for number in range(100)]
