"""How often each caller may call: a token bucket a caller, as one number each.

The number is when the caller's bucket will be full again (the generic cell rate algorithm, ITU-T I.371): a call moves
it on by what one call takes to come back, and there is room while it is less than a whole bucket away.
"""

import functools
import ipaddress
import re
import time
from collections.abc import Callable

from server.domain.errors import RateLimited

_MAX_CALLERS = 10_000
"""Whose rates are kept at most. Beyond, the one seen first is forgotten, and has a full bucket when it comes again."""

_GRPC_PEER = re.compile(r"ipv[46]:(.*):\d+", re.DOTALL)
_HTTP_PEER = re.compile(r"(.*):\d+", re.DOTALL)
_IPV6_NETWORK_BITS = 64
"""What one site is given at least (RFC 6177): addresses below it are its own to choose."""


class CallerRates:
    """Buckets of ``burst_calls`` calls, which fill by ``calls_per_second``."""

    def __init__(
        self,
        calls_per_second: float,
        burst_calls: int,
        max_callers: int = _MAX_CALLERS,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Give every caller a full bucket. ``clock`` returns a time in seconds that never goes back."""
        self._clock = clock
        self._calls_per_second = calls_per_second
        self._bucket_seconds = burst_calls / calls_per_second
        self._max_callers = max_callers
        self._full_at_seconds: dict[str, float] = {}

    def take(self, caller: str) -> None:
        """Take one call out of the caller's bucket.

        Raises:
            RateLimited: it is empty; nothing was taken.
        """
        wait_seconds = self.wait_seconds(caller)
        if wait_seconds:
            message = f"{self._calls_per_second:g} calls a second are let in of one caller; try again later"
            raise RateLimited(message, wait_seconds)
        self.owe(caller, 1)

    def wait_seconds(self, caller: str) -> float:
        """Return when there is a call in the caller's bucket again; 0 when there is one."""
        now_seconds = self._clock()
        room_seconds = now_seconds + self._bucket_seconds - 1 / self._calls_per_second
        wait_seconds = self._full_at_seconds.get(caller, now_seconds) - room_seconds
        return wait_seconds if wait_seconds > 1e-9 else 0  # noqa: PLR2004 - what adding and taking away in floats leaves

    def owe(self, caller: str, calls: int) -> None:
        """Take ``calls`` out of the caller's bucket, even when it has fewer: the caller then waits for the rest first.

        For a batch, whose size is known only once it is let in, and which may be larger than a bucket.
        """
        now_seconds = self._clock()
        full_at_seconds = max(self._full_at_seconds.get(caller, now_seconds), now_seconds)
        self._full_at_seconds[caller] = full_at_seconds + calls / self._calls_per_second
        if len(self._full_at_seconds) > self._max_callers:
            self._forget(now_seconds)

    def _forget(self, now_seconds: float) -> None:
        """Forget those with full buckets, and as many besides as makes room for a while."""
        kept = [(caller, full) for caller, full in self._full_at_seconds.items() if full > now_seconds]
        self._full_at_seconds = dict(kept[-self._max_callers // 2 :])


@functools.lru_cache(maxsize=1024)
def address_of(peer: str) -> str:
    """Return the address in a peer's name, as gRPC (``ipv4:10.0.0.7:5000``) or HTTP (``10.0.0.7:5000``) has it.

    Of IPv6 it is the /64 network: who has one address of it may use them all. IPv4 within IPv6, as a socket for both
    has it, is IPv4. What is no address is returned as it is.
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
