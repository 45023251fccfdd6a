"""`PaymentsError` and its subclasses, which a call raises if the service returns an error or does not respond."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

_MessageT = TypeVar("_MessageT", bound=Message)


class PaymentsError(Exception):
    """A call failed.

    Attributes:
        message: The human-readable error message.
        code: The gRPC status code.
        reason: The stable identifier from the contract (``PAYMENT_NOT_FOUND``). Empty if the service sent none.
        request_id: The idempotency key that the charge or refund was sent with. None for calls that only read.
        call_id: Identifies the call in the service's log (the trailer ``x-request-id``). None if the service sent none.
        retry_after_seconds: How long the service asked to wait before a retry. None if it did not ask.
    """

    def __init__(  # noqa: PLR0913 (keyword arguments, each with a default)
        self,
        message: str,
        *,
        code: grpc.StatusCode = grpc.StatusCode.UNKNOWN,
        reason: str = "",
        request_id: str | None = None,
        call_id: str | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        """Create an error. Only the message is required, so that an error can be pickled, or created in a test."""
        super().__init__(message)
        self.message = message
        self.code = code
        self.reason = reason
        self.request_id = request_id
        self.call_id = call_id
        self.retry_after_seconds = retry_after_seconds


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """An invalid field of a request: its path (``amount.nanos``), and a description of the allowed values."""

    field: str
    description: str


class InvalidRequest(PaymentsError):
    """The request is invalid. ``violations`` lists its invalid fields, at most 20."""

    violations: tuple[FieldViolation, ...] = ()


class PaymentNotFound(PaymentsError):
    """The payment does not exist."""


class PaymentFailed(PaymentsError):
    """The payment cannot be refunded because its charge failed: nothing was charged."""


class PaymentPending(PaymentsError):
    """The payment cannot be refunded yet, because the outcome of its charge is not known."""


class PaymentDisputed(PaymentsError):
    """The payment cannot be refunded, because the payer disputes it, or got the money back through a dispute."""


class PaymentArchived(PaymentsError):
    """The payment is archived. An operator must unarchive it before it can be refunded."""


class RefundExceedsPayment(PaymentsError):
    """The amount exceeds the amount not yet refunded, or nothing is left to refund."""


class OrderHasPendingPayment(PaymentsError):
    """The order was not charged, because another payment of it is pending and the charge has ``unless_pending``.

    ``payment_id`` is the pending payment, or None if the service did not send it.
    """

    payment_id: int | None = None


class RequestIdReused(PaymentsError):
    """An earlier call used the same request_id with different parameters."""


class ResumeTokenExpired(PaymentsError):
    """Events after the resume token have been archived, or the database was restored to a time before it.

    Start without a token, and list the payments to find the missed changes.
    """


class Unauthenticated(PaymentsError):
    """The credentials are missing or invalid, for example an unknown, revoked or expired API key."""


class PermissionDenied(PaymentsError):
    """The caller lacks the role that the message names."""


class OutcomeUnknown(PaymentsError):
    """The call failed without a response that says whether it took effect.

    A charge or refund may have been made, by any of the attempts. Retry the call with the same ``request_id`` to get
    the outcome; the charge or refund is made only once.
    """


class Unavailable(OutcomeUnknown):
    """The service, its database or its payment processor could not be reached before the call's deadline."""


class Overloaded(OutcomeUnknown):
    """The service was overloaded, or the caller exceeded its limits, until the call's deadline."""


class DeadlineExceeded(OutcomeUnknown):
    """The call's deadline passed before the response arrived."""


class InternalError(OutcomeUnknown):
    """The service had an internal error. Its log has the cause under ``call_id``."""


_CODES = {code.value[0]: code for code in grpc.StatusCode}

_DOMAIN = "payments"
"""The service's ErrorInfo domain. Reasons of other domains, such as a proxy's, are ignored."""

_BY_REASON: dict[str, type[PaymentsError]] = {
    "INVALID_REQUEST": InvalidRequest,
    "PAYMENT_NOT_FOUND": PaymentNotFound,
    "PAYMENT_FAILED": PaymentFailed,
    "PAYMENT_PENDING": PaymentPending,
    "PAYMENT_DISPUTED": PaymentDisputed,
    "PAYMENT_ARCHIVED": PaymentArchived,
    "REFUND_EXCEEDS_PAYMENT": RefundExceedsPayment,
    "ORDER_HAS_PENDING_PAYMENT": OrderHasPendingPayment,
    "REQUEST_ID_REUSED": RequestIdReused,
    "RESUME_TOKEN_EXPIRED": ResumeTokenExpired,
    "STORE_UNAVAILABLE": Unavailable,
    "SHUTTING_DOWN": Unavailable,
    "READER_TOO_SLOW": Unavailable,
    "PROCESSOR_UNAVAILABLE": Unavailable,
    "CREDENTIALS_MISSING": Unauthenticated,
    "API_KEY_INVALID": Unauthenticated,
    "CERTIFICATE_INVALID": Unauthenticated,
    "ROLE_MISSING": PermissionDenied,
    "ORIGIN_NOT_ALLOWED": PermissionDenied,
    "OVERLOADED": Overloaded,
    "RATE_LIMITED": Overloaded,
    "TOO_MANY_WATCHES": Overloaded,
    "DEADLINE_EXCEEDED": DeadlineExceeded,
    "CALL_TOO_LONG": DeadlineExceeded,
    "INTERNAL": InternalError,
}

_BY_CODE: dict[grpc.StatusCode, type[PaymentsError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequest,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.INTERNAL: InternalError,
    grpc.StatusCode.CANCELLED: OutcomeUnknown,
    grpc.StatusCode.UNKNOWN: OutcomeUnknown,
}
"""For errors without a known reason, which come from gRPC itself, a proxy or a newer version of the service."""


def error_from_rpc(rpc_error: grpc.RpcError, request_id: str | None) -> PaymentsError:
    """Return the exception for a failed RPC, with ``rpc_error`` as its cause.

    The reason in the error's ``google.rpc.ErrorInfo`` (AIP-193) determines its class. Without a known reason, the
    status code does.
    """
    # The trailers are pairs in both the blocking and the asyncio API, despite their declared types.
    trailers = dict(cast("Iterable[tuple[str, str | bytes]]", rpc_error.trailing_metadata() or ()))
    details = _details(trailers.get("grpc-status-details-bin"))
    call_id = trailers.get("x-request-id")
    code = rpc_error.code()
    error = _error(
        code, rpc_error.details() or code.name, details, request_id, call_id if isinstance(call_id, str) else None
    )
    error.__cause__ = rpc_error
    return error


def error_from_status(status: status_pb2.Status, request_id: str) -> PaymentsError:
    """Return the exception for the status of one charge in a batch's response. The client never raises it."""
    code = _CODES.get(status.code, grpc.StatusCode.UNKNOWN)
    call_id = next((info.metadata["call_id"] for info in _infos(status.details) if "call_id" in info.metadata), None)
    return _error(code, status.message or code.name, status.details, request_id, call_id)


def _error(
    code: grpc.StatusCode,
    message: str,
    details: Sequence[any_pb2.Any],
    request_id: str | None,
    call_id: str | None,
) -> PaymentsError:
    info = next(_infos(details), error_details_pb2.ErrorInfo())
    retry_delay = next((retry.retry_delay for retry in _details_of_kind(error_details_pb2.RetryInfo, details)), None)
    error = _BY_REASON.get(info.reason, _BY_CODE.get(code, PaymentsError))(
        message,
        code=code,
        reason=info.reason,
        request_id=request_id,
        call_id=call_id,
        retry_after_seconds=retry_delay.seconds + retry_delay.nanos / 1e9 if retry_delay else None,
    )
    if isinstance(error, InvalidRequest):
        error.violations = tuple(
            FieldViolation(violation.field, violation.description)
            for bad_request in _details_of_kind(error_details_pb2.BadRequest, details)
            for violation in bad_request.field_violations
        )
    if isinstance(error, OrderHasPendingPayment):
        payment_id = info.metadata.get("payment_id", "")
        error.payment_id = int(payment_id) if payment_id.isascii() and payment_id.isdecimal() else None
    return error


def _infos(details: Iterable[any_pb2.Any]) -> Iterator[error_details_pb2.ErrorInfo]:
    return (info for info in _details_of_kind(error_details_pb2.ErrorInfo, details) if info.domain == _DOMAIN)


def _details(trailer: str | bytes | None) -> list[any_pb2.Any]:
    """Return the details in a ``grpc-status-details-bin`` trailer, or none if the trailer is missing or malformed.

    A malformed trailer, for example one that a proxy truncated, must not hide the error itself.
    """
    if not isinstance(trailer, bytes):
        return []
    try:
        return list(status_pb2.Status.FromString(trailer).details)
    except DecodeError:
        return []


def _details_of_kind(kind: type[_MessageT], details: Iterable[any_pb2.Any]) -> Iterator[_MessageT]:
    """Yield the ``details`` of one type that can be parsed."""
    for detail in details:
        if detail.TypeName() == kind.DESCRIPTOR.full_name:
            with contextlib.suppress(DecodeError):
                yield kind.FromString(detail.value)
