"""Responses of gRPC streams, each written within a time.

While a client takes nothing, HTTP/2 has its stream wait, and a stream that waits holds a place, whatever became of the
key that it began with.
"""

import asyncio
from typing import Any, NoReturn, TypeAlias

import grpc

from server.transport.pipeline.errors import ReaderTooSlow
from server.transport.pipeline.time_limit import TimeLimit

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class StreamWrites:
    """Writes for all streams, as their clients take what is written."""

    def __init__(self, seconds: float) -> None:
        """Wait ``seconds`` for a client at most."""
        self._time = TimeLimit(seconds)

    async def write(self, context: _Context, response: object) -> None:
        """Write one response.

        Raises:
            ReaderTooSlow: the client took nothing for too long.
        """
        task = self._time.start()
        try:
            await context.write(response)
        except asyncio.CancelledError:
            if not self._time.has_run_out(task):
                raise
            message = (
                f"the client took nothing of the stream for {self._time.seconds:g} seconds; go on from the last token"
            )
            raise ReaderTooSlow(message) from None
        finally:
            self._time.stop(task)

    async def abort(
        self,
        context: _Context,
        code: grpc.StatusCode,
        message: str,
        trailers: tuple[tuple[str, str | bytes], ...],
    ) -> NoReturn:
        """End a stream in an error.

        grpcio waits until the client has taken the error too. After the time, the task ends without that: what is
        left for the client stays in gRPC.
        """
        task = self._time.start()
        try:
            await context.abort(code, message, trailers)
        finally:
            self._time.stop(task)
        raise AssertionError("unreachable: abort raises")
