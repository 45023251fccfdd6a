"""The status of a call whose request finds no memory."""

from server.domain.errors import Overloaded
from server.transport.grpc.server import Rejection
from server.transport.grpc.trailers import error_trailers
from server.transport.pipeline.errors import failure_of

_FAILURE = failure_of(Overloaded("too many large or slow requests are arriving; try again later"), call_id="")

MEMORY_FULL = Rejection(_FAILURE.code, _FAILURE.message, error_trailers(_FAILURE))
"""How to reject such a call."""
