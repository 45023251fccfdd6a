"""Errors, named for what they mean. ``transport.pipeline.errors`` maps each that a caller sees to a status."""

from server.domain.value import value


class PaymentsError(Exception):
    """The base of all errors that a caller sees. The message is for the caller and reveals no internals.

    ``retry_after_seconds`` is how long the caller should wait before a retry, or None if that is unknown.
    """

    retry_after_seconds: float | None = None


@value()
class FieldViolation:
    """One problem with a request.

    ``field`` is the path of the invalid field, such as ``amount.nanos``. ``description`` says what is allowed.
    """

    field: str
    description: str


class InvalidValue(PaymentsError):
    """A value that a domain type does not accept.

    ``part`` names the invalid part of a value that has parts, such as the ``nanos`` of money; otherwise it is empty.
    """

    def __init__(self, description: str, part: str = "") -> None:
        """Store the description, which says what is allowed."""
        super().__init__(description)
        self.description = description
        self.part = part


class InvalidRequest(PaymentsError):
    """The request breaks the contract. ``violations`` lists every problem with it, at least one."""

    def __init__(self, violations: tuple[FieldViolation, ...]) -> None:
        """Store the violations. The message describes the first one."""
        first, more = violations[0], len(violations) - 1
        where = f"{first.field}: " if first.field else ""
        super().__init__(f"{where}{first.description}" + (f" (and {more} more)" if more else ""))
        self.violations = violations


class ReferenceTaken(Exception):
    """Another payment already has the reference generated for a new one.

    The charge is retried with another reference, so no caller sees this error.
    """


class OutcomeUnknown(Exception):
    """The processor did not report the outcome of a request. It may have carried out the request, or may still do so.

    The charge or refund stays pending. No caller sees this error.
    """


class PaymentNotFound(PaymentsError):
    """There is no such payment."""


class PaymentFailed(PaymentsError):
    """The payment failed, so there is nothing to refund."""


class PaymentPending(PaymentsError):
    """The outcome of the payment is not known yet, so it cannot be refunded yet."""


class PaymentDisputed(PaymentsError):
    """The payer disputes the payment, or got the money back through a dispute, so it cannot be refunded."""


class PaymentArchived(PaymentsError):
    """The payment is archived: it can be read, but not refunded until it is unarchived."""


class RefundExceedsPayment(PaymentsError):
    """The refund exceeds the unrefunded amount of the payment, or nothing is left to refund."""


class OrderHasPendingPayment(PaymentsError):
    """Another payment of the order is pending, and the charge was to be made only if there was none."""

    def __init__(self, message: str, payment_id: int) -> None:
        """Store the id of the pending payment."""
        super().__init__(message)
        self.payment_id = payment_id


class RequestIdReused(PaymentsError):
    """The request_id was already used with different parameters."""


class AuthenticationFailed(PaymentsError):
    """The base of all authentication errors: credentials are missing or invalid."""


class CredentialsMissing(AuthenticationFailed):
    """The call has no credentials, and anonymous callers do not have the required role."""


class ApiKeyInvalid(AuthenticationFailed):
    """The API key is malformed, unknown, revoked or expired."""


class CertificateInvalid(AuthenticationFailed):
    """The client certificate was verified, but contains no valid caller name."""


class RoleMissing(PaymentsError):
    """The caller is authenticated, but does not have the required role."""


class DeadlinePassed(PaymentsError):
    """The caller's deadline passed before the work began."""


class Overloaded(PaymentsError):
    """The service is at its limit on concurrent or queued work; nothing was done."""

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        """Store how many seconds to wait until a retry is likely to be admitted, if that is known."""
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class TooManyWatches(PaymentsError):
    """The limit on open streams is reached, in total or for one caller."""


class ResumeTokenExpired(PaymentsError):
    """The event stream cannot resume: the next events are no longer stored, or the position is beyond the end."""


class RateLimited(PaymentsError):
    """The caller exceeded its rate limit. Nothing was done; other callers are not affected."""

    def __init__(self, message: str, retry_after_seconds: float) -> None:
        """Store how many seconds to wait until the caller's next call is admitted."""
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class ShuttingDown(PaymentsError):
    """The service is shutting down. It accepts no new calls, and no longer waits for this one.

    The outcome of a write is unknown. A retry with the same request_id is safe; another replica may serve it.
    """


class StoreUnavailable(PaymentsError):
    """The database could not be reached, or did not answer in time.

    The outcome of a write is unknown. A retry with the same request_id is safe.
    """


class ProcessorUnavailable(PaymentsError):
    """The payment processor has not answered recently, so no requests are sent to it for now; nothing was done."""

    def __init__(self, message: str, retry_after_seconds: float) -> None:
        """Store how many seconds to wait until requests may be sent again."""
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
