package payments;

import io.grpc.Status;
import java.io.Serializable;
import java.time.Duration;
import java.util.List;

/**
 * What is known of an error; {@link PaymentsException} says what each part means.
 *
 * @param message what is wrong, for people
 * @param code the gRPC status
 * @param reason the contract's word; empty when the service gave none
 * @param requestId the idempotency key that was sent; null for calls that only read
 * @param callId the call's name in the service's log; null when the service gave none
 * @param retryAfter how long the service asked to wait; null when it did not
 * @param violations what is wrong with the request; cannot be changed
 */
public record ErrorDetails(
        String message,
        Status.Code code,
        String reason,
        String requestId,
        String callId,
        Duration retryAfter,
        List<FieldViolation> violations)
        implements Serializable {

    /** Keeps a copy of {@code violations}. */
    public ErrorDetails {
        violations = List.copyOf(violations);
    }

    /**
     * {@return details of which only these two are known, as for an exception that a test makes}
     *
     * @param code the gRPC status
     * @param message what is wrong
     */
    public static ErrorDetails of(Status.Code code, String message) {
        return new ErrorDetails(message, code, "", null, null, null, List.of());
    }
}
