"""A fake of Stripe's API that fails on request, and records the money that it moved.

It carries out requests with the same idempotency key once, as long as it remembers the key, and lists its payments and
refunds. Any request may fail, before or after it is carried out.
"""

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from tests.support.ports import free_port
from tests.support.secrecy import register_secret

API_KEY = "sk_test_faulty_processor_key"
DECLINED = "pm_declined"
"""A payment method whose charges are always declined."""

METHODS = f"UPI=pm_upi,COD=pm_cod,CARD={DECLINED}"

register_secret(API_KEY)


@dataclass(frozen=True, slots=True)
class Fault:
    """How one request fails, in the order of the steps in which the processor handles it."""

    before_seconds: float = 0
    """Wait before carrying out the request."""
    drop_before: bool = False
    """Close the connection without carrying out the request."""
    error_before: int = 0
    """Respond with this status and the object ``error``, without carrying out the request."""
    error: tuple[tuple[str, str], ...] = (("type", "api_error"),)
    error_after: int = 0
    """Carry out the request, but respond with this status, and replay that response for the same key."""
    after_seconds: float = 0
    """Wait after carrying out the request."""
    drop_after: bool = False
    """Close the connection without a response."""
    send_half: bool = False
    """Send only the first half of the response."""
    send_twice: bool = False
    """Send the response twice."""
    headers: tuple[tuple[str, str], ...] = ()
    """Headers to add to the response."""
    body: bytes | None = None
    """A body to send in place of the response's own."""


@dataclass(frozen=True, slots=True)
class Request:
    """A received request."""

    method: str
    path: str
    key: str | None
    form: dict[str, str]
    api_key: str


@dataclass(slots=True)
class FakeIntent:
    """A PaymentIntent of the processor."""

    processor_id: str
    reference: str
    amount_minor: int
    currency: str
    status: str
    created_seconds: float = field(default_factory=time.time)

    def as_json(self) -> dict[str, Any]:
        """Return the object of a response."""
        return {
            "id": self.processor_id,
            "object": "payment_intent",
            "amount": self.amount_minor,
            "amount_received": self.amount_minor if self.status == "succeeded" else 0,
            "created": int(self.created_seconds),
            "currency": self.currency,
            "status": self.status,
            "metadata": {"reference": self.reference},
        }


@dataclass(slots=True)
class FakeRefund:
    """A Refund of the processor."""

    processor_id: str
    intent_id: str
    refund_id: str
    amount_minor: int
    currency: str
    status: str

    def as_json(self) -> dict[str, Any]:
        """Return the object of a response."""
        return {
            "id": self.processor_id,
            "object": "refund",
            "amount": self.amount_minor,
            "currency": self.currency,
            "payment_intent": self.intent_id,
            "status": self.status,
            "metadata": {"refund_id": self.refund_id},
        }


_Response = tuple[int, dict[str, Any]]


class FaultyProcessor:
    """A context manager that listens on one port, also after a restart."""

    def __init__(self) -> None:
        """Create a processor without faults that does not listen yet."""
        self.port = free_port()
        self.fault: Callable[[Request], Fault | None] = lambda _: None
        self.intents: dict[str, FakeIntent] = {}
        self.refunds: dict[str, FakeRefund] = {}
        self.requests: list[Request] = []
        self.rejects_refunds = False
        self.echoes_keys = True
        """Whether responses have the idempotency key, as Stripe's do."""
        self.initial_status: str | None = None
        """The status of new payments and refunds; None means succeeded."""
        self.list_lag_seconds = 0.0
        self.key_lifetime_seconds = float("inf")
        self.rejection: tuple[int, dict[str, str]] = (400, {"type": "invalid_request_error"})
        """The response to a rejected refund; by default, Stripe's response to a refund that exceeds what is left."""
        self.alter: Callable[[dict[str, Any]], dict[str, Any]] = lambda body: body
        """Changes each payment and refund in a response, but not in the record."""
        self.should_reject_refund: Callable[[], bool] = lambda: False
        self._responses: dict[str, tuple[float, dict[str, str], _Response]] = {}
        self._keys_in_progress: set[str] = set()
        self._lock = threading.RLock()
        self._server: _Server | None = None

    @property
    def settings(self) -> dict[str, str]:
        """The settings of a service that uses this processor."""
        return {
            "PROCESSOR": "stripe",
            "PROCESSOR_URL": f"http://127.0.0.1:{self.port}",
            "PROCESSOR_API_KEY": API_KEY,
            "PROCESSOR_METHODS": METHODS,
            "PROCESSOR_DEFAULT_METHOD": "UPI",
        }

    def __enter__(self) -> Self:
        """Listen."""
        self.listen()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening."""
        self.stop_listening()

    def listen(self) -> None:
        """Accept connections."""
        server = _Server(("127.0.0.1", self.port), _Handler)
        server.processor = self
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        self._server = server

    def stop_listening(self) -> None:
        """Close every connection, and accept no more; work in progress is completed."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
            server.close_connections()

    @contextmanager
    def failing(self, fault: Fault, path: str = "") -> Iterator[None]:
        """Apply ``fault`` to requests whose path ends with ``path``, while the context lasts."""
        before, self.fault = self.fault, lambda request: fault if request.path.endswith(path) else None
        try:
            yield
        finally:
            self.fault = before

    def forget_keys(self) -> None:
        """Forget all idempotency keys, as after their lifetime."""
        with self._lock:
            self._responses.clear()

    def capture_counts(self) -> Counter[str]:
        """Return how often each reference was charged."""
        with self._lock:
            return Counter(intent.reference for intent in self.intents.values() if intent.status == "succeeded")

    def posts(self, path: str) -> list[Request]:
        """Return the POST requests to this path."""
        with self._lock:
            return [request for request in self.requests if (request.method, request.path) == ("POST", path)]

    def respond(self, request: Request) -> tuple[_Response | None, Fault]:
        """Carry out a request; return the response, or None to drop the request, and the fault of the response."""
        with self._lock:
            self.requests.append(request)
        fault = self.fault(request) or Fault()
        time.sleep(fault.before_seconds)
        if fault.drop_before:
            return None, fault
        if fault.error_before:
            return (fault.error_before, {"error": dict(fault.error)}), fault
        if request.api_key != API_KEY:
            return _error(401, "invalid_request_error", message=f"Invalid API Key provided: {request.api_key}"), fault
        response, is_replay = self._once(request, fault)
        if is_replay:
            fault = replace(fault, headers=(*fault.headers, ("Idempotent-Replayed", "true")))
        time.sleep(fault.after_seconds)
        return (None if fault.drop_after else response), fault

    def _once(self, request: Request, fault: Fault) -> tuple[_Response, bool]:
        """Carry out a request once per key; return the response, and whether it is a replay."""
        key = request.key
        if key is None:
            return self._do(request), False
        with self._lock:
            stored_seconds, form, response = self._responses.get(key, (float("-inf"), {}, (0, {})))
            if time.monotonic() - stored_seconds < self.key_lifetime_seconds:
                return (response, True) if form == request.form else (_error(400, "idempotency_error"), False)
            if key in self._keys_in_progress:
                return _error(409, "idempotency_error", code="idempotency_key_in_use"), False
            self._keys_in_progress.add(key)
        try:
            with self._lock:
                response = self._do(request)
                if fault.error_after:
                    response = _error(fault.error_after, "api_error")
                self._responses[key] = time.monotonic(), request.form, response
            return response, False
        finally:
            with self._lock:
                self._keys_in_progress.discard(key)

    def _do(self, request: Request) -> _Response:  # noqa: PLR0911 - one return for each path
        with self._lock:
            match request.method, request.path.removeprefix("/v1/").split("/"):
                case "POST", ["payment_intents"]:
                    return self._capture(request.form)
                case "GET", ["payment_intents"]:
                    return self._list(request.form)
                case "GET", ["payment_intents", processor_id]:
                    return self._object_response(self.intents.get(processor_id))
                case "POST", ["refunds"]:
                    return self._refund(request.form)
                case "GET", ["refunds"]:
                    intent_id = request.form["payment_intent"]
                    refunds = [
                        self.alter(refund.as_json())
                        for refund in self.refunds.values()
                        if refund.intent_id == intent_id
                    ]
                    return self._page(refunds[::-1], request.form)
                case "GET", ["refunds", processor_id]:
                    return self._object_response(self.refunds.get(processor_id))
        return _error(404, "invalid_request_error")

    def _capture(self, form: dict[str, str]) -> _Response:
        if "error_on_requires_action" in form and "automatic_payment_methods[enabled]" in form:
            return _error(400, "invalid_request_error", code="parameter_unknown", param="error_on_requires_action")
        is_declined = form["payment_method"] == DECLINED
        status = "requires_payment_method" if is_declined else self.initial_status or "succeeded"
        intent = FakeIntent(
            f"pi_{len(self.intents) + 1}",
            form["metadata[reference]"],
            int(form["amount"]),
            form["currency"],
            status,
        )
        self.intents[intent.processor_id] = intent
        if is_declined:
            return 402, {"error": {"type": "card_error", "code": "card_declined", "payment_intent": intent.as_json()}}
        return 200, self.alter(intent.as_json())

    def _list(self, form: dict[str, str]) -> _Response:
        latest = time.time() - self.list_lag_seconds
        intents = [
            self.alter(intent.as_json())
            for intent in self.intents.values()
            if int(form["created[gte]"]) <= int(intent.created_seconds) <= int(form["created[lte]"])
            and intent.created_seconds <= latest
        ]
        return self._page(intents[::-1], form)

    def _refund(self, form: dict[str, str]) -> _Response:
        intent, amount = self.intents.get(form["payment_intent"]), int(form["amount"])
        if intent is None or intent.status != "succeeded":
            return _error(400, "invalid_request_error", code="resource_missing")
        refunded_minor = sum(
            refund.amount_minor for refund in self.refunds.values() if refund.intent_id == intent.processor_id
        )
        if refunded_minor == intent.amount_minor:
            return _error(400, "invalid_request_error", code="charge_already_refunded")
        exceeds_payment = refunded_minor + amount > intent.amount_minor
        if self.rejects_refunds or self.should_reject_refund() or exceeds_payment:
            status, error = self.rejection
            return status, {"error": error}
        refund = FakeRefund(
            f"re_{len(self.refunds) + 1}",
            intent.processor_id,
            form["metadata[refund_id]"],
            amount,
            intent.currency,
            self.initial_status or "succeeded",
        )
        self.refunds[refund.processor_id] = refund
        return 200, self.alter(refund.as_json())

    @staticmethod
    def _page(objects: list[dict[str, Any]], form: dict[str, str]) -> _Response:
        first = 0
        if "starting_after" in form:
            first = 1 + next(index for index, item in enumerate(objects) if item["id"] == form["starting_after"])
        page = objects[first : first + int(form["limit"])]
        return 200, {"object": "list", "data": page, "has_more": first + len(page) < len(objects)}

    def _object_response(self, subject: FakeIntent | FakeRefund | None) -> _Response:
        if subject is None:
            return _error(404, "invalid_request_error", code="resource_missing")
        return 200, self.alter(subject.as_json())


def _error(status: int, kind: str, **more: str) -> _Response:
    return status, {"error": {"type": kind, **more}}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    processor: FaultyProcessor

    def __init__(self, *args: Any) -> None:  # noqa: ANN401 - as the base class
        super().__init__(*args)
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as the base class
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - as the base class
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as the base class
        """Ignore errors, because clients disconnect."""

    def close_connections(self) -> None:
        for connection in tuple(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        self._serve("GET", dict(parse_qsl(urlsplit(self.path).query)))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._serve("POST", dict(parse_qsl(body.decode())))

    def log_message(self, *_: object) -> None:
        pass

    def _serve(self, method: str, form: dict[str, str]) -> None:
        api_key = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        request = Request(method, urlsplit(self.path).path, self.headers.get("Idempotency-Key"), form, api_key)
        response, fault = self.server.processor.respond(request)
        if response is None:
            self.close_connection = True
            return
        status, body = response
        payload = json.dumps(body).encode() if fault.body is None else fault.body
        lines = [f"HTTP/1.1 {status} Any", "Content-Type: application/json", f"Content-Length: {len(payload)}"]
        if request.key is not None and self.server.processor.echoes_keys:
            lines.append(f"Idempotency-Key: {request.key}")
        lines += [f"{name}: {value}" for name, value in fault.headers]
        message = "\r\n".join([*lines, "", ""]).encode() + payload
        if fault.send_half:
            self.wfile.write(message[: len(message) // 2])
            self.close_connection = True
            return
        self.wfile.write(message * (2 if fault.send_twice else 1))
