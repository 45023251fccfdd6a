"""Write the responses of gRPC streams, each within a time limit.

While a client reads nothing, HTTP/2 flow control blocks its stream. Without a time limit, a blocked stream would count
toward the limit of streams forever, even after its API key has expired.
"""

import asyncio
from typing import NoReturn

import grpc

from server.transport.grpc.call_context import CallContext
from server.transport.pipeline.errors import ReaderTooSlow
from server.transport.pipeline.time_limit import TimeLimit


class StreamWriter:
    """Writes to streams, at the pace of their clients but within a time limit."""

    def __init__(self, timeout_seconds: float) -> None:
        """Wait at most ``timeout_seconds`` for a client to read."""
        self._time_limit = TimeLimit(timeout_seconds)

    async def write(self, context: CallContext, response: object) -> None:
        """Write one response.

        Raises:
            ReaderTooSlow: the client read nothing for too long.
        """
        task = self._time_limit.start()
        try:
            await context.write(response)
        except asyncio.CancelledError:
            if not self._time_limit.timed_out(task):
                raise
            seconds = f"{self._time_limit.seconds:g} seconds"
            raise ReaderTooSlow(f"the client read nothing for {seconds}; resume from the last token") from None
        finally:
            self._time_limit.stop(task)

    async def abort(
        self,
        context: CallContext,
        code: grpc.StatusCode,
        message: str,
        trailers: tuple[tuple[str, str | bytes], ...],
    ) -> NoReturn:
        """End a stream with an error.

        grpcio waits until the client has read the error. If that exceeds the time limit, the task is cancelled, and the
        error stays queued in gRPC.
        """
        task = self._time_limit.start()
        try:
            await context.abort(code, message, trailers)
        finally:
            self._time_limit.stop(task)
        raise AssertionError("unreachable: abort raises")
