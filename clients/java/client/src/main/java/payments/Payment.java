package payments;

import java.math.BigDecimal;
import java.time.Instant;

/**
 * A charge of an order, and how much of it has been refunded.
 *
 * <p>{@code amount}, {@code currency}, {@code refundedAmount} and {@code createTime} are null, and {@code reference} is
 * empty, only on adopted payments for which the legacy service did not record them.
 *
 * @param paymentId the payment's id, 1 or more
 * @param orderId the caller's order
 * @param amount the amount of the charge, whether it succeeded or not, with at least two decimals
 * @param currency the ISO 4217 code of the amounts
 * @param method how the payment was made
 * @param otherMethod the method's name in the legacy service; empty unless {@code method} is OTHER
 * @param status the outcome of the charge
 * @param reference a unique human-readable identifier
 * @param createTime when the charge was made, to the microsecond
 * @param refundedAmount the sum of the payment's refunds, except FAILED ones
 * @param refundState whether {@code refundedAmount} is none, a part, or all of {@code amount}
 */
public record Payment(
        long paymentId,
        long orderId,
        BigDecimal amount,
        String currency,
        PaymentMethod method,
        String otherMethod,
        PaymentStatus status,
        String reference,
        Instant createTime,
        BigDecimal refundedAmount,
        RefundState refundState) {}
