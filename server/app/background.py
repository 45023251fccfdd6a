"""The loop that repeats background work."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from server.domain.errors import PaymentsError

_RETRY_SECONDS = 1.0
_MAX_BACKOFF_SECONDS = 30.0

_log = structlog.get_logger(__name__)


async def run_forever(
    work: Callable[[], Awaitable[bool | None]],
    *,
    pause: Callable[[], Awaitable[object]],
    failure_event: str,
) -> None:
    """Repeat ``work`` until cancelled, with a ``pause`` after each round unless it returns true for "more to do".

    The loop survives every error. Otherwise payments would silently stay pending, or events would stop. An outage
    (PaymentsError) is logged where it occurs, and ``work`` is retried every second. Any other error is a bug: it is
    logged as ``failure_event``, and ``work`` is retried with exponential backoff.
    """
    consecutive_bugs = 0
    while True:
        try:
            has_more = await work()
        except PaymentsError:
            await asyncio.sleep(_RETRY_SECONDS)
            continue
        except Exception:  # noqa: BLE001 - see above
            _log.exception(failure_event)
            await asyncio.sleep(min(_RETRY_SECONDS * 2**consecutive_bugs, _MAX_BACKOFF_SECONDS))
            consecutive_bugs += 1
            continue
        consecutive_bugs = 0
        if not has_more:
            await pause()


def every(seconds: float) -> Callable[[], Awaitable[object]]:
    """Return a function that sleeps for ``seconds``."""

    async def pause() -> None:
        await asyncio.sleep(seconds)

    return pause
