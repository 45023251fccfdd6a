package payments;

/**
 * A refund, and the payment after it.
 *
 * @param refund the refund; null only when the call repeats a whole refund made by an earlier system, which kept no
 *     record of it
 * @param payment the payment after it
 */
public record RefundResult(Refund refund, Payment payment) {}
