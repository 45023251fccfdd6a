package payments;

import io.grpc.Status;
import java.io.Serializable;
import java.time.Duration;
import java.util.List;

/**
 * The details of an error; {@link PaymentsException} documents each of them.
 *
 * @param message the human-readable error message
 * @param code the gRPC status code
 * @param reason the stable identifier from the contract; empty if the service sent none
 * @param requestId the idempotency key that was sent; null for calls that only read
 * @param callId identifies the call in the service's log; null if the service sent none
 * @param retryAfter how long the service asked to wait before a retry; null if it did not ask
 * @param violations the invalid fields of the request; immutable
 * @param paymentId the pending payment of an {@link OrderHasPendingPaymentException}; null for other errors
 */
public record ErrorDetails(
        String message,
        Status.Code code,
        String reason,
        String requestId,
        String callId,
        Duration retryAfter,
        List<FieldViolation> violations,
        Long paymentId)
        implements Serializable {

    /** Copies {@code violations}. */
    public ErrorDetails {
        violations = List.copyOf(violations);
    }

    /**
     * {@return details with only a code and a message, for example for an exception in a test}
     *
     * @param code the gRPC status code
     * @param message the human-readable error message
     */
    public static ErrorDetails of(Status.Code code, String message) {
        return new ErrorDetails(message, code, "", null, null, null, List.of(), null);
    }
}
