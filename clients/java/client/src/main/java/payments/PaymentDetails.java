package payments;

import java.util.List;

/**
 * A payment with its first refunds.
 *
 * @param payment the payment
 * @param refunds the payment's first 100 refunds, oldest first; immutable
 * @param nextRefundsPageToken empty if {@code refunds} is complete; otherwise pass it as
 *     {@link ListRefundsParams.Builder#pageToken} to {@link PaymentsClient#listRefunds} to get the rest
 */
public record PaymentDetails(Payment payment, List<Refund> refunds, String nextRefundsPageToken) {
    /** Copies {@code refunds}. */
    public PaymentDetails {
        refunds = List.copyOf(refunds);
    }
}
