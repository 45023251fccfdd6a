"""The status of a call whose request finds no memory."""

import math

from server.domain.errors import Overloaded
from server.transport.grpc.server import Rejection
from server.transport.pipeline.errors import failure_of


def _memory_full() -> Rejection:
    failure = failure_of(Overloaded("too many large or slow requests are arriving; try again later"), call_id="")
    assert failure.retry_after_seconds is not None, "an overloaded service asks its callers to retry"
    trailers = (
        ("grpc-status-details-bin", failure.status.SerializeToString()),
        ("grpc-retry-pushback-ms", str(math.ceil(failure.retry_after_seconds * 1000))),
    )
    return Rejection(failure.code, failure.message, trailers)


MEMORY_FULL = _memory_full()
"""How to reject such a call."""
