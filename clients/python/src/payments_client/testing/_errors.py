"""The errors of the fake service, as the service would send them."""

from collections.abc import Mapping, Sequence

import grpc
from google.rpc import error_details_pb2, status_pb2

_DOMAIN = "payments"
_MAX_VIOLATIONS = 20


class CallRejected(Exception):
    """The service rejects a call with this status code, reason and message."""

    def __init__(
        self,
        code: grpc.StatusCode,
        reason: str,
        message: str,
        *,
        metadata: Mapping[str, str] | None = None,
        violations: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Store the error. ``violations`` are the invalid fields, each with a description of what is allowed."""
        super().__init__(message)
        self.code = code
        self.message = message
        self._info = error_details_pb2.ErrorInfo(reason=reason, domain=_DOMAIN, metadata=metadata)
        self._violations = [
            error_details_pb2.BadRequest.FieldViolation(field=field, description=description)
            for field, description in violations[:_MAX_VIOLATIONS]
        ]

    def status(self, call_id: str) -> status_pb2.Status:
        """Return the status with its details, of the call with this id."""
        self._info.metadata["call_id"] = call_id
        status = status_pb2.Status(code=self.code.value[0], message=self.message)
        status.details.add().Pack(self._info)
        if self._violations:
            status.details.add().Pack(error_details_pb2.BadRequest(field_violations=self._violations))
        return status

    def trailers(self, call_id: str) -> tuple[tuple[str, str | bytes], ...]:
        """Return the trailers of the call with this id."""
        return (("x-request-id", call_id), ("grpc-status-details-bin", self.status(call_id).SerializeToString()))


def invalid_request(violations: Sequence[tuple[str, str]]) -> CallRejected:
    """Return the error for an invalid request. Its message describes the first violation."""
    (field, description), more = violations[0], len(violations) - 1
    message = f"{field}: {description}" + (f" (and {more} more)" if more else "")
    return CallRejected(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", message, violations=violations)


def payment_not_found() -> CallRejected:
    """Return the error for a payment that does not exist."""
    return CallRejected(grpc.StatusCode.NOT_FOUND, "PAYMENT_NOT_FOUND", "payment not found")


def request_id_reused(rpc: str, request_id: str) -> CallRejected:
    """Return the error for a request_id that an earlier call used with other parameters."""
    message = f"request_id {request_id!r} came before, in a {rpc} with other parameters"
    return CallRejected(grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED", message)


def order_has_pending_payment(payment_id: int) -> CallRejected:
    """Return the error for a charge of an order that has a pending payment."""
    return CallRejected(
        grpc.StatusCode.FAILED_PRECONDITION,
        "ORDER_HAS_PENDING_PAYMENT",
        f"payment {payment_id} of this order is pending; charge the order once it has its outcome",
        metadata={"payment_id": str(payment_id)},
    )


def cannot_refund(reason: str, message: str) -> CallRejected:
    """Return the error for a payment that cannot be refunded."""
    return CallRejected(grpc.StatusCode.FAILED_PRECONDITION, reason, message)


def role_missing() -> CallRejected:
    """Return the error for the request_id of another caller."""
    message = "the request_id of another caller requires the role payments.audit, which the caller lacks"
    return CallRejected(grpc.StatusCode.PERMISSION_DENIED, "ROLE_MISSING", message)


def resume_token_expired() -> CallRejected:
    """Return the error for a resume token of another fake, whose position this one has not reached."""
    message = "the resume_token is not from this stream, because its position is past the end"
    return CallRejected(grpc.StatusCode.FAILED_PRECONDITION, "RESUME_TOKEN_EXPIRED", message)
