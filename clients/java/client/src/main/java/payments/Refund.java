package payments;

import java.math.BigDecimal;
import java.time.Instant;

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
 */
public record Refund(
        long refundId,
        long paymentId,
        BigDecimal amount,
        String currency,
        RefundStatus status,
        String reason,
        Instant createTime) {}
