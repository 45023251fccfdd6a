"""Translate errors to statuses: one table, for every transport, has the code, reason and HTTP status of each error."""

import math
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
"""The most violations that a status lists, because trailers are limited to 8 KiB."""

_CHALLENGE = f'Bearer realm="{DOMAIN}"'

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Rule:
    code: grpc.StatusCode
    reason: str
    retry_after_seconds: float | None = None
    http_status: int | None = None
    """Overrides the HTTP status of the code."""
    challenge: str | None = None
    """The value of the WWW-Authenticate header (RFC 9110, RFC 6750)."""


class CallTooLong(errors.PaymentsError):
    """A call exceeded the time limit of all calls. Its outcome is unknown, because work that has begun is completed."""


class ReaderTooSlow(errors.PaymentsError):
    """The client of a stream read nothing from it for too long."""


class BodyTooLarge(errors.PaymentsError):
    """The body of an HTTP request is over the size limit."""


class BodyTooSlow(errors.PaymentsError):
    """The body of an HTTP request took too long to arrive."""


class UnsupportedMediaType(errors.PaymentsError):
    """The Content-Type of an HTTP request is not JSON."""


class ClientGone(errors.PaymentsError):
    """The client disconnected before the body of its HTTP request was complete, so nobody receives this error."""


class RefundFailed(errors.PaymentsError):
    """A refund over ``/v1`` failed. That is an error there, because the legacy service had no such outcome."""


class NoSuchPath(errors.PaymentsError):
    """No endpoint has the path of an HTTP request."""


class MethodNotAllowed(errors.PaymentsError):
    """The path of an HTTP request exists, but does not accept its verb."""


class OriginNotAllowed(errors.PaymentsError):
    """A web page from an origin that is not allowed sent a request that may change something."""

    def __init__(self, message: str, origin: str, site: str) -> None:
        """Store the request's Origin and Sec-Fetch-Site headers, empty if not sent, for the log."""
        super().__init__(message)
        self.origin = origin
        self.site = site


_RULES: dict[type[Exception], _Rule] = {
    errors.InvalidRequest: _Rule(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"),
    errors.PaymentNotFound: _Rule(grpc.StatusCode.NOT_FOUND, "PAYMENT_NOT_FOUND"),
    errors.PaymentFailed: _Rule(grpc.StatusCode.FAILED_PRECONDITION, "PAYMENT_FAILED"),
    errors.PaymentPending: _Rule(grpc.StatusCode.FAILED_PRECONDITION, "PAYMENT_PENDING"),
    errors.PaymentDisputed: _Rule(grpc.StatusCode.FAILED_PRECONDITION, "PAYMENT_DISPUTED"),
    errors.PaymentArchived: _Rule(grpc.StatusCode.FAILED_PRECONDITION, "PAYMENT_ARCHIVED"),
    errors.RefundExceedsPayment: _Rule(grpc.StatusCode.FAILED_PRECONDITION, "REFUND_EXCEEDS_PAYMENT"),
    errors.OrderHasPendingPayment: _Rule(grpc.StatusCode.FAILED_PRECONDITION, "ORDER_HAS_PENDING_PAYMENT"),
    errors.RequestIdReused: _Rule(grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED"),
    errors.CredentialsMissing: _Rule(grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_MISSING", challenge=_CHALLENGE),
    errors.ApiKeyInvalid: _Rule(
        grpc.StatusCode.UNAUTHENTICATED, "API_KEY_INVALID", challenge=f'{_CHALLENGE}, error="invalid_token"'
    ),
    errors.CertificateInvalid: _Rule(grpc.StatusCode.UNAUTHENTICATED, "CERTIFICATE_INVALID", challenge=_CHALLENGE),
    errors.RoleMissing: _Rule(grpc.StatusCode.PERMISSION_DENIED, "ROLE_MISSING"),
    errors.DeadlinePassed: _Rule(grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED"),
    errors.Overloaded: _Rule(grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED", retry_after_seconds=0.2),
    errors.TooManyWatches: _Rule(grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_WATCHES", retry_after_seconds=1.0),
    errors.ResumeTokenExpired: _Rule(grpc.StatusCode.FAILED_PRECONDITION, "RESUME_TOKEN_EXPIRED"),
    errors.RateLimited: _Rule(grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED"),
    errors.ShuttingDown: _Rule(grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN", retry_after_seconds=0.1),
    errors.StoreUnavailable: _Rule(grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE", retry_after_seconds=0.5),
    errors.ProcessorUnavailable: _Rule(grpc.StatusCode.UNAVAILABLE, "PROCESSOR_UNAVAILABLE"),
    CallTooLong: _Rule(grpc.StatusCode.DEADLINE_EXCEEDED, "CALL_TOO_LONG"),
    # UNAVAILABLE, so that every consumer resumes from its last token.
    ReaderTooSlow: _Rule(grpc.StatusCode.UNAVAILABLE, "READER_TOO_SLOW", retry_after_seconds=1.0),
    BodyTooLarge: _Rule(grpc.StatusCode.INVALID_ARGUMENT, "BODY_TOO_LARGE", http_status=413),
    BodyTooSlow: _Rule(grpc.StatusCode.DEADLINE_EXCEEDED, "BODY_TOO_SLOW", http_status=408),
    UnsupportedMediaType: _Rule(grpc.StatusCode.INVALID_ARGUMENT, "UNSUPPORTED_MEDIA_TYPE", http_status=415),
    ClientGone: _Rule(grpc.StatusCode.CANCELLED, "CLIENT_GONE"),
    RefundFailed: _Rule(grpc.StatusCode.FAILED_PRECONDITION, "REFUND_FAILED"),
    NoSuchPath: _Rule(grpc.StatusCode.NOT_FOUND, "NO_SUCH_PATH"),
    OriginNotAllowed: _Rule(grpc.StatusCode.PERMISSION_DENIED, "ORIGIN_NOT_ALLOWED"),
    MethodNotAllowed: _Rule(grpc.StatusCode.UNIMPLEMENTED, "METHOD_NOT_ALLOWED", http_status=405),
}
_HTTP_STATUSES = {
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
}
"""The same mapping as in grpc-gateway (runtime.HTTPStatusFromCode). Any other code is 500."""

_INTERNAL = _Rule(grpc.StatusCode.INTERNAL, "INTERNAL")

REASONS = frozenset(rule.reason for rule in (*_RULES.values(), _INTERNAL))
"""Every reason that an error of the service can have."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as its caller sees it.

    ``reason`` is stable; ``message`` is for people. ``status`` has the code, the message and the details.
    """

    error: Exception
    code: grpc.StatusCode
    http_status: int
    reason: str
    message: str
    retry_after_seconds: float | None
    challenge: str | None
    status: status_pb2.Status


def failure_of(error: Exception, call_id: str) -> Failure:
    """Return the failure to report for ``error``, which ended the call with this ID (empty for a call without one).

    An error that is not in the table is a bug in the service. It is logged with its stack trace, and the caller sees
    only the call ID, with which to report it.
    """
    rule = next((_RULES[kind] for kind in type(error).__mro__ if kind in _RULES), None)
    if rule is None:
        _log.error("internal_error", exc_info=error)
        message = f"internal error; the service logged it under the call ID {call_id}"
        return _failure(error, _INTERNAL, message, call_id, None)
    retry_after_seconds = rule.retry_after_seconds
    if isinstance(error, errors.PaymentsError) and error.retry_after_seconds is not None:
        retry_after_seconds = error.retry_after_seconds
    return _failure(error, rule, str(error), call_id, retry_after_seconds)


def _failure(error: Exception, rule: _Rule, message: str, call_id: str, retry_after_seconds: float | None) -> Failure:
    metadata = {"call_id": call_id} if call_id else {}
    if isinstance(error, errors.OrderHasPendingPayment):
        metadata["payment_id"] = str(error.payment_id)
    details: list[Message] = [error_details_pb2.ErrorInfo(reason=rule.reason, domain=DOMAIN, metadata=metadata)]
    if isinstance(error, errors.InvalidRequest):
        details.append(_bad_request(error))
    if retry_after_seconds is not None:
        # Rounded up so that a caller who retries right after the delay is not too early.
        milliseconds = math.ceil(retry_after_seconds * 1000)
        delay = Duration()
        delay.FromMilliseconds(milliseconds)
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    status = status_pb2.Status(code=rule.code.value[0], message=message)
    for detail in details:
        packed = Any()
        packed.Pack(detail)
        status.details.append(packed)
    return Failure(
        error=error,
        code=rule.code,
        http_status=rule.http_status or _HTTP_STATUSES.get(rule.code, 500),
        reason=rule.reason,
        message=message,
        retry_after_seconds=retry_after_seconds,
        challenge=rule.challenge,
        status=status,
    )


def _bad_request(error: errors.InvalidRequest) -> error_details_pb2.BadRequest:
    return error_details_pb2.BadRequest(
        field_violations=[
            error_details_pb2.BadRequest.FieldViolation(field=violation.field, description=violation.description)
            for violation in error.violations[:_MAX_VIOLATIONS]
        ]
    )
