package payments;

import java.util.List;

/**
 * A payment with its first refunds.
 *
 * @param payment the payment
 * @param refunds its refunds, oldest first, at most 100; cannot be changed
 * @param nextRefundsPageToken empty when {@code refunds} has them all; otherwise pass it as
 *     {@link ListRefundsParams.Builder#pageToken} to {@link PaymentsClient#listRefunds} to get the refunds that follow
 */
public record PaymentDetails(Payment payment, List<Refund> refunds, String nextRefundsPageToken) {
    /** Keeps a copy of {@code refunds}. */
    public PaymentDetails {
        refunds = List.copyOf(refunds);
    }
}
