"""Rate limits: a token bucket for each caller, stored as one number.

The number is the time at which the bucket will be full again (the generic cell rate algorithm, ITU-T I.371). A call
moves it forward by the time that one token takes to refill. The bucket has a token if the number is then no further
away than a whole bucket takes to refill.
"""

import functools
import ipaddress
import re
import time
from collections.abc import Callable
from typing import Protocol

from server.domain.errors import RateLimited

_MAX_CALLERS = 10_000
"""The most buckets to store. Above that, the oldest are dropped, and their callers start again with full ones."""

_GRPC_PEER = re.compile(r"ipv[46]:(.*):\d+", re.DOTALL)
_HTTP_PEER = re.compile(r"(.*):\d+", re.DOTALL)
_IPV6_NETWORK_BITS = 64
"""The smallest network that is assigned to one site (RFC 6177), which may use every address in it."""


class Buckets(Protocol):
    """The time at which the bucket of each caller will be full again, of a bounded number of callers."""

    def get(self, caller: str, default: float, /) -> float:
        """Return the time for ``caller``, or the default if its bucket is not stored, because it is full."""

    def put(self, caller: str, full_at_seconds: float, now_seconds: float) -> None:
        """Store the time for ``caller``, and drop other buckets if there are too many."""


class LocalBuckets(dict[str, float]):
    """The buckets of this process."""

    def __init__(self, max_callers: int) -> None:
        """Store at most ``max_callers`` buckets."""
        super().__init__()
        self._max_callers = max_callers

    def put(self, caller: str, full_at_seconds: float, now_seconds: float) -> None:
        """Store a bucket.

        If there are too many, drop the full buckets, and the oldest of the others, so that at most half remain.
        """
        self[caller] = full_at_seconds
        if len(self) > self._max_callers:
            not_full = [(caller, full) for caller, full in self.items() if full > now_seconds]
            self.clear()
            self.update(not_full[-self._max_callers // 2 :])


class RateLimiter:
    """Limits the rate of each caller with a token bucket of ``burst_calls`` calls, refilled at ``calls_per_second``."""

    def __init__(
        self,
        calls_per_second: float,
        burst_calls: int,
        max_callers: int = _MAX_CALLERS,
        *,
        buckets: Buckets | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Limit rates with ``buckets``; by default, with up to ``max_callers`` of this process, which are full.

        ``clock`` returns a monotonic time in seconds.
        """
        self._clock = clock
        self._calls_per_second = calls_per_second
        self._bucket_seconds = burst_calls / calls_per_second
        self._buckets: Buckets = LocalBuckets(max_callers) if buckets is None else buckets

    def take(self, caller: str) -> None:
        """Take one token from the caller's bucket.

        Raises:
            RateLimited: the bucket is empty.
        """
        wait_seconds = self.wait_seconds(caller)
        if wait_seconds:
            message = f"the caller exceeded the limit of {self._calls_per_second:g} calls a second; try again later"
            raise RateLimited(message, wait_seconds)
        self.deduct(caller, 1)

    def wait_seconds(self, caller: str) -> float:
        """Return the time until the caller's bucket has a token, or 0 if it has one now."""
        now_seconds = self._clock()
        max_full_at_seconds = now_seconds + self._bucket_seconds - 1 / self._calls_per_second
        wait_seconds = self._buckets.get(caller, now_seconds) - max_full_at_seconds
        return wait_seconds if wait_seconds > 1e-9 else 0  # noqa: PLR2004 - rounding errors of float arithmetic

    def deduct(self, caller: str, calls: int) -> None:
        """Take ``calls`` tokens from the caller's bucket, even if it has fewer: the caller then waits longer.

        This is for batches, whose size is known only once they are admitted, and may be larger than a bucket.
        """
        now_seconds = self._clock()
        full_at_seconds = max(self._buckets.get(caller, now_seconds), now_seconds)
        self._buckets.put(caller, full_at_seconds + calls / self._calls_per_second, now_seconds)


@functools.lru_cache(maxsize=1024)
def address_of(peer: str) -> str:
    """Return the address in a peer name of gRPC (``ipv4:10.0.0.7:5000``) or HTTP (``10.0.0.7:5000``).

    For IPv6, return the /64 network, because one host may use every address in it. For an IPv4-mapped IPv6 address,
    which a dual-stack socket reports, return the IPv4 address. A name that is not an address is returned as it is,
    without its port.
    """
    found = _GRPC_PEER.fullmatch(peer) or _HTTP_PEER.fullmatch(peer)
    host = found[1].replace("%5B", "").replace("%5D", "").strip("[]") if found else peer
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if address.version == 4:  # noqa: PLR2004 - IPv4
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, _IPV6_NETWORK_BITS), strict=False))
