"""The trailers of errors: details (google.rpc.Status), and how long to wait before a retry."""

import math

from server.transport.pipeline.errors import Failure

Trailers = tuple[tuple[str, str | bytes], ...]


def error_trailers(failure: Failure) -> Trailers:
    """Return the trailers of ``failure``."""
    details = (("grpc-status-details-bin", failure.status.SerializeToString()),)
    if failure.retry_after_seconds is None:
        return details
    # gRPC clients with a retry policy wait this long before their next attempt (gRFC A6).
    return (*details, ("grpc-retry-pushback-ms", str(math.ceil(failure.retry_after_seconds * 1000))))
