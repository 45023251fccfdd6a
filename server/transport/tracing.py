"""Calls with a span around each, for gRPC and REST, in the place of those without where there is tracing."""

from collections import defaultdict
from collections.abc import Sequence

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.observability import tracing
from server.observability.logs import log_context
from server.transport.grpc.handlers import Serve
from server.transport.pipeline.calls import Call
from server.transport.rest.gateway.endpoints import raw_path
from server.transport.rest.gateway.rules import http_rules
from server.transport.rest.v1.endpoints import PATHS

_FAULTS = frozenset({"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"})
"""The codes that are a server's error, by the semantic conventions for gRPC; others are their caller's."""

_FIRST_HTTP_FAULT = 500


class CallSpans:
    """Records on the current span how a call went, and in its log which trace it belongs to."""

    def begin(self, call: Call) -> None:
        """Record that a call begins: see ``CallObserver``."""
        span = tracing.current_span()
        span.set_attribute("payments.request_id", call.call_id)
        trace_id = tracing.trace_id_of(span)
        if trace_id is not None:
            log_context.set({**log_context.get(), "trace_id": trace_id})

    def end(self, code: str, reason: str | None) -> None:
        """Record how the call ended: see ``CallObserver``."""
        span = tracing.current_span()
        span.set_attribute("rpc.response.status_code", code)
        if reason is not None and code in _FAULTS:
            tracing.tell_fault(span, reason)


def traced_handler(method: MethodDescriptor, serve: Serve) -> Serve:
    """Return a handler of gRPC that does as ``serve`` does, inside a span."""
    name = f"{method.containing_service.full_name}/{method.name}"
    attributes = {"rpc.system.name": "grpc", "rpc.method": name}

    async def traced(payload: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
        headers: defaultdict[str, list[str]] = defaultdict(list)
        for key, value in context.invocation_metadata() or ():
            if key in {tracing.PARENT_KEY, tracing.STATE_KEY} and isinstance(value, str):
                headers[key].append(value)
        with tracing.server_span(name, headers, attributes):
            return await serve(payload, context)

    return traced


class TracedHttp:
    """An ASGI application inside a span for each request that is a call; others, of health say, have none.

    A stream has none either, as it has no end to speak of.
    """

    def __init__(self, app: ASGIApp, services: Sequence[ServiceDescriptor]) -> None:
        """Serve as ``app`` does, which has ``/v1`` and the RPCs of ``services``."""
        self._app = app
        self._rules = sorted(
            (rule for rule in http_rules(services) if not rule.method.server_streaming),
            key=lambda rule: rule.template.specificity,
        )
        self._legacy = [(verb, path, compile_path(path)[0]) for verb, path in PATHS]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        route = self._route(scope)
        if route is None:
            await self._app(scope, receive, send)
            return
        headers: defaultdict[str, list[str]] = defaultdict(list)
        for key, value in scope["headers"]:
            if key in {tracing.PARENT_KEY.encode(), tracing.STATE_KEY.encode()}:
                headers[key.decode()].append(value.decode("latin-1"))
        attributes = {
            "http.request.method": scope["method"],
            "http.route": route,
            "url.scheme": scope["scheme"],
            "network.protocol.version": scope["http_version"],
        }
        with tracing.server_span(f"{scope['method']} {route}", headers, attributes) as span:

            async def send_seen(message: Message) -> None:
                if message["type"] == "http.response.start":
                    status = message["status"]
                    span.set_attribute("http.response.status_code", status)
                    if status >= _FIRST_HTTP_FAULT:
                        tracing.tell_fault(span, str(status))
                await send(message)

            await self._app(scope, receive, send_seen)

    def _route(self, scope: Scope) -> str | None:
        """Return the path of what serves a request, with the names of its variables; None when that is no call."""
        verb, path = scope["method"], scope["path"]
        for legacy_verb, route, pattern in self._legacy:
            if verb == legacy_verb and pattern.match(path):
                return route
        encoded = raw_path(scope)
        for rule in self._rules:
            if verb == rule.verb and rule.template.matches(encoded):
                return rule.template.text
        return None
