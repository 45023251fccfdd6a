package payments;

import java.util.List;

/**
 * One page of the events of a payment.
 *
 * @param events the events, oldest first; immutable
 * @param nextPageToken the token of the next page; empty on the last page
 */
public record PaymentEventPage(List<PaymentEvent> events, String nextPageToken) {
    /** Copies {@code events}. */
    public PaymentEventPage {
        events = List.copyOf(events);
    }
}
