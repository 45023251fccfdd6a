"""Route each HTTP request to its endpoint by verb and path.

The paths of RPCs follow the rules of grpc-gateway, and return errors in its format. All other paths follow FastAPI,
which callers of ``/v1`` rely on.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

import structlog
from starlette.datastructures import URL
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from server.transport.pipeline.errors import Failure, MethodNotAllowed, NoSuchPath, failure_of
from server.transport.rest.gateway.rules import PathTemplate
from server.transport.rest.responses import error_response, json_response

_log = structlog.get_logger(__name__)

HttpHandler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A verb and a path template (``/v1/payments/{payment_id}/refund``), and the function that answers them.

    ``rpc`` names the RPC that the endpoint calls, if any. ``is_transcoded`` says that the path comes from a
    ``google.api.http`` option. Such a path is matched while still percent-encoded, so that an encoded slash does not
    end a segment.
    """

    verb: str
    path: str
    answer: HttpHandler
    rpc: str = ""
    is_stream: bool = False
    is_transcoded: bool = False


class HttpRouter:
    """An ASGI application that answers each request by its verb and path."""

    def __init__(self, endpoints: Iterable[Endpoint], *, redirects_slashes: bool = True) -> None:
        """Route to ``endpoints``.

        With ``redirects_slashes``, redirect a path that differs from an endpoint's only by a final slash, unless its
        first segment is that of an RPC's path.
        """
        routes = [(endpoint, PathTemplate.parse(endpoint.path)) for endpoint in endpoints]
        self.routes = sorted(routes, key=lambda route: route[1].specificity)
        # Most requests have a path without variables, which a dictionary finds faster.
        self._without_variables = {
            (endpoint.verb, endpoint.path): endpoint
            for endpoint, template in routes
            if not template.variables and not endpoint.is_transcoded
        }
        self._others = [route for route in self.routes if route[0] not in self._without_variables.values()]
        self._transcoded_roots = {_root(endpoint.path) for endpoint, _ in routes if endpoint.is_transcoded}
        self._redirects_slashes = redirects_slashes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            response = await self._answer(Request(scope, receive))
        except Exception as error:  # noqa: BLE001 - every error is logged and answered
            _log.error("internal_error", exc_info=error)
            response = json_response({"detail": "Internal Server Error"}, 500)
        await response(scope, receive, send)

    def find(self, verb: str, scope: Scope) -> tuple[Endpoint, Mapping[tuple[str, ...], str]] | None:
        """Return the endpoint for a verb and the path of a request, and the values of the path's variables.

        HEAD finds the endpoint of GET (RFC 9110, section 9.3.2); the HTTP server omits the body of the response.
        """
        verb = "GET" if verb == "HEAD" else verb
        path: str = scope["path"]
        if endpoint := self._without_variables.get((verb, path)):
            return endpoint, {}
        if self._is_transcoded(scope):
            path = _encoded_path(scope)
        for endpoint, template in self._others:
            if endpoint.verb == verb and (variables := template.match(path)) is not None:
                return endpoint, variables
        return None

    def error_response(self, failure: Failure, scope: Scope) -> Response:
        """Return ``failure`` in the form that callers of this path expect."""
        if self._is_transcoded(scope):
            return error_response(failure)
        return json_response({"detail": failure.message}, failure.http_status)

    async def _answer(self, request: Request) -> Response:
        found = self.find(request.method, request.scope)
        if found is None:
            return self._no_endpoint(request.scope)
        endpoint, request.scope["path_params"] = found
        return await endpoint.answer(request)

    def _no_endpoint(self, scope: Scope) -> Response:
        path: str = scope["path"]
        if self._is_transcoded(scope):
            verbs = self._verbs(_encoded_path(scope))
            error = (
                MethodNotAllowed(f"this path accepts only {' and '.join(verbs)}")
                if verbs
                else NoSuchPath("no RPC has this path")
            )
            response = error_response(failure_of(error, scope["call_id"]))
        elif verbs := self._verbs(path):
            response = json_response({"detail": "Method Not Allowed"}, 405)
        else:
            other = path.rstrip("/") if path.endswith("/") else path + "/"
            if self._redirects_slashes and self._verbs(other):
                return RedirectResponse(URL(scope={**scope, "path": other}))
            return json_response({"detail": "Not Found"}, 404)
        if verbs:
            response.headers["Allow"] = ", ".join(verbs)
        return response

    def _verbs(self, path: str) -> list[str]:
        verbs = {endpoint.verb for endpoint, template in self.routes if template.match(path) is not None}
        return sorted(verbs | {"HEAD"} if "GET" in verbs else verbs)

    def _is_transcoded(self, scope: Scope) -> bool:
        return _root(scope["path"]) in self._transcoded_roots


def _encoded_path(scope: Scope) -> str:
    encoded: bytes = scope["raw_path"]
    return encoded.partition(b"?")[0].decode("ascii", "surrogateescape")


def _root(path: str) -> str:
    """Return the first segment of a path."""
    return path.removeprefix("/").partition("/")[0].partition(":")[0]
