"""How Envoy limits the rate at which health watches are opened.

The service itself limits how many are open. But a flood of them would fill the queue of its event loop, in which all
other calls wait too, so Envoy rejects most of a flood, in the same form as the service.
"""

import base64
from typing import Any

from server.domain.errors import TooManyWatches
from server.transport.pipeline.errors import failure_of

_FILTER = "envoy.filters.http.local_ratelimit"
_TYPE = "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"

TOO_MANY_WATCHES = failure_of(TooManyWatches("too many health watches are being opened; try again later"), call_id="")
"""The error of a watch that Envoy rejects."""

_MIN_BURST = 1000
"""How many health watches may be opened at once, if not more of them may be open; a quarter from one address."""

_MAX_ADDRESSES = 10_000
"""How many addresses Envoy remembers the rate of. Beyond that, it forgets those that it has not seen for longest."""


def rate_limit_filter() -> dict[str, Any]:
    """Return the filter that limits the rate of calls to those routes that have a limit."""
    return {"name": _FILTER, "typed_config": {"@type": _TYPE, "stat_prefix": "grpc"}}


def health_watch_route(max_watches: int) -> dict[str, Any]:
    """Return the route of health watches, of which ``max_watches`` may be open. It limits how fast they are opened."""
    burst = max(_MIN_BURST, max_watches)
    details = base64.b64encode(TOO_MANY_WATCHES.status.SerializeToString()).decode()
    always = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    limit = {
        "@type": _TYPE,
        "stat_prefix": "health_watches",
        "token_bucket": _token_bucket(burst),
        "rate_limits": [{"actions": [{"remote_address": {}}]}],
        "descriptors": [{"entries": [{"key": "remote_address"}], "token_bucket": _token_bucket(burst // 4)}],
        "max_dynamic_descriptors": _MAX_ADDRESSES,
        "filter_enabled": always,
        "filter_enforced": always,
        "rate_limited_as_resource_exhausted": True,
        "response_headers_to_add": [{"header": {"key": "grpc-status-details-bin", "value": details}}],
    }
    return {
        "match": {"path": "/grpc.health.v1.Health/Watch"},
        "non_forwarding_action": {},
        "typed_per_filter_config": {_FILTER: limit},
    }


def _token_bucket(burst: int) -> dict[str, Any]:
    """Return a bucket of ``burst`` tokens, which is refilled within ten seconds."""
    return {"max_tokens": burst, "tokens_per_fill": burst // 10, "fill_interval": "1s"}
