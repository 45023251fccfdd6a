package payments;

import java.util.List;

/**
 * One page of the refunds of a payment.
 *
 * @param refunds the refunds, oldest first; immutable
 * @param nextPageToken the token of the next page; empty on the last page
 */
public record RefundPage(List<Refund> refunds, String nextPageToken) {
    /** Copies {@code refunds}. */
    public RefundPage {
        refunds = List.copyOf(refunds);
    }
}
