"""Refuse requests that change something when a web page of another origin sent them.

CORS cannot: it hides the answer from the page after the request was carried out, and a form, or a fetch of a Blob
without a type, is sent without asking first. Where a browser has access by its place in the network or its client
certificate, any page that it shows could charge and refund.

The rule is that of Go's ``net/http.CrossOriginProtection``. GET, HEAD and OPTIONS change nothing and are let in. Of
other requests, ``Sec-Fetch-Site`` decides if there is one, because no page can set it: ``same-origin`` and ``none`` are
let in, ``same-site`` and ``cross-site`` are not. Old browsers never send it, and others do only to loopback or over
TLS. Without it, the host of ``Origin`` must be the one that the request was sent to. A request with neither is not a
browser's. The rule differs from Go's in these points:

- ``*`` allows every origin, as it does in CORS.
- A preflight is refused, whatever it asks for: its request never comes, and the log should have its origin.
- A repeated or malformed header is refused, because no browser sends one.
- The default port of the origin's scheme may be left out, because some proxies add it to ``Host``.
- Where the request came over TLS, a page without TLS is foreign: somebody on the way may have changed it.
- A page without TLS under a DNS name must be allowed by name, even where ``Origin`` and ``Host`` agree. The name may be
  an attacker's that led to the page at first and leads to this service now (DNS rebinding). That cannot be done with
  an IP address, with ``localhost``, or with TLS, because the service has no certificate for the attacker's name.
"""

import ipaddress
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from starlette.types import Scope

from server.domain.card_number import without_card_numbers
from server.transport.headers import header, headers
from server.transport.pipeline.errors import OriginNotAllowed

_ORIGIN = b"origin"
_SEC_FETCH_SITE = b"sec-fetch-site"
_ASKED_METHOD = b"access-control-request-method"

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_MARKS = frozenset({_ORIGIN, _SEC_FETCH_SITE})
_OWN_SITES = (["same-origin"], ["none"])

_ORIGIN_PARTS = re.compile(r"(?P<scheme>https?)://(?P<authority>(?P<host>[a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?)")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}

_UNPRINTABLE = re.compile(r"[^ -~]")
_MAX_SHOWN_LENGTH = 200


class CrossSiteRule:
    """Tells whose web pages may send requests that change something."""

    def __init__(self, allowed: Collection[str]) -> None:
        """Allow the service's own origin, and those in ``allowed``; ``*`` is every origin."""
        self._allowed = allowed
        self._allows_every_origin = "*" in allowed

    def check(self, scope: Scope) -> None:
        """Check an HTTP request by its method and headers.

        Raises:
            OriginNotAllowed: it may change something, and a page of an origin that is not allowed sent it.
        """
        if self._allows_every_origin or (scope["method"] in _SAFE_METHODS and not _is_preflight(scope)):
            return
        if any(key in _MARKS for key, _ in scope["headers"]):
            page = _Page(list(headers(scope, _ORIGIN)), list(headers(scope, _SEC_FETCH_SITE)))
            if not (self._lets_in(page) or _is_own(page, scope)):
                raise page.refusal()

    def check_call(self, metadata: Mapping[str, str]) -> None:
        """Check a gRPC call by its metadata. A proxy with TLS may let browsers reach gRPC, also over HTTP/1.

        Browsers send Sec-Fetch-Site to it, so that an Origin alone need not be compared with a host.

        Raises:
            OriginNotAllowed: a page of an origin that is not allowed makes it.
        """
        if self._allows_every_origin or ("origin" not in metadata and "sec-fetch-site" not in metadata):
            return
        page = _Page(*([metadata[name]] if name in metadata else [] for name in ("origin", "sec-fetch-site")))
        if not self._lets_in(page):
            raise page.refusal()

    def _lets_in(self, page: "_Page") -> bool:
        if len(page.origins) > 1:
            return False
        return page.sites in _OWN_SITES or any(origin in self._allowed for origin in page.origins)


@dataclass(frozen=True, slots=True)
class _Page:
    """What a browser says of the page that sent a request: the values of Origin, and of Sec-Fetch-Site."""

    origins: list[str]
    sites: list[str]

    def refusal(self) -> OriginNotAllowed:
        """Return the error of a request that it must not send."""
        origin, site = _shown(self.origins), _shown(self.sites)
        named = f"Origin: {origin}" if self.origins else f"Sec-Fetch-Site: {site}"
        return OriginNotAllowed(
            f"a web page of an origin that is not allowed sent this request ({named}); if its pages may call, name the "
            "origin in CORS_ALLOWED_ORIGINS",
            origin,
            site,
        )


def asked_method(scope: Scope) -> str:
    """Return the method of a request, or of the one that it is the preflight of."""
    method: str = scope["method"]
    return (header(scope, _ASKED_METHOD) or method) if method == "OPTIONS" else method


def _shown(values: list[str]) -> str:
    """Return the values of a header, short and printable."""
    return without_card_numbers(_UNPRINTABLE.sub("?", ", ".join(values)))[:_MAX_SHOWN_LENGTH]


def _is_preflight(scope: Scope) -> bool:
    return scope["method"] == "OPTIONS" and header(scope, _ASKED_METHOD) is not None


def _is_own(page: _Page, scope: Scope) -> bool:
    """Tell, of a page of which only the origin is known, whether it is of the host that the request was sent to."""
    hosts = list(headers(scope, b"host"))
    if page.sites or len(page.origins) != 1 or len(hosts) != 1:
        return False
    parts = _ORIGIN_PARTS.fullmatch(page.origins[0])
    if parts is None:
        return False
    default_port = _DEFAULT_PORTS[parts["scheme"]]
    if parts["authority"].removesuffix(default_port) != hosts[0].lower().removesuffix(default_port):
        return False
    return parts["scheme"] == "https" or (scope["scheme"] == "http" and not _can_be_rebound(parts["host"]))


def _can_be_rebound(host: str) -> bool:
    """Tell whether a host is a name that its owner can have lead elsewhere at any time."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host != "localhost"
    return False
