"""How late the event loop is: what one request does without a pause, all other callers wait for."""

import asyncio

from server.observability import metrics


async def watch_loop_delay(interval_seconds: float) -> None:
    """Sleep again and again, and count by how much each sleep was too long, until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due_seconds = loop.time() + interval_seconds
        await asyncio.sleep(interval_seconds)
        metrics.observe_loop_delay(max(0.0, loop.time() - due_seconds))
