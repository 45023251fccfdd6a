"""Serve the documentation of the REST interface: the OpenAPI document, Swagger UI and ReDoc.

``make generate`` generates the document, ``openapi.json``. The files of Swagger UI and ReDoc come from an installed
package, drf-spectacular-sidecar. Its code is for Django, and is never imported. The pages load nothing from any other
host, which their Content-Security-Policy enforces.
"""

import functools
import gzip
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from server.transport.headers import header
from server.transport.rest.responses import JSON
from server.transport.rest.router import Endpoint, HttpHandler

COMPRESSED_TYPES = frozenset({"text/html", "text/css", "text/javascript", "image/png"})
"""Media types that are compressed here, once per file, because large files take long. The middleware skips them."""

_DOCUMENT = Path(__file__).with_name("openapi.json")
_DISTRIBUTION = "drf-spectacular-sidecar"
_FOLDER = "drf_spectacular_sidecar/static/drf_spectacular_sidecar"
_FILES = {
    "favicon-32x32.png": ("swagger-ui-dist/favicon-32x32.png", "image/png"),
    "swagger-ui.css": ("swagger-ui-dist/swagger-ui.css", "text/css"),
    "swagger-ui-bundle.js": ("swagger-ui-dist/swagger-ui-bundle.js", "text/javascript"),
    "redoc.standalone.js": ("redoc/bundles/redoc.standalone.js", "text/javascript"),
}
"""The assets that the pages load, by name: the path in the package, and the media type."""

_LOGO = b"https://cdn.redoc.ly/redoc/logo-mini.svg"
_NO_IMAGE = b"data:,"
"""Replaces the address of the logo that ReDoc loads from its vendor's server. ReDoc then shows no logo."""

_POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:; font-src 'self' data:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
    " style-src 'self' 'unsafe-inline';"  # Swagger UI and ReDoc insert inline styles
    " worker-src blob:"  # ReDoc searches in a worker
)
_HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
_REVALIDATED = "no-cache"
_CACHED_FOR_A_DAY = "public, max-age=86400"

# URLs are relative, so that the pages work behind a proxy that serves them under another path.
_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="docs/assets/favicon-32x32.png">
<style>body {{ margin: 0 }}</style>
{head}</head>
<body>
<div id="page"></div>
<script src="docs/assets/{bundle}"></script>
<script src="docs/assets/{start}"></script>
</body>
</html>
"""
_STYLESHEET = '<link rel="stylesheet" href="docs/assets/swagger-ui.css">\n'

_START_SWAGGER_UI = """\
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#page",
  deepLinking: true,
  displayRequestDuration: true,
  validatorUrl: null,
});
"""
_START_REDOC = """\
const fontFamily = "system-ui, sans-serif";
Redoc.init(
  "openapi.json",
  {theme: {typography: {fontFamily, headings: {fontFamily}, code: {fontFamily: "ui-monospace, monospace"}}}},
  document.getElementById("page"),
);
"""


@dataclass(frozen=True, slots=True)
class _Content:
    """The content of a path. ``compressed`` is None if the middleware compresses it."""

    plain: bytes
    compressed: bytes | None
    media_type: str
    etag: str
    headers: Mapping[str, str]

    @classmethod
    def of(cls, data: bytes, media_type: str, **headers: str) -> "_Content":
        etag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
        own = {name.replace("_", "-"): value for name, value in headers.items()}
        all_headers = {**_HEADERS, **own, "ETag": etag}
        if media_type not in COMPRESSED_TYPES:
            return cls(data, None, media_type, etag, all_headers)
        return cls(data, gzip.compress(data, mtime=0), media_type, etag, {**all_headers, "Vary": "Accept-Encoding"})

    def response(self, request: Request) -> Response:
        """Return the content in an encoding that the request accepts."""
        if self.etag in (header(request.scope, b"if-none-match") or ""):
            return Response(status_code=304, headers=self.headers)
        if self.compressed is not None and "gzip" in (header(request.scope, b"accept-encoding") or ""):
            headers = {**self.headers, "Content-Encoding": "gzip"}
            return Response(self.compressed, headers=headers, media_type=self.media_type)
        return Response(self.plain, headers=self.headers, media_type=self.media_type)


def docs_endpoints() -> list[Endpoint]:
    """Return ``/openapi.json``, ``/docs`` and ``/redoc``, the assets that these pages load, and ``/``, which redirects.

    Raises:
        FileNotFoundError: the package lacks an asset.
    """
    start = {"start-swagger-ui.js": _START_SWAGGER_UI, "start-redoc.js": _START_REDOC}
    contents: dict[str, Callable[[], _Content]] = {
        "/openapi.json": lambda: _Content.of(_DOCUMENT.read_bytes(), JSON, Cache_Control=_REVALIDATED),
        "/docs": lambda: _page("Payments - Swagger UI", _STYLESHEET, "swagger-ui-bundle.js", "start-swagger-ui.js"),
        "/redoc": lambda: _page("Payments - ReDoc", "", "redoc.standalone.js", "start-redoc.js"),
        **{f"/docs/assets/{name}": functools.partial(_script, code) for name, code in start.items()},
        **{f"/docs/assets/{name}": functools.partial(_file, _path(*file)) for name, file in _FILES.items()},
    }
    pages = [Endpoint("GET", path, _answer(functools.cache(make))) for path, make in contents.items()]
    return [Endpoint("GET", "/", _redirect_to_docs), *pages]


async def _redirect_to_docs(_request: Request) -> Response:
    return RedirectResponse("docs")


def _answer(make: Callable[[], _Content]) -> HttpHandler:
    async def answer(request: Request) -> Response:
        content = await run_in_threadpool(make)
        return content.response(request)

    return answer


def _page(title: str, head: str, bundle: str, start: str) -> _Content:
    page = _PAGE.format(title=title, head=head, bundle=bundle, start=start)
    return _Content.of(page.encode(), "text/html", Cache_Control=_REVALIDATED, Content_Security_Policy=_POLICY)


def _script(code: str) -> _Content:
    return _Content.of(code.encode(), "text/javascript", Cache_Control=_REVALIDATED)


def _path(file: str, media_type: str) -> tuple[Path, str]:
    path = Path(str(distribution(_DISTRIBUTION).locate_file(f"{_FOLDER}/{file}")))
    if not path.is_file():
        msg = f"{_DISTRIBUTION} has no {file}"
        raise FileNotFoundError(msg)
    return path, media_type


def _file(file: tuple[Path, str]) -> _Content:
    path, media_type = file
    return _Content.of(path.read_bytes().replace(_LOGO, _NO_IMAGE), media_type, Cache_Control=_CACHED_FOR_A_DAY)
