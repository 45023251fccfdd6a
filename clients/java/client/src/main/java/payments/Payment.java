package payments;

import java.math.BigDecimal;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;

/**
 * A charge of an order, and how much of it has been refunded.
 *
 * <p>{@code amount}, {@code currency}, {@code refundedAmount} and {@code createTime} are null, and {@code reference} is
 * empty, only on adopted payments for which the legacy service did not record them.
 *
 * @param paymentId the payment's id, 1 or more
 * @param orderId the caller's order; 0 if the charge had only an {@code externalReference}
 * @param amount the amount of the charge, whether it succeeded or not, with at least two decimals
 * @param currency the ISO 4217 code of the amounts
 * @param method how the payment was made
 * @param otherMethod the method's name in the legacy service; empty unless {@code method} is OTHER
 * @param status the outcome of the charge
 * @param reference a unique human-readable identifier
 * @param createTime when the charge was made, to the microsecond
 * @param refundedAmount the sum of the payment's refunds, except FAILED ones
 * @param refundState whether {@code refundedAmount} is none, a part, or all of {@code amount}
 * @param caller the name of the caller that made the charge; empty on adopted payments
 * @param requestId the request_id of the charge, or the one that the service generated if there was none; empty on
 *     adopted payments, and for other callers without the role {@code payments.audit}
 * @param processorReference the payment's identifier at the processor; empty if there is none
 * @param failure why the charge failed; empty unless {@code status} is FAILED, or if the reason is not known
 * @param failureCode the processor's own code for the failure; may be empty
 * @param externalReference the caller's own name of the order, exactly as it was given; may be empty
 * @param customerId the caller's customer; may be empty
 * @param labels the caller's labels; may be empty; immutable
 * @param nextAction what the payer must do before the charge can succeed; empty unless {@code status} is PENDING, and
 *     the payer must do something; in an event, it is the current one
 * @param dispute the payer's dispute; empty if there was none; if there were several, the open one, or the last
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
        RefundState refundState,
        String caller,
        String requestId,
        String processorReference,
        Optional<Failure> failure,
        String failureCode,
        String externalReference,
        String customerId,
        Map<String, String> labels,
        Optional<NextAction> nextAction,
        Optional<Dispute> dispute) {
    /** Copies {@code labels}. */
    public Payment {
        labels = Map.copyOf(labels);
    }
}
