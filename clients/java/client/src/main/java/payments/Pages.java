package payments;

import java.util.Collections;
import java.util.Iterator;
import java.util.Spliterator;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import payments.v1.ListPaymentsRequest;

/** Walks the pages of a list, and fetches one when it gets there. */
final class Pages implements Spliterator<Payment> {
    private final Function<ListPaymentsRequest, PaymentPage> fetch;
    private ListPaymentsRequest request;
    private Iterator<Payment> page = Collections.emptyIterator();

    private Pages(ListPaymentsRequest first, Function<ListPaymentsRequest, PaymentPage> fetch) {
        this.request = first;
        this.fetch = fetch;
    }

    /** {@return the payments of all pages from {@code first} on} */
    static Stream<Payment> stream(ListPaymentsRequest first, Function<ListPaymentsRequest, PaymentPage> fetch) {
        return StreamSupport.stream(new Pages(first, fetch), false);
    }

    @Override
    public boolean tryAdvance(Consumer<? super Payment> action) {
        // A page may be empty and not be the last.
        while (!page.hasNext()) {
            if (request == null) {
                return false;
            }
            PaymentPage fetched = fetch.apply(request);
            page = fetched.payments().iterator();
            request = fetched.nextPageToken().isEmpty()
                    ? null
                    : request.toBuilder().setPageToken(fetched.nextPageToken()).build();
        }
        action.accept(page.next());
        return true;
    }

    /** {@return null: to split a list is to fetch ahead} */
    @Override
    public Spliterator<Payment> trySplit() {
        return null;
    }

    @Override
    public long estimateSize() {
        return Long.MAX_VALUE;
    }

    @Override
    public int characteristics() {
        return ORDERED | NONNULL | DISTINCT;
    }
}
