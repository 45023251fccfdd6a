package payments;

import java.util.List;

/**
 * A payment with its refunds.
 *
 * @param payment the payment
 * @param refunds its refunds, oldest first; cannot be changed
 */
public record PaymentDetails(Payment payment, List<Refund> refunds) {
    /** Keeps a copy of {@code refunds}. */
    public PaymentDetails {
        refunds = List.copyOf(refunds);
    }
}
