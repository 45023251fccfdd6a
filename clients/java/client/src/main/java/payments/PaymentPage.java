package payments;

import java.util.List;
import java.util.OptionalLong;

/**
 * One page of a list of payments.
 *
 * @param payments the payments, in order; cannot be changed
 * @param nextPageToken asks for the next page; empty on the last one
 * @param totalSize how many payments of all pages match; empty unless it was asked for
 */
public record PaymentPage(List<Payment> payments, String nextPageToken, OptionalLong totalSize) {
    /** Keeps a copy of {@code payments}. */
    public PaymentPage {
        payments = List.copyOf(payments);
    }
}
