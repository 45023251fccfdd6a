"""Reject state-changing requests that a web page from another origin sends (CSRF).

CORS cannot prevent them: it only hides the response from the page, after the request has been carried out. Browsers
send a form, or a fetch whose body is a Blob without a type, without a preflight. If a browser has access through its
network location or its client certificate, any page that it shows could charge and refund.

The rule is that of Go's ``net/http.CrossOriginProtection``. GET, HEAD and OPTIONS change nothing and are accepted. For
other requests, ``Sec-Fetch-Site`` decides if it is present, because no page can set it: ``same-origin`` and ``none``
are accepted, ``same-site`` and ``cross-site`` are rejected. Old browsers never send it, and newer ones only to loopback
addresses or over TLS. Without it, the host in ``Origin`` must be the host that the request was sent to. A request with
neither header does not come from a web page. The rule differs from Go's in these points:

- ``*`` allows every origin, as in CORS.
- A preflight from a foreign origin is rejected, whatever it asks for. Its request never follows, so this is the only
  chance to log its origin.
- A repeated or malformed header is rejected, because no browser sends one.
- The default port of the origin's scheme is ignored, because some proxies add it to ``Host``.
- If the request came over TLS, a page without TLS is foreign, because it may have been tampered with in transit.
- A page without TLS under a DNS name must be allowed explicitly, even if ``Origin`` and ``Host`` agree. An attacker may
  own the name, and let it resolve first to the page's server and then to this service (DNS rebinding). That is
  impossible with an IP address, with ``localhost``, or with TLS, because the service has no certificate for the
  attacker's name.
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
_REQUESTED_METHOD = b"access-control-request-method"

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_BROWSER_HEADERS = frozenset({_ORIGIN, _SEC_FETCH_SITE})
_TRUSTED_SITES = (["same-origin"], ["none"])

_ORIGIN_PARTS = re.compile(r"(?P<scheme>https?)://(?P<authority>(?P<host>[a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?)")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}

_UNPRINTABLE = re.compile(r"[^ -~]")
_MAX_SHOWN_LENGTH = 200


class CrossSiteRule:
    """Decides which web pages may send state-changing requests."""

    def __init__(self, allowed: Collection[str]) -> None:
        """Allow the service's own origin and those in ``allowed``, where ``*`` means every origin."""
        self._allowed = allowed
        self._allows_every_origin = "*" in allowed

    def check(self, scope: Scope) -> None:
        """Check an HTTP request by its method and headers.

        Raises:
            OriginNotAllowed: the request may change something, and comes from a page whose origin is not allowed.
        """
        if self._allows_every_origin or (scope["method"] in _SAFE_METHODS and not _is_preflight(scope)):
            return
        if any(key in _BROWSER_HEADERS for key, _ in scope["headers"]):
            page = _Page(list(headers(scope, _ORIGIN)), list(headers(scope, _SEC_FETCH_SITE)))
            if not (self._allows(page) or _is_same_origin(page, scope)):
                raise page.error()

    def check_call(self, metadata: Mapping[str, str]) -> None:
        """Check a gRPC call by its metadata: browsers can reach gRPC through a TLS proxy that accepts HTTP/1.

        They send Sec-Fetch-Site to such a proxy. So a call with only an Origin is rejected unless that origin is
        allowed, and no host is compared with it.

        Raises:
            OriginNotAllowed: the call comes from a page whose origin is not allowed.
        """
        if self._allows_every_origin or ("origin" not in metadata and "sec-fetch-site" not in metadata):
            return
        page = _Page(*([metadata[name]] if name in metadata else [] for name in ("origin", "sec-fetch-site")))
        if not self._allows(page):
            raise page.error()

    def _allows(self, page: "_Page") -> bool:
        if len(page.origins) > 1:
            return False
        return page.sites in _TRUSTED_SITES or any(origin in self._allowed for origin in page.origins)


@dataclass(frozen=True, slots=True)
class _Page:
    """The page that sent a request, as its browser describes it: the values of Origin and of Sec-Fetch-Site."""

    origins: list[str]
    sites: list[str]

    def error(self) -> OriginNotAllowed:
        """Return the error that rejects a request of this page."""
        origin, site = _for_log(self.origins), _for_log(self.sites)
        shown = f"Origin: {origin}" if self.origins else f"Sec-Fetch-Site: {site}"
        return OriginNotAllowed(
            f"a web page from an origin that is not allowed sent this request ({shown}); to allow the origin, add it "
            "to CORS_ALLOWED_ORIGINS",
            origin,
            site,
        )


def requested_method(scope: Scope) -> str:
    """Return the method of a request, or for a preflight the method that it asks for."""
    method: str = scope["method"]
    return (header(scope, _REQUESTED_METHOD) or method) if method == "OPTIONS" else method


def _for_log(values: list[str]) -> str:
    """Return the values of a header, shortened, printable, and without card numbers."""
    return without_card_numbers(_UNPRINTABLE.sub("?", ", ".join(values)))[:_MAX_SHOWN_LENGTH]


def _is_preflight(scope: Scope) -> bool:
    return scope["method"] == "OPTIONS" and header(scope, _REQUESTED_METHOD) is not None


def _is_same_origin(page: _Page, scope: Scope) -> bool:
    """Return whether a page known only by its Origin is from the host that the request was sent to."""
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
    """Return whether a host is a DNS name, which its owner can point elsewhere at any time."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host != "localhost"
    return False
