"""A fake of Stripe's API that fails on request, and records the money that it moved.

It carries out requests with the same idempotency key once, as long as it remembers the key, and lists its payments and
refunds. Any request may fail, before or after it is carried out.
"""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from tests.processors.fake_objects import DECLINED
from tests.processors.fake_records import FakeRecords, Request, Response, error_response
from tests.support.ports import free_port
from tests.support.secrecy import register_secret

API_KEY = "sk_test_faulty_processor_key"
METHODS = f"UPI=pm_upi,COD=pm_cod,CARD={DECLINED}"

SOURCE_KEY = "the-key-of-the-payment-sources-of-the-tests"
WEBHOOK_SECRET = "whsec_the-secret-of-the-tests"  # noqa: S105 - of the tests

for _secret in (API_KEY, SOURCE_KEY, WEBHOOK_SECRET):
    register_secret(_secret)


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


class FaultyProcessor(FakeRecords):
    """A context manager that listens on one port, also after a restart."""

    def __init__(self) -> None:
        """Create a processor without faults that does not listen yet."""
        super().__init__()
        self.port = free_port()
        self.fault: Callable[[Request], Fault | None] = lambda _: None
        self.events_fault: Callable[[Request], Fault | None] = lambda _: None
        """The fault of a request for the list of events, which services send at any time."""
        self.requests: list[Request] = []
        """The received requests, without those for the list of events."""
        self.events_requests: list[Request] = []
        self.echoes_keys = True
        """Whether responses have the idempotency key, as Stripe's do."""
        self.key_lifetime_seconds = float("inf")
        self._responses: dict[str, tuple[float, dict[str, str], Response]] = {}
        self._keys_in_progress: set[str] = set()
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
            "PAYMENT_SOURCE_KEYS": SOURCE_KEY,
            "PROCESSOR_WEBHOOK_SECRETS": WEBHOOK_SECRET,
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
        with self.lock:
            self._responses.clear()

    def posts(self, path: str) -> list[Request]:
        """Return the POST requests to this path."""
        with self.lock:
            return [request for request in self.requests if (request.method, request.path) == ("POST", path)]

    def respond(self, request: Request) -> tuple[Response | None, Fault]:
        """Carry out a request; return the response, or None to drop the request, and the fault of the response."""
        is_events = request.path == "/v1/events"
        with self.lock:
            (self.events_requests if is_events else self.requests).append(request)
        fault = (self.events_fault if is_events else self.fault)(request) or Fault()
        time.sleep(fault.before_seconds)
        if fault.drop_before:
            return None, fault
        if fault.error_before:
            return (fault.error_before, {"error": dict(fault.error)}), fault
        if request.api_key != API_KEY:
            return error_response(
                401, "invalid_request_error", message=f"Invalid API Key provided: {request.api_key}"
            ), fault
        response, is_replay = self._once(request, fault)
        if is_replay:
            fault = replace(fault, headers=(*fault.headers, ("Idempotent-Replayed", "true")))
        time.sleep(fault.after_seconds)
        return (None if fault.drop_after else response), fault

    def _once(self, request: Request, fault: Fault) -> tuple[Response, bool]:
        """Carry out a request once per key; return the response, and whether it is a replay."""
        key = request.key
        if key is None:
            return self.do(request), False
        with self.lock:
            stored_seconds, form, response = self._responses.get(key, (float("-inf"), {}, (0, {})))
            if time.monotonic() - stored_seconds < self.key_lifetime_seconds:
                return (response, True) if form == request.form else (error_response(400, "idempotency_error"), False)
            if key in self._keys_in_progress:
                return error_response(409, "idempotency_error", code="idempotency_key_in_use"), False
            self._keys_in_progress.add(key)
        try:
            with self.lock:
                response = self.do(request)
                if fault.error_after:
                    response = error_response(fault.error_after, "api_error")
                self._responses[key] = time.monotonic(), request.form, response
            return response, False
        finally:
            with self.lock:
                self._keys_in_progress.discard(key)


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
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if len(body) < length:
            # The sender was killed before it had sent the whole body.
            self.close_connection = True
            return
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
