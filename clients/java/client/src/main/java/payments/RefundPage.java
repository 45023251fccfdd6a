package payments;

import java.util.List;

/**
 * One page of the refunds of a payment.
 *
 * @param refunds the refunds, oldest first; cannot be changed
 * @param nextPageToken asks for the next page; empty on the last one
 */
public record RefundPage(List<Refund> refunds, String nextPageToken) {
    /** Keeps a copy of {@code refunds}. */
    public RefundPage {
        refunds = List.copyOf(refunds);
    }
}
