"""gRPC-Web, which Envoy translates to gRPC: its two encodings, and CORS."""

import base64
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx
import pytest
from google.rpc import error_details_pb2, status_pb2
from payments_client.v1 import payments_pb2 as pb

from server.config.grpc import Engine
from tests.support.drivers.requests import charge, new_order_id, new_request_id
from tests.support.drivers.tls_service import TlsService
from tests.support.running_service import RunningService

StartService = Callable[..., RunningService]
Headers = dict[str, str]

SERVICE = "payments.v1.PaymentService"
SHOP, DESK, EVIL = "https://shop.example.com", "http://desk.example.com:3000", "https://evil.example"

BINARY, TEXT = "application/grpc-web+proto", "application/grpc-web-text+proto"
MEDIA_TYPES = [BINARY, TEXT, "application/grpc-web", "application/grpc-web-text"]

_PREFIX_BYTES = 5
_TRAILERS_FLAG = 0x80


@dataclass
class Answer:
    """A gRPC-Web response: its messages, and the trailers, which are HTTP headers if the call failed at once."""

    messages: list[bytes]
    trailers: Headers

    @property
    def code(self) -> int:
        """The number of the status."""
        return int(self.trailers["grpc-status"])

    @property
    def details(self) -> dict[str, bytes]:
        """The serialized details of the status, by type."""
        encoded = self.trailers["grpc-status-details-bin"]
        status = status_pb2.Status.FromString(base64.b64decode(encoded + "=" * (-len(encoded) % 4)))
        return {detail.TypeName(): detail.value for detail in status.details}

    @property
    def reason(self) -> str:
        """The reason in the details."""
        return error_details_pb2.ErrorInfo.FromString(self.details["google.rpc.ErrorInfo"]).reason


def frame(message: bytes) -> bytes:
    return b"\0" + len(message).to_bytes(4, "big") + message


def encoded(message: bytes, media_type: str) -> bytes:
    return base64.b64encode(frame(message)) if "text" in media_type else frame(message)


def decoded_text(body: bytes) -> bytes:
    """Decode chunks of base64 that each have their own padding, as far as they have arrived."""
    return b"".join(base64.b64decode(body[start : start + 4]) for start in range(0, len(body) // 4 * 4, 4))


def frames(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the flags and the content of each frame that has arrived."""
    while len(body) >= (end := _PREFIX_BYTES + int.from_bytes(body[1:_PREFIX_BYTES], "big")):
        yield body[0], body[_PREFIX_BYTES:end]
        body = body[end:]


def trailers_of(block: bytes) -> Headers:
    lines = (line.split(":", 1) for line in block.decode().split("\r\n") if line)
    return {name: value.strip() for name, value in lines}


def answer_of(response: httpx.Response) -> Answer:
    assert response.status_code == 200, response.text
    is_text = "text" in response.headers["content-type"]
    answer = Answer([], dict(response.headers))
    for flags, content in frames(decoded_text(response.content) if is_text else response.content):
        if flags & _TRAILERS_FLAG:
            answer.trailers = trailers_of(content)
        else:
            answer.messages.append(content)
    return answer


class WebCaller:
    """Calls a service by gRPC-Web over HTTP/1.1."""

    def __init__(self, running: RunningService) -> None:
        """Call ``running``."""
        self.running = running
        self.client = httpx.Client(base_url=f"http://{running.target}/{SERVICE}/", timeout=30)

    def post(self, rpc: str, message: bytes, media_type: str = BINARY, headers: Headers | None = None) -> Answer:
        """Make a unary call."""
        return answer_of(self.respond(rpc, message, media_type, headers))

    def respond(
        self, rpc: str, message: bytes, media_type: str = BINARY, headers: Headers | None = None
    ) -> httpx.Response:
        """Make a unary call, and return the response as it is."""
        kinds = {"content-type": media_type, "accept": media_type, "x-grpc-web": "1"}
        return self.client.post(rpc, content=encoded(message, media_type), headers={**kinds, **(headers or {})})

    def preflight(self, origin: str, asked: str = "content-type,x-grpc-web") -> httpx.Response:
        """Ask, as a browser, whether a page may charge."""
        headers = {"origin": origin, "access-control-request-method": "POST", "access-control-request-headers": asked}
        return self.client.options("Charge", headers=headers)

    def count_payments(self) -> int:
        """Return the number of payments."""
        return int(httpx.get(f"{self.running.rest_url}/v1/payments").json()["total"])


@pytest.fixture
def call_envoy(start_service: StartService) -> Iterator[Callable[..., WebCaller]]:
    """Return a function that starts a service inside Envoy, and returns a caller of it."""
    callers: list[WebCaller] = []

    def start(origins: str) -> WebCaller:
        settings = {"CORS_ALLOWED_ORIGINS": origins, "SUCCESS_PROBABILITY": "1"}
        callers.append(WebCaller(start_service(GRPC_ENGINE=str(Engine.ENVOY), **settings)))
        return callers[-1]

    yield start
    for caller in callers:
        caller.client.close()


@pytest.fixture
def closed(call_envoy: Callable[..., WebCaller]) -> WebCaller:
    """A caller of a service without allowed origins."""
    return call_envoy("-")


@pytest.fixture
def shop(call_envoy: Callable[..., WebCaller]) -> WebCaller:
    """A caller of a service that two origins may call."""
    return call_envoy(f"{SHOP},{DESK}")


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
def test_a_program_can_charge_by_grpc_web_without_an_allowed_origin(closed: WebCaller, media_type: str) -> None:
    request = charge(request_id=new_request_id())
    charged = closed.post("Charge", request.SerializeToString(), media_type)
    assert charged.code == 0
    assert pb.ChargeResponse.FromString(charged.messages[0]).payment.order_id == request.order_id
    assert charged.trailers["x-request-id"]
    replayed = closed.post("Charge", request.SerializeToString(), media_type)
    assert (replayed.messages, replayed.trailers["idempotency-replayed"]) == (charged.messages, "true")


@pytest.mark.parametrize("media_type", [BINARY, TEXT])
def test_an_error_has_its_details(closed: WebCaller, media_type: str) -> None:
    failed = closed.post("Charge", b"", media_type)
    assert (failed.code, failed.messages, failed.reason) == (3, [], "INVALID_REQUEST")
    violations = error_details_pb2.BadRequest.FromString(failed.details["google.rpc.BadRequest"]).field_violations
    assert {violation.field for violation in violations} == {"order_id", "amount"}


@pytest.mark.parametrize("media_type", [BINARY, TEXT])
def test_a_watch_streams_each_update_at_once(closed: WebCaller, media_type: str) -> None:
    headers = {"content-type": media_type, "accept": media_type}
    body, order_id = b"", new_order_id()
    with closed.client.stream(
        "POST", "WatchPayments", content=encoded(b"", media_type), headers=headers, timeout=30
    ) as watch:
        for chunk in watch.iter_raw():
            is_first, body = not body, body + chunk
            if is_first:
                httpx.post(
                    f"{closed.running.rest_url}/v1/payments/charge", json={"order_id": order_id, "amount": 5}
                ).raise_for_status()
            content = decoded_text(body) if media_type == TEXT else body
            updates = [pb.WatchPaymentsResponse.FromString(update) for _, update in frames(content)]
            if any(update.event.payment.order_id == order_id for update in updates):
                break
        else:
            pytest.fail("the watch ended")


def test_a_call_has_the_deadline_that_it_asks_for(closed: WebCaller) -> None:
    assert closed.post("ListPayments", b"", headers={"grpc-timeout": "1n"}).code == 4


@pytest.mark.parametrize("media_type", [BINARY, TEXT])
def test_a_request_may_be_as_large_as_over_grpc(closed: WebCaller, media_type: str) -> None:
    for size, code in (((1 << 20) - 64, 3), ((1 << 20) + 64, 8)):
        request = pb.RefundRequest(payment_id=1, reason="x" * size).SerializeToString()
        assert closed.post("Refund", request, media_type).code == code
    assert closed.post("ListPayments", b"", media_type).code == 0


def test_a_request_that_is_not_grpc_web_gets_an_http_status(closed: WebCaller) -> None:
    message = charge().SerializeToString()
    assert closed.client.get("Charge").status_code == 405
    assert closed.respond("Charge", message, "application/json").status_code == 415
    for forged in ({}, {"grpc-accept-encoding": "identity,deflate,gzip"}):
        response = closed.respond("Charge", message, "application/grpc+proto", forged)
        assert (response.status_code, "gRPC-Web" in response.text) == (505, True)
    assert closed.count_payments() == 0


@pytest.mark.parametrize("origin", [EVIL, SHOP, "null"])
@pytest.mark.parametrize("media_type", [BINARY, TEXT])
def test_no_page_can_call_without_an_allowed_origin(closed: WebCaller, origin: str, media_type: str) -> None:
    check_that_a_page_cannot_call(closed, origin, media_type)


@pytest.mark.parametrize("origin", [EVIL, "https://shop.example.com:8443", "http://desk.example.com", "null"])
def test_a_page_of_another_origin_cannot_call(shop: WebCaller, origin: str) -> None:
    check_that_a_page_cannot_call(shop, origin, BINARY)


def check_that_a_page_cannot_call(caller: WebCaller, origin: str, media_type: str) -> None:
    """Check the preflight, after which a browser sends nothing, and a call that was sent nevertheless."""
    preflight = caller.preflight(origin)
    assert preflight.status_code == 403
    assert caller.running.wait_for("cross_site_refused", origin=origin, rpc="")["peer"].startswith("127.0.0.1:")
    for headers in ({"origin": origin}, {"origin": origin, "sec-fetch-site": "cross-site"}):
        response = caller.respond("Charge", charge().SerializeToString(), media_type, headers)
        assert (answer_of(response).code, answer_of(response).reason) == (7, "ORIGIN_NOT_ALLOWED")
        assert not {name for name in (*response.headers, *preflight.headers) if name.startswith("access-control-")}
    assert caller.count_payments() == 0


def test_a_page_of_an_allowed_origin_can_call_and_read_the_status(shop: WebCaller) -> None:
    for origin in (SHOP, DESK):
        preflight = shop.preflight(origin)
        assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (200, origin)
        assert preflight.headers["access-control-allow-methods"] == "POST"
        headers = {"origin": origin, "sec-fetch-site": "cross-site"}
        for message, code in ((charge().SerializeToString(), 0), (b"", 3)):
            response = shop.respond("Charge", message, headers=headers)
            assert answer_of(response).code == code
            assert response.headers["access-control-allow-origin"] == origin
            exposed = set(response.headers["access-control-expose-headers"].split(", "))
            assert exposed == {
                "grpc-status",
                "grpc-message",
                "grpc-status-details-bin",
                "grpc-retry-pushback-ms",
                "x-request-id",
                "idempotency-replayed",
            }
            assert "access-control-allow-credentials" not in {**preflight.headers, **response.headers}
    assert shop.count_payments() == 2


def test_an_allowed_page_can_read_why_a_request_is_not_grpc_web(shop: WebCaller) -> None:
    response = shop.respond("Charge", b"", "application/json", {"origin": SHOP})
    assert (response.status_code, response.headers["access-control-allow-origin"]) == (415, SHOP)


def test_every_origin_can_call_if_the_setting_is_a_star(call_envoy: Callable[..., WebCaller]) -> None:
    anyone = call_envoy("*")
    for origin in (EVIL, "null"):
        assert anyone.preflight(origin).headers["access-control-allow-origin"] in {origin, "*"}
        response = anyone.respond("Charge", charge().SerializeToString(), headers={"origin": origin})
        assert (answer_of(response).code, response.headers["access-control-allow-origin"]) == (0, origin)


def test_grpc_web_over_tls(start_tls_service: Callable[..., TlsService]) -> None:
    service = start_tls_service(GRPC_ENGINE=str(Engine.ENVOY))
    context = ssl.create_default_context(cadata=service.files.authority.certificate.decode())
    with httpx.Client(verify=context, timeout=30) as client:
        url = f"https://localhost:{service.service.port}/{SERVICE}/ListPayments"
        response = client.post(url, content=frame(b""), headers={"content-type": BINARY})
    assert (response.http_version, answer_of(response).code) == ("HTTP/1.1", 0)
    for offered, chosen in ((["http/1.1"], "http/1.1"), (["h2", "http/1.1"], "h2")):
        context.set_alpn_protocols(offered)
        with (
            socket.create_connection(("127.0.0.1", service.service.port), timeout=30) as connection,
            context.wrap_socket(connection, server_hostname="localhost") as tls,
        ):
            assert tls.selected_alpn_protocol() == chosen
