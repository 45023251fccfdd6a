"""Errors of calls, named by meaning. ``transport.pipeline.errors`` translates each into a status."""

from server.domain.value import value


class PaymentsError(Exception):
    """A call could not be answered as asked. The message is for the caller: it holds nothing internal.

    ``retry_after_seconds`` is how long the caller should wait before another attempt, where the error itself knows it.
    """

    retry_after_seconds: float | None = None


@value()
class FieldViolation:
    """One thing wrong with a request.

    ``field`` is the path to it in the request, as in ``amount.nanos``; ``description`` says what is allowed.
    """

    field: str
    description: str


class InvalidValue(PaymentsError):
    """A value that a domain type refuses to hold.

    ``part`` names what is wrong inside the value where it has parts (``nanos`` of money), else it is empty.
    """

    def __init__(self, description: str, part: str = "") -> None:
        """Keep the description, which says what is allowed."""
        super().__init__(description)
        self.description = description
        self.part = part


class InvalidRequest(PaymentsError):
    """The request breaks the contract; ``violations`` has everything that is wrong with it, at least one thing."""

    def __init__(self, violations: tuple[FieldViolation, ...]) -> None:
        """Keep the violations; the message is the first of them."""
        first, more = violations[0], len(violations) - 1
        where = f"{first.field}: " if first.field else ""
        super().__init__(f"{where}{first.description}" + (f" (and {more} more)" if more else ""))
        self.violations = violations


class ReferenceTaken(Exception):
    """Another payment has the reference that was made for a new one. Mended by making another; no caller sees it."""


class OutcomeUnknown(Exception):
    """The processor did not say what became of what it was asked: it may do it yet, or have done it.

    It stays pending; no caller sees the error.
    """


class PaymentNotFound(PaymentsError):
    """There is no such payment."""


class PaymentFailed(PaymentsError):
    """The payment had failed, so there is nothing to refund."""


class PaymentPending(PaymentsError):
    """It is not known yet whether the payment succeeds, so it cannot be refunded yet."""


class PaymentArchived(PaymentsError):
    """The payment is so old that it was archived: it can be read, but not refunded unless it is brought back."""


class RefundExceedsPayment(PaymentsError):
    """More was asked back than what remains of the payment."""


class RequestIdReused(PaymentsError):
    """The same request_id came before with other parameters."""


class AuthenticationFailed(PaymentsError):
    """The caller does not say who they are, or not in a way that is believed: one of those below says which."""


class CredentialsMissing(AuthenticationFailed):
    """The caller does not say who they are, and those who do not may not do this."""


class ApiKeyInvalid(AuthenticationFailed):
    """What was given as an API key is none, or is no longer in force."""


class CertificateInvalid(AuthenticationFailed):
    """The caller's certificate was verified, but names nobody who can be a caller."""


class RoleMissing(PaymentsError):
    """The caller is known, and may not do this."""


class DeadlinePassed(PaymentsError):
    """The caller's deadline passed before its work was begun."""


class Overloaded(PaymentsError):
    """More is asked of the service than it takes on at once; nothing was begun."""

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        """Keep when another attempt is likely to be let in, where that is known."""
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class TooManyWatches(PaymentsError):
    """As many streams are open as may be, in all or of one caller."""


class ResumeTokenExpired(PaymentsError):
    """A stream of events cannot go on from a place: what came after it is not there, or no longer."""


class RateLimited(PaymentsError):
    """One caller asks more often than it may; nothing was begun, and others are served."""

    def __init__(self, message: str, retry_after_seconds: float) -> None:
        """Keep when the caller's next call is let in."""
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class ShuttingDown(PaymentsError):
    """The service is about to stop: it takes no new calls, and waits no longer for this one.

    Whether a write was done is not known; the same request_id makes asking again safe. Another replica may answer.
    """


class StoreUnavailable(PaymentsError):
    """The database could not be reached, or did not answer in time.

    Whether a write was done is not known; the same request_id makes asking again safe.
    """


class ProcessorUnavailable(PaymentsError):
    """The payment processor did not answer of late, so that it is not asked for now; nothing was begun."""

    def __init__(self, message: str, retry_after_seconds: float) -> None:
        """Keep when it may be asked again."""
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
