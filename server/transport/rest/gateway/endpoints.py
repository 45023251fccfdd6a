"""Every RPC with a ``google.api.http`` option, as JSON over HTTP: a small grpc-gateway.

The routes come from the descriptors, so a new RPC with an option is served with no change here. Answers and errors have
the JSON and the status codes of grpc-gateway; an error's body is a google.rpc.Status with its details.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from server.domain.card_number import without_card_numbers
from server.domain.deadline import Deadline
from server.domain.errors import FieldViolation, InvalidRequest
from server.transport.headers import header, headers, idempotency_key
from server.transport.pipeline.auth import API_KEY, AUTHORIZATION, credentials_of
from server.transport.pipeline.calls import Call, CallFailed, Calls
from server.transport.pipeline.errors import BodyOfOtherType, NoSuchPath, OtherVerb, failure_of
from server.transport.pipeline.worker_thread import MANY_BYTES, LongWork
from server.transport.rest.body import BodyLimits
from server.transport.rest.gateway.idempotency import fill_request_ids, takes_key
from server.transport.rest.gateway.proto_json import fill_from_json, read_json
from server.transport.rest.gateway.requests import fill_from_parameters, fill_from_path, read_query
from server.transport.rest.gateway.rules import WHOLE_BODY, HttpRule, http_rules
from server.transport.rest.replies import (
    JSON,
    error_response,
    message_text,
    peer_of,
    replay_headers,
)
from server.transport.rest.streams import LINES, fill_last_event_id, stream_response

CERTIFICATE = "certificate"
"""The key in the state of a request's scope of its client's certificate (``ClientCertificate``), where there is one."""

_AUTHORIZATION = AUTHORIZATION.encode()
_API_KEY = API_KEY.encode()


@dataclass(frozen=True, slots=True)
class _Match:
    rule: HttpRule
    handler: Any
    variables: Mapping[tuple[str, ...], str] = field(default_factory=dict)


class HttpGateway:
    """Serves the RPCs of some services.

    Each service comes with its servicer: an object with a method for each RPC, of the RPC's name, that takes the
    request and the ``Call`` and returns the response; for a streaming RPC, an asynchronous generator of responses.
    """

    def __init__(
        self,
        services: Sequence[tuple[ServiceDescriptor, object]],
        calls: Calls,
        limits: BodyLimits,
        long_work: LongWork,
    ) -> None:
        """Read the rules of the services; ``long_work`` is where large requests and answers are worked on.

        Raises:
            InvalidHttpRule: one of them is wrong.
        """
        self._calls = calls
        self._limits = limits
        self._long_work = long_work
        handlers = {
            method.full_name: getattr(servicer, method.name)
            for service, servicer in services
            for method in service.methods
        }
        self.rules = http_rules([service for service, _ in services])
        self._routes = sorted(
            ((rule, handlers[rule.method.full_name]) for rule in self.rules),
            key=lambda route: route[0].template.specificity,
        )
        self._roots = {_root(rule.template.text) for rule in self.rules}

    def serves(self, path: str) -> bool:
        """Tell whether ``path`` is among those of the RPCs, whose errors have the form of google.rpc.Status."""
        return _root(path) in self._roots

    def rpc_of(self, method: str, scope: Scope) -> str:
        """Return the name of the RPC that a request with this HTTP method would call; empty if there is none."""
        try:
            return self._find(method, raw_path(scope)).rule.method.name
        except (NoSuchPath, OtherVerb, InvalidRequest):
            return ""

    async def answer(self, request: Request) -> Response:
        """Answer one request."""
        call = call_of(request)
        try:
            match = self._find("GET" if request.method == "HEAD" else request.method, raw_path(request.scope))
        except (NoSuchPath, InvalidRequest) as error:
            return error_response(failure_of(error, call.call_id))
        except OtherVerb as error:
            response = error_response(failure_of(error, call.call_id))
            response.headers["Allow"] = ", ".join(self._verbs(raw_path(request.scope)))
            return response
        try:
            if match.rule.method.server_streaming:
                if request.method == "HEAD":
                    return Response(media_type=LINES)  # a stream whose parts nobody is to see would never end
                return await self._stream(match, request, call)
            with self._calls.one(match.rule.method.name, peer_of(request), call):
                message = await self._request_message(match, request)
                answer: Message = await match.handler(message, call)
                is_long = answer.ByteSize() > MANY_BYTES
                text = await self._long_work.run(is_long, message_text, answer, match.rule.response_body)
        except CallFailed as failed:
            return error_response(failed.failure)
        return Response(text, headers=replay_headers(call), media_type=JSON)

    async def _stream(self, match: _Match, request: Request, call: Call) -> Response:
        """Answer a request of a streaming RPC.

        Raises:
            CallFailed: the call failed before there was a response.
        """

        async def responses() -> AsyncGenerator[Message, None]:
            message = await self._request_message(match, request)
            fill_last_event_id(message, request)
            async with aclosing(match.handler(message, call)) as served:
                async for response in served:
                    yield response

        stream = self._calls.stream(match.rule.method.name, peer_of(request), call, responses)
        return await stream_response(stream, request, response_body=match.rule.response_body)

    async def _request_message(self, match: _Match, request: Request) -> Message:
        body = await self._limits.read(request)
        return await self._long_work.run(len(body) > MANY_BYTES, _request_message, match, request.scope, body)

    def _find(self, verb: str, raw_path: str) -> _Match:
        """Return what serves a request.

        Raises:
            NoSuchPath: nothing has this path.
            OtherVerb: what has this path has another verb.
            InvalidRequest: the path is not UTF-8.
        """
        for rule, handler in self._routes:
            if rule.verb != verb:
                continue
            try:
                values = rule.template.match(raw_path)
            except UnicodeDecodeError:
                raise InvalidRequest((FieldViolation("", "the path must be UTF-8, percent-encoded"),)) from None
            if values is not None:
                return _Match(rule, handler, dict(zip(rule.template.variables, values, strict=True)))
        verbs = self._verbs(raw_path)
        if not verbs:
            raise NoSuchPath("no RPC has this path")
        raise OtherVerb(f"this path takes {' or '.join(verbs)}")

    def _verbs(self, raw_path: str) -> list[str]:
        return sorted({rule.verb for rule, _ in self._routes if rule.template.matches(raw_path)})


def _request_message(match: _Match, scope: Scope, body: bytes) -> Message:
    rule = match.rule
    message = GetMessageClass(rule.method.input_type)()
    taken = list(rule.template.variables)
    if rule.body and body:
        for content_type in headers(scope, b"content-type"):
            _check_type(content_type or JSON)
        value = read_json(body)
        fill_from_json(message, value if rule.body == WHOLE_BODY else {rule.body: value})
    parameters = read_query(scope["query_string"])
    if rule.body == WHOLE_BODY:
        if parameters:
            name = without_card_numbers(parameters[0][0])
            raise InvalidRequest((FieldViolation(name, "is no parameter of this request: the body holds its fields"),))
    else:
        taken += [(rule.body,)] if rule.body else []
        fill_from_parameters(message, parameters, taken=taken)
    fill_from_path(message, match.variables)
    if takes_key(rule.method.input_type):
        key = idempotency_key(scope)
        if key is not None:
            fill_request_ids(message, key)
    return message


def _check_type(content_type: str) -> None:
    if content_type.partition(";")[0].strip(" \t").lower() != JSON:
        raise BodyOfOtherType("the body must be sent as application/json")


def call_of(request: Request) -> Call:
    """Return the call that ``request`` makes."""
    scope = request.scope
    certificate = scope["state"].get(CERTIFICATE)
    credentials = credentials_of(header(scope, _AUTHORIZATION), header(scope, _API_KEY), certificate)
    return Call(scope["call_id"], credentials, Deadline())


def raw_path(scope: Scope) -> str:
    """Return the path of a request still percent-encoded, so that an encoded slash is not taken for one of its own."""
    raw: bytes = scope["raw_path"]
    return raw.partition(b"?")[0].decode("ascii", "surrogateescape")


def _root(path: str) -> str:
    return path.removeprefix("/").partition("/")[0].partition(":")[0]
