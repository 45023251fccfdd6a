"""The delay of the event loop: while one call blocks it, all other calls wait."""

import asyncio

from server.observability import metrics


async def measure_loop_delay(interval_seconds: float) -> None:
    """Sleep repeatedly until cancelled, and record by how much each sleep overran."""
    loop = asyncio.get_running_loop()
    while True:
        due_seconds = loop.time() + interval_seconds
        await asyncio.sleep(interval_seconds)
        metrics.observe_loop_delay(max(0.0, loop.time() - due_seconds))
