package payments;

import java.math.BigDecimal;
import java.time.Instant;

/**
 * One charge of an order, and what was refunded of it.
 *
 * <p>{@code amount}, {@code currency}, {@code refundedAmount} and {@code createTime} are null, and {@code reference} is
 * empty, only on payments adopted from an earlier system that have none.
 *
 * @param paymentId identifies the payment, 1 or more
 * @param orderId the order that was charged
 * @param amount what was charged, or was to be, with two decimals at least
 * @param currency ISO 4217
 * @param method how it was paid
 * @param otherMethod the method's name as an earlier system wrote it; empty unless {@code method} is OTHER
 * @param status what became of the charge
 * @param reference identifies the payment to people
 * @param createTime when it was charged, to the microsecond
 * @param refundedAmount the sum of its refunds
 * @param refundState {@code refundedAmount} in a word
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
