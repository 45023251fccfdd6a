package payments.testing;

import com.google.protobuf.Any;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.Status;
import io.grpc.Status.Code;
import java.util.List;
import java.util.Map;

/** An error that the service returns, with its details. */
final class ServiceError extends RuntimeException {
    private static final long serialVersionUID = 1L;
    private static final String DOMAIN = "payments";
    private static final int MAX_VIOLATIONS = 20;

    private final Code code;
    private final String reason;
    private final transient Map<String, String> metadata;
    private final transient List<BadRequest.FieldViolation> violations;

    private ServiceError(
            Code code,
            String reason,
            String message,
            Map<String, String> metadata,
            List<BadRequest.FieldViolation> violations) {
        super(message);
        this.code = code;
        this.reason = reason;
        this.metadata = metadata;
        this.violations = violations;
    }

    private ServiceError(Code code, String reason, String message) {
        this(code, reason, message, Map.of(), List.of());
    }

    /** {@return the error for a request with these violations, at least one} */
    static ServiceError invalidRequest(List<BadRequest.FieldViolation> violations) {
        BadRequest.FieldViolation first = violations.get(0);
        int more = violations.size() - 1;
        String message =
                first.getField() + ": " + first.getDescription() + (more > 0 ? " (and " + more + " more)" : "");
        return new ServiceError(
                Code.INVALID_ARGUMENT,
                "INVALID_REQUEST",
                message,
                Map.of(),
                violations.subList(0, Math.min(violations.size(), MAX_VIOLATIONS)));
    }

    static ServiceError invalidRequest(String field, String description) {
        return invalidRequest(List.of(BadRequest.FieldViolation.newBuilder()
                .setField(field)
                .setDescription(description)
                .build()));
    }

    static ServiceError paymentNotFound() {
        return new ServiceError(Code.NOT_FOUND, "PAYMENT_NOT_FOUND", "payment not found");
    }

    static ServiceError paymentFailed() {
        return new ServiceError(
                Code.FAILED_PRECONDITION, "PAYMENT_FAILED", "payment failed; there is nothing to refund");
    }

    static ServiceError paymentPending() {
        return new ServiceError(
                Code.FAILED_PRECONDITION,
                "PAYMENT_PENDING",
                "payment is pending; it can be refunded once it has succeeded");
    }

    static ServiceError paymentDisputed() {
        return new ServiceError(
                Code.FAILED_PRECONDITION,
                "PAYMENT_DISPUTED",
                "the payer disputes this payment; it cannot be refunded while the dispute is open");
    }

    static ServiceError disputeLost() {
        return new ServiceError(
                Code.FAILED_PRECONDITION,
                "PAYMENT_DISPUTED",
                "the payer got the money back by a dispute; it cannot be refunded");
    }

    static ServiceError refundExceedsPayment(Amount remaining) {
        String left = remaining.isPositive() ? "only " + remaining + " is" : "nothing is";
        return new ServiceError(Code.FAILED_PRECONDITION, "REFUND_EXCEEDS_PAYMENT", left + " left to refund");
    }

    static ServiceError orderHasPendingPayment(long paymentId) {
        return new ServiceError(
                Code.FAILED_PRECONDITION,
                "ORDER_HAS_PENDING_PAYMENT",
                "payment " + paymentId + " of this order is pending; charge the order once it has its outcome",
                Map.of("payment_id", Long.toString(paymentId)),
                List.of());
    }

    static ServiceError requestIdReused(String requestId) {
        return new ServiceError(
                Code.ALREADY_EXISTS,
                "REQUEST_ID_REUSED",
                "request_id '" + requestId + "' was already used with other parameters");
    }

    static ServiceError roleMissing() {
        return new ServiceError(
                Code.PERMISSION_DENIED,
                "ROLE_MISSING",
                "the request_id of another caller requires the role payments.audit, which the caller lacks");
    }

    static ServiceError resumeTokenExpired() {
        return new ServiceError(
                Code.FAILED_PRECONDITION,
                "RESUME_TOKEN_EXPIRED",
                "this resume_token is beyond the last event; start without a token");
    }

    /** {@return the status to return in the call with this id} */
    Status toStatus(String callId) {
        ErrorInfo info = ErrorInfo.newBuilder()
                .setDomain(DOMAIN)
                .setReason(reason)
                .putAllMetadata(metadata)
                .putMetadata("call_id", callId)
                .build();
        Status.Builder status = Status.newBuilder()
                .setCode(code.value())
                .setMessage(getMessage())
                .addDetails(Any.pack(info));
        if (!violations.isEmpty()) {
            status.addDetails(Any.pack(
                    BadRequest.newBuilder().addAllFieldViolations(violations).build()));
        }
        return status.build();
    }
}
