"""Everything that a call can raise for an answer of the service, or for want of one: a tree under `PaymentsError`."""

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
    """A call was not answered as asked; the message says why, for people.

    Attributes:
        message: what is wrong.
        code: the gRPC status.
        reason: the contract's stable word for what happened (``PAYMENT_NOT_FOUND``); empty when the service gave none.
        request_id: the idempotency key that the charge or refund was sent with; None for calls that only read.
        call_id: names the call in the service's log (the trailer ``x-request-id``); None when the service gave none.
        retry_after_seconds: how long the service asked to wait before another attempt; None when it did not.
    """

    def __init__(  # noqa: PLR0913 (what is known of an error, all of it optional)
        self,
        message: str,
        *,
        code: grpc.StatusCode = grpc.StatusCode.UNKNOWN,
        reason: str = "",
        request_id: str | None = None,
        call_id: str | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        """Keep what is known. Only the message is needed, so that an exception can be pickled, or made in a test."""
        super().__init__(message)
        self.message = message
        self.code = code
        self.reason = reason
        self.request_id = request_id
        self.call_id = call_id
        self.retry_after_seconds = retry_after_seconds


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One thing wrong with a request: the path of the field in it (``amount.nanos``), and what is allowed there."""

    field: str
    description: str


class InvalidRequest(PaymentsError):
    """The service refuses the request as it is; ``violations`` has what is wrong with it, 20 things at most."""

    violations: tuple[FieldViolation, ...] = ()


class PaymentNotFound(PaymentsError):
    """There is no such payment."""


class PaymentFailed(PaymentsError):
    """The payment to refund had failed: nothing was charged."""


class PaymentPending(PaymentsError):
    """It is not known yet whether the payment to refund succeeds."""


class PaymentArchived(PaymentsError):
    """The payment to refund is so old that it was archived: an operator has to bring it back first."""


class RefundExceedsPayment(PaymentsError):
    """More was asked back than what remains of the payment, or nothing remains."""


class RequestIdReused(PaymentsError):
    """The same request_id came before with other parameters."""


class ResumeTokenExpired(PaymentsError):
    """What came after the token of a watch is no longer kept, or the token is of another database.

    Begin without one, and list the payments for what was missed.
    """


class Unauthenticated(PaymentsError):
    """It is not said who calls, or not in a way that is believed: a key is missing, unknown, revoked or expired."""


class PermissionDenied(PaymentsError):
    """The caller does not have the role that the call needs, which the message names."""


class OutcomeUnknown(PaymentsError):
    """The call ended without an answer that tells whether it was done.

    A charge or refund may have been done all the same, also by an attempt before the last: repeat it with the same
    ``request_id`` to find out, and to have it done once.
    """


class Unavailable(OutcomeUnknown):
    """The service, or its database, could not be reached until the call's deadline."""


class Overloaded(OutcomeUnknown):
    """The service had more to do than it takes on at once, or of this caller at a time, until the call's deadline."""


class DeadlineExceeded(OutcomeUnknown):
    """The call's deadline passed before its answer came."""


class InternalError(OutcomeUnknown):
    """The service failed; its log has the cause under ``call_id``."""


_CODES = {code.value[0]: code for code in grpc.StatusCode}

_DOMAIN = "payments"
"""The ErrorInfo domain of the service; reasons of others, as a proxy's, are not ours to name."""

_BY_REASON: dict[str, type[PaymentsError]] = {
    "INVALID_REQUEST": InvalidRequest,
    "PAYMENT_NOT_FOUND": PaymentNotFound,
    "PAYMENT_FAILED": PaymentFailed,
    "PAYMENT_PENDING": PaymentPending,
    "PAYMENT_ARCHIVED": PaymentArchived,
    "REFUND_EXCEEDS_PAYMENT": RefundExceedsPayment,
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
"""For errors without a reason that is known here: made by gRPC itself, by a proxy, or by a newer service."""


def error_from_rpc(rpc_error: grpc.RpcError, request_id: str | None) -> PaymentsError:
    """Return the exception for a failed RPC, caused by ``rpc_error``.

    Its class follows the reason in the error's ``google.rpc.ErrorInfo`` (AIP-193), else the status code.
    """
    # Pairs in the sync and the async API alike, whatever their two types say.
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
    """Return the exception for a status inside an answer: that of one charge of many. It is returned, never raised."""
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
    reason = next((info.reason for info in _infos(details)), "")
    retry_delay = next((retry.retry_delay for retry in _of(error_details_pb2.RetryInfo, details)), None)
    error = _BY_REASON.get(reason, _BY_CODE.get(code, PaymentsError))(
        message,
        code=code,
        reason=reason,
        request_id=request_id,
        call_id=call_id,
        retry_after_seconds=retry_delay.seconds + retry_delay.nanos / 1e9 if retry_delay else None,
    )
    if isinstance(error, InvalidRequest):
        error.violations = tuple(
            FieldViolation(violation.field, violation.description)
            for bad_request in _of(error_details_pb2.BadRequest, details)
            for violation in bad_request.field_violations
        )
    return error


def _infos(details: Iterable[any_pb2.Any]) -> Iterator[error_details_pb2.ErrorInfo]:
    return (info for info in _of(error_details_pb2.ErrorInfo, details) if info.domain == _DOMAIN)


def _details(trailer: str | bytes | None) -> list[any_pb2.Any]:
    """Return the details of a ``grpc-status-details-bin`` trailer: none when there is no such trailer, or it is broken.

    A broken trailer, as of a proxy that cut it, must not hide the error that it came with.
    """
    if not isinstance(trailer, bytes):
        return []
    try:
        return list(status_pb2.Status.FromString(trailer).details)
    except DecodeError:
        return []


def _of(kind: type[_MessageT], details: Iterable[any_pb2.Any]) -> Iterator[_MessageT]:
    """Yield those of ``details`` that are of one kind, leaving out what cannot be read."""
    for detail in details:
        if detail.TypeName() == kind.DESCRIPTOR.full_name:
            with contextlib.suppress(DecodeError):
                yield kind.FromString(detail.value)
