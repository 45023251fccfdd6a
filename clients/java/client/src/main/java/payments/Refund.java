package payments;

import java.math.BigDecimal;
import java.time.Instant;

/**
 * Money of a payment given back.
 *
 * @param refundId identifies the refund, 1 or more
 * @param paymentId the payment that it gives back
 * @param amount how much of it, with two decimals at least
 * @param currency ISO 4217
 * @param status what became of the refund
 * @param reason why, in the caller's words; may be empty
 * @param createTime when it was made, to the microsecond
 */
public record Refund(
        long refundId,
        long paymentId,
        BigDecimal amount,
        String currency,
        RefundStatus status,
        String reason,
        Instant createTime) {}
