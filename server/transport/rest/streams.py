"""Streams of responses over HTTP: lines of JSON, or server-sent events (WHATWG HTML, section 9.2) where wanted.

A line is ``{"result": ...}``, as grpc-gateway has it, or ``{"error": ...}`` with a google.rpc.Status, which is then the
last. An event's data is the same without that wrapping, and an error has the event type ``error``. Where responses have
a ``resume_token``, it is the event's id, so that a browser that lost its connection goes on from there.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from google.protobuf.message import Message
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from server.transport.headers import header, headers
from server.transport.pipeline.calls import CallFailed
from server.transport.pipeline.errors import Failure
from server.transport.rest.gateway.requests import to_json
from server.transport.rest.replies import json_text

LINES = "application/x-ndjson"
EVENTS = "text/event-stream"

RESUME_TOKEN_FIELD = "resume_token"  # noqa: S105 - the name of a field
LAST_EVENT_ID = b"last-event-id"
"""The header with which an EventSource says how far it came."""


def wants_events(request: Request) -> bool:
    """Tell whether server-sent events are asked for."""
    accepted = ",".join(headers(request.scope, b"accept"))
    return any(part.partition(";")[0].strip(" \t").lower() == EVENTS for part in accepted.split(","))


def fill_last_event_id(message: Message, request: Request) -> None:
    """Have a stream of server-sent events go on where the client's header says that it came to.

    The header is newer than the parameter: an EventSource that connects again sends the address of the first time.
    """
    token = header(request.scope, LAST_EVENT_ID)
    if token and wants_events(request) and RESUME_TOKEN_FIELD in message.DESCRIPTOR.fields_by_name:
        setattr(message, RESUME_TOKEN_FIELD, token)


async def stream_response(
    responses: AsyncGenerator[Message, None], request: Request, *, response_body: str
) -> Response:
    """Return what streams ``responses``: the first is awaited, so that an error before it has its status.

    Raises:
        CallFailed: the call failed before there was a response.
    """
    as_events = wants_events(request)
    write = _event if as_events else _line
    first = await anext(responses, None)

    async def parts() -> AsyncGenerator[bytes, None]:
        async with aclosing(responses):
            try:
                if first is not None:
                    yield write(first, response_body)
                async for response in responses:
                    yield write(response, response_body)
                    # What a client takes at once is sent without a pause; others are to be served in between.
                    await asyncio.sleep(0)
            except CallFailed as failed:
                yield _error_event(failed.failure) if as_events else _error_line(failed.failure)

    # Each part is of use when it comes; nobody on the way may wait for more.
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return _Stream(parts(), headers=headers, media_type=EVENTS if as_events else LINES)


class _Stream(StreamingResponse):
    """Ends what it streams when its client goes away, and not when somebody collects the garbage."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert isinstance(self.body_iterator, AsyncGenerator)
        async with aclosing(self.body_iterator):
            await super().__call__(scope, receive, send)


def _line(response: Message, response_body: str) -> bytes:
    return json_text({"result": to_json(response, response_body)}) + b"\n"


def _error_line(failure: Failure) -> bytes:
    return json_text({"error": to_json(failure.status)}) + b"\n"


def _event(response: Message, response_body: str) -> bytes:
    token = getattr(response, RESUME_TOKEN_FIELD, "")
    named = b"id: %b\n" % token.encode() if token else b""
    return b"%bdata: %b\n\n" % (named, json_text(to_json(response, response_body)))


def _error_event(failure: Failure) -> bytes:
    return b"event: error\ndata: %b\n\n" % json_text(to_json(failure.status))
