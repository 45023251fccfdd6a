package payments;

import java.util.List;
import java.util.OptionalLong;

/**
 * One page of a list of payments.
 *
 * @param payments the payments, in order; immutable
 * @param nextPageToken the token of the next page; empty on the last page
 * @param totalSize the number of matching payments over all pages; empty if it was not requested
 */
public record PaymentPage(List<Payment> payments, String nextPageToken, OptionalLong totalSize) {
    /** Copies {@code payments}. */
    public PaymentPage {
        payments = List.copyOf(payments);
    }
}
