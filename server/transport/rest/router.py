"""From an HTTP request to what answers it: a table of paths, and the RPCs' own paths after it.

Answers for what no path or verb fits are those of FastAPI, which callers of ``/v1`` know. The table is small and its
paths mostly plain, so that the way to an answer is one look into a dictionary.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from starlette.datastructures import URL
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import compile_path
from starlette.types import Receive, Scope, Send

from server.transport.rest.replies import json_response

_log = structlog.get_logger(__name__)

Answer = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A verb and a path, as Starlette writes it (``/v1/payments/{payment_id}/refund``), and what answers them.

    ``rpc`` is the name of the RPC that they stand for, if any.
    """

    verb: str
    path: str
    answer: Answer
    rpc: str = ""


class Fallback(Protocol):
    """Answers requests whose path is in no table."""

    def serves(self, path: str) -> bool:
        """Tell whether a path is one of its own."""

    def rpc_of(self, method: str, scope: Scope) -> str:
        """Return the name of the RPC that a request with this HTTP method would call; empty if there is none."""

    async def answer(self, request: Request) -> Response:
        """Answer a request."""


class HttpRouter:
    """An ASGI application that answers each request by its verb and path."""

    def __init__(self, endpoints: Sequence[Endpoint], fallback: Fallback) -> None:
        """Answer by ``endpoints``, and by ``fallback`` the paths that are its own."""
        self._fallback = fallback
        self._plain: dict[str, dict[str, Endpoint]] = {}
        self._patterns: list[tuple[re.Pattern[str], dict[str, Any], dict[str, Endpoint]]] = []
        for path in dict.fromkeys(endpoint.path for endpoint in endpoints):
            by_verb = {endpoint.verb: endpoint for endpoint in endpoints if endpoint.path == path}
            if "{" in path:
                expression, _, convertors = compile_path(path)
                self._patterns.append((expression, convertors, by_verb))
            else:
                self._plain[path] = by_verb

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except Exception as error:  # noqa: BLE001 - a caller gets an answer whatever happens, and the log its cause
            _log.error("internal_error", exc_info=error)
            response = json_response({"detail": "Internal Server Error"}, 500)
        await response(scope, receive, send)

    def rpc_of(self, method: str, scope: Scope) -> str:
        """Return the name of the RPC that a request with this HTTP method would call; empty if there is none."""
        by_verb = self._find(scope["path"], {})
        if by_verb is None:
            return self._fallback.rpc_of(method, scope)
        return by_verb[method].rpc if method in by_verb else ""

    async def _answer(self, request: Request) -> Response:
        path: str = request.scope["path"]
        by_verb = self._find(path, request.scope)
        if by_verb is not None:
            endpoint = by_verb.get(request.method)
            if endpoint is not None:
                return await endpoint.answer(request)
            return json_response({"detail": "Method Not Allowed"}, 405, {"Allow": ", ".join(by_verb)})
        if self._fallback.serves(path):
            return await self._fallback.answer(request)
        other = path.rstrip("/") if path.endswith("/") else path + "/"
        if other and self._find(other, {}) is not None:
            return RedirectResponse(URL(scope={**request.scope, "path": other}))
        return json_response({"detail": "Not Found"}, 404)

    def _find(self, path: str, scope: Scope) -> dict[str, Endpoint] | None:
        """Return what answers ``path``, by verb, with the variables of the path in ``scope``."""
        by_verb = self._plain.get(path)
        if by_verb is not None:
            return by_verb
        for expression, convertors, by_verb in self._patterns:
            match = expression.match(path)
            if match:
                scope["path_params"] = {
                    name: convertors[name].convert(text) for name, text in match.groupdict().items()
                }
                return by_verb
        return None
