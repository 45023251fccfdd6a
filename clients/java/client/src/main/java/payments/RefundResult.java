package payments;

/**
 * A refund, and the payment after it.
 *
 * @param refund the refund; null only if the call repeats a full refund made by an earlier system, which stored no
 *     refunds
 * @param payment the payment after the refund
 */
public record RefundResult(Refund refund, Payment payment) {}
