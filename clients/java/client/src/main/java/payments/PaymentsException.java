package payments;

import io.grpc.Status;
import java.time.Duration;
import java.util.Optional;

/** A call was not answered as asked; the message says why, for people. The cause is gRPC's own exception. */
public class PaymentsException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** All that is known. */
    final ErrorDetails details;

    /**
     * Makes an error of these details.
     *
     * @param details what is known of it
     */
    public PaymentsException(ErrorDetails details) {
        super(details.message());
        this.details = details;
    }

    /** {@return the gRPC status} */
    public Status.Code code() {
        return details.code();
    }

    /** {@return the contract's stable word for what happened ({@code PAYMENT_NOT_FOUND}); empty when there is none} */
    public String reason() {
        return details.reason();
    }

    /** {@return the idempotency key that the charge or refund was sent with; empty for calls that only read} */
    public Optional<String> requestId() {
        return Optional.ofNullable(details.requestId());
    }

    /** {@return the call's name in the service's log, its trailer {@code x-request-id}; empty when there is none} */
    public Optional<String> callId() {
        return Optional.ofNullable(details.callId());
    }

    /** {@return how long the service asked to wait before another attempt; empty when it did not} */
    public Optional<Duration> retryAfter() {
        return Optional.ofNullable(details.retryAfter());
    }
}
