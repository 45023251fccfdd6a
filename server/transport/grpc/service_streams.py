"""Bounded streams for gRPC's own services, health and reflection."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from server.application.stream_limit import StreamLimit
from server.domain.errors import TooManyWatches
from server.observability import metrics
from server.observability.logs import RepeatedWarning
from server.transport.grpc.call_context import CallContext
from server.transport.grpc.stream_writer import StreamWriter
from server.transport.grpc.trailers import error_trailers
from server.transport.pipeline.errors import ReaderTooSlow, failure_of
from server.transport.pipeline.rate_limit import address_of


class ServiceStreams:
    """The streams of one service. Its callers do not authenticate, so each address counts as one caller."""

    def __init__(self, kind: str, limit: StreamLimit, writer: StreamWriter) -> None:
        """Limit the open streams. ``kind`` names the service in the log and in metrics."""
        self._kind = kind
        self._limit = limit
        self._writer = writer
        self._rejected = RepeatedWarning("grpc_streams_refused")
        metrics.track_grpc_streams(kind, lambda: self._limit.open_streams)

    async def serve(self, context: CallContext, responses: AsyncGenerator[Any, None]) -> None:
        """Write ``responses`` until they end. If a limit is exceeded, end the stream immediately with an error."""
        address = address_of(context.peer())
        try:
            async with aclosing(responses):
                with self._limit.hold(address):
                    async for response in responses:
                        await self._writer.write(context, response)
        except TooManyWatches as error:
            metrics.count_rejected_grpc_stream(self._kind)
            self._rejected.count(kind=self._kind, address=address, limit=self._limit.max_streams)
            await self._abort(context, error)
        except ReaderTooSlow as error:
            await self._abort(context, error)

    async def _abort(self, context: CallContext, error: Exception) -> None:
        failure = failure_of(error, call_id="")
        await self._writer.abort(context, failure.code, failure.message, error_trailers(failure))
