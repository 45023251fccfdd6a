"""Where errors become statuses: the one table from what went wrong to code, reason and details, for every transport."""

from dataclasses import dataclass

import grpc
import structlog
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from server.domain import errors

DOMAIN = "payments"
"""The domain of every ErrorInfo (AIP-193)."""

_MAX_VIOLATIONS = 20
"""How many violations a status names at most: trailers are limited to 8 KiB."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Rule:
    code: grpc.StatusCode
    reason: str
    retry_after_seconds: float | None = None


_RULES: dict[type[Exception], _Rule] = {
    errors.InvalidRequest: _Rule(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"),
    errors.PaymentNotFound: _Rule(grpc.StatusCode.NOT_FOUND, "PAYMENT_NOT_FOUND"),
    errors.PaymentFailed: _Rule(grpc.StatusCode.FAILED_PRECONDITION, "PAYMENT_FAILED"),
    errors.PaymentPending: _Rule(grpc.StatusCode.FAILED_PRECONDITION, "PAYMENT_PENDING"),
    errors.RefundExceedsPayment: _Rule(grpc.StatusCode.FAILED_PRECONDITION, "REFUND_EXCEEDS_PAYMENT"),
    errors.RequestIdReused: _Rule(grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED"),
    errors.DeadlinePassed: _Rule(grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED"),
    errors.Overloaded: _Rule(grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED", retry_after_seconds=0.2),
    errors.ShuttingDown: _Rule(grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN", retry_after_seconds=0.1),
    errors.StoreUnavailable: _Rule(grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE", retry_after_seconds=0.5),
}
_INTERNAL = _Rule(grpc.StatusCode.INTERNAL, "INTERNAL")


@dataclass(frozen=True, slots=True)
class Failure:
    """What a caller is told of an error: a code, a stable reason, a message, and the same with details."""

    code: grpc.StatusCode
    reason: str
    message: str
    retry_after_seconds: float | None
    status: status_pb2.Status


def failure_of(error: Exception, call_id: str) -> Failure:
    """Return what the caller is told of ``error``, which it met in the call that ``call_id`` names.

    An error that is not in the table is a fault of this service: it is logged with its stack, and the caller is told
    nothing of it but the call_id to ask about.
    """
    rule = _RULES.get(type(error))
    if rule is None:
        _log.error("internal_error", exc_info=error)
        return _failure(_INTERNAL, f"internal error; the service's log has it as {call_id}", call_id, [])
    details: list[Message] = []
    if isinstance(error, errors.InvalidRequest):
        details.append(_bad_request(error))
    if rule.retry_after_seconds is not None:
        milliseconds = round(rule.retry_after_seconds * 1000)
        delay = Duration()
        delay.FromMilliseconds(milliseconds)
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    return _failure(rule, str(error), call_id, details)


def _failure(rule: _Rule, message: str, call_id: str, details: list[Message]) -> Failure:
    info = error_details_pb2.ErrorInfo(reason=rule.reason, domain=DOMAIN, metadata={"call_id": call_id})
    status = status_pb2.Status(code=rule.code.value[0], message=message)
    for detail in (info, *details):
        packed = Any()
        packed.Pack(detail)
        status.details.append(packed)
    return Failure(rule.code, rule.reason, message, rule.retry_after_seconds, status)


def _bad_request(error: errors.InvalidRequest) -> error_details_pb2.BadRequest:
    return error_details_pb2.BadRequest(
        field_violations=[
            error_details_pb2.BadRequest.FieldViolation(field=violation.field, description=violation.description)
            for violation in error.violations[:_MAX_VIOLATIONS]
        ]
    )
