package payments;

/**
 * A refund and the updated payment.
 *
 * @param refund the refund; null only if the call repeats a full refund made by the legacy service, which stored no
 *     refunds
 * @param payment the payment after the refund
 */
public record RefundResult(Refund refund, Payment payment) {}
