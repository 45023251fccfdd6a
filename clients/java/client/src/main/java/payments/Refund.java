package payments;

import java.math.BigDecimal;
import java.time.Instant;
import java.util.Optional;

/**
 * A refund of a payment.
 *
 * @param refundId the refund's id, 1 or more
 * @param paymentId the refunded payment
 * @param amount the refunded amount, with at least two decimals
 * @param currency the ISO 4217 code of the amount
 * @param status the outcome of the refund
 * @param reason the reason in the caller's words; may be empty
 * @param createTime when the refund was made, to the microsecond
 * @param caller the name of the caller that requested the refund
 * @param requestId the request_id of the refund, or the one that the service generated if there was none; empty for
 *     other callers without the role {@code payments.audit}
 * @param processorReference the refund's identifier at the processor; empty if there is none
 * @param failure why the refund failed; empty unless {@code status} is FAILED, or if the reason is not known
 * @param failureCode the processor's own code for the failure; may be empty
 */
public record Refund(
        long refundId,
        long paymentId,
        BigDecimal amount,
        String currency,
        RefundStatus status,
        String reason,
        Instant createTime,
        String caller,
        String requestId,
        String processorReference,
        Optional<Failure> failure,
        String failureCode) {}
