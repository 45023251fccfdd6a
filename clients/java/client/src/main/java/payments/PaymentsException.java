package payments;

import io.grpc.Status;
import java.time.Duration;
import java.util.Optional;

/** A call failed. The message is human-readable. The cause is gRPC's own exception. */
public class PaymentsException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** The details of the error. */
    final ErrorDetails details;

    /**
     * Creates an exception.
     *
     * @param details the details of the error
     */
    public PaymentsException(ErrorDetails details) {
        super(details.message());
        this.details = details;
    }

    /** {@return the gRPC status code} */
    public Status.Code code() {
        return details.code();
    }

    /** {@return the stable identifier from the contract ({@code PAYMENT_NOT_FOUND}); empty if there is none} */
    public String reason() {
        return details.reason();
    }

    /** {@return the idempotency key that the charge or refund was sent with; empty for calls that only read} */
    public Optional<String> requestId() {
        return Optional.ofNullable(details.requestId());
    }

    /** {@return the call's id in the service's log, from the trailer {@code x-request-id}; empty if there is none} */
    public Optional<String> callId() {
        return Optional.ofNullable(details.callId());
    }

    /** {@return how long the service asked to wait before a retry; empty if it did not ask} */
    public Optional<Duration> retryAfter() {
        return Optional.ofNullable(details.retryAfter());
    }
}
