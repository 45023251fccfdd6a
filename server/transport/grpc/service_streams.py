"""The streams of gRPC's own services, health and reflection: how many may be open, and how they are written."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, TypeAlias

import grpc

from server.application.stream_limit import StreamLimit
from server.domain.errors import TooManyWatches
from server.observability import metrics
from server.observability.logs import RepeatedWarning
from server.transport.grpc.stream_writes import StreamWrites
from server.transport.pipeline.errors import ReaderTooSlow, failure_of
from server.transport.pipeline.rate_limit import address_of

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class ServiceStreams:
    """The streams of one kind. Nobody says who calls these services, so a caller is an address."""

    def __init__(self, kind: str, at_most: int, writes: StreamWrites) -> None:
        """Let ``at_most`` be open, a quarter of them from one address."""
        self._kind = kind
        self._at_most = at_most
        self._limit = StreamLimit(at_most)
        self._writes = writes
        self._refused = RepeatedWarning("grpc_streams_refused")
        metrics.track_grpc_streams(kind, lambda: self._limit.open_streams)

    async def serve(self, context: _Context, responses: AsyncGenerator[Any, None]) -> None:
        """Write ``responses`` until they end; a stream that is one too many ends in an error at once."""
        address = address_of(context.peer())
        try:
            async with aclosing(responses):
                with self._limit.hold(address):
                    async for response in responses:
                        await self._writes.write(context, response)
        except TooManyWatches as error:
            metrics.count_rejected_grpc_stream(self._kind)
            self._refused.count(kind=self._kind, address=address, limit=self._at_most)
            await self._abort(context, error)
        except ReaderTooSlow as error:
            await self._abort(context, error)

    async def _abort(self, context: _Context, error: Exception) -> None:
        failure = failure_of(error, call_id="")
        details = (("grpc-status-details-bin", failure.status.SerializeToString()),)
        await self._writes.abort(context, failure.code, failure.message, details)
