"""Serve every RPC with a ``google.api.http`` option as JSON over HTTP: a small grpc-gateway.

Responses and errors have the JSON and the status codes of grpc-gateway; the body of an error is a google.rpc.Status
with details.
"""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from functools import partial
from typing import Any

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from starlette.requests import Request
from starlette.responses import Response

from server.transport.pipeline.calls import CallFailed, Calls
from server.transport.pipeline.worker_thread import MAX_INLINE_BYTES, WorkerThread
from server.transport.rest.body import BodyLimits
from server.transport.rest.callers import call_of, peer_of
from server.transport.rest.gateway.requests import read_message
from server.transport.rest.gateway.rules import HttpRule, http_rules
from server.transport.rest.responses import JSON, error_response, message_text, replay_headers
from server.transport.rest.router import Endpoint, HttpHandler
from server.transport.rest.streams import fill_resume_token, stream_response


class HttpGateway:
    """Serves RPCs over HTTP."""

    def __init__(self, calls: Calls, limits: BodyLimits, worker_thread: WorkerThread) -> None:
        """Accept bodies within ``limits``, and convert large messages in ``worker_thread``."""
        self._calls = calls
        self._limits = limits
        self._worker_thread = worker_thread

    def endpoints(self, services: Iterable[tuple[ServiceDescriptor, object]]) -> list[Endpoint]:
        """Return an endpoint for each rule of ``services``.

        Each service comes with its servicer, which has a method with the name of each RPC. The method takes the
        request and the ``Call``, and returns the response, or for a streaming RPC an asynchronous generator.

        Raises:
            InvalidHttpRule: a rule is invalid.
        """
        return [self._endpoint(rule, servicer) for service, servicer in services for rule in http_rules([service])]

    def _endpoint(self, rule: HttpRule, servicer: object) -> Endpoint:
        rpc, is_stream = rule.method.name, rule.method.server_streaming
        handler = getattr(servicer, rpc)
        answer: HttpHandler = partial(self._stream if is_stream else self._unary, rule, handler)
        return Endpoint(rule.verb, rule.template.text, answer, rpc, is_stream=is_stream, is_transcoded=True)

    async def _unary(self, rule: HttpRule, handler: Any, request: Request) -> Response:  # noqa: ANN401 - of any RPC
        call = call_of(request)
        try:
            self._calls.admit()
            with self._calls.run(rule.method.name, peer_of(request), call):
                message = await self._read(rule, request)
                response: Message = await handler(message, call)
                is_long = response.ByteSize() > MAX_INLINE_BYTES
                text = await self._worker_thread.run(is_long, message_text, response, rule.response_body)
        except CallFailed as failed:
            return error_response(failed.failure)
        return Response(text, headers=replay_headers(call), media_type=JSON)

    async def _stream(self, rule: HttpRule, handler: Any, request: Request) -> Response:  # noqa: ANN401 - of any RPC
        call = call_of(request)

        async def responses() -> AsyncGenerator[Message, None]:
            message = await self._read(rule, request)
            fill_resume_token(message, request)
            async with aclosing(handler(message, call)) as stream:
                async for response in stream:
                    yield response

        stream = self._calls.stream(rule.method.name, peer_of(request), call, responses)
        try:
            self._calls.admit()
            return await stream_response(stream, request, response_body=rule.response_body)
        except CallFailed as failed:
            return error_response(failed.failure)

    async def _read(self, rule: HttpRule, request: Request) -> Message:
        body = await self._limits.read(request)
        return await self._worker_thread.run(len(body) > MAX_INLINE_BYTES, read_message, rule, request.scope, body)
