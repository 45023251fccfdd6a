package payments;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.Flow;
import java.util.function.Function;

/**
 * Delivers the items of all pages of a list. It fetches a page once the items of the previous one are delivered and
 * more are requested.
 *
 * @param <P> a page
 * @param <T> an item of a page
 */
final class PageSubscription<P, T> extends ItemSubscription<T> {
    private final Listing<P, T> listing;
    private final Function<Operation<?, ?, P>, CompletableFuture<P>> call;

    /** The token of the next page, or null after the last page. */
    private String token;

    /** The call that fetches the next page, or null. */
    private CompletableFuture<P> fetch;

    PageSubscription(
            Flow.Subscriber<? super T> subscriber,
            Executor executor,
            Listing<P, T> listing,
            Function<Operation<?, ?, P>, CompletableFuture<P>> call) {
        super(subscriber, executor);
        this.listing = listing;
        this.call = call;
        token = listing.firstToken();
    }

    @Override
    void onEmpty() {
        if (token == null) {
            complete();
        } else if (fetch == null && hasDemand()) {
            fetch = call.apply(listing.page().apply(token));
            fetch.whenComplete((page, failure) -> enqueue(() -> addPage(page, failure)));
        }
    }

    private void addPage(P page, Throwable failure) {
        fetch = null;
        if (failure != null) {
            fail(failure);
            return;
        }
        addItems(listing.items().apply(page));
        String next = listing.nextToken().apply(page);
        token = next.isEmpty() ? null : next;
    }

    @Override
    void onDelivered() {}

    @Override
    void stop() {
        if (fetch != null) {
            fetch.cancel(false);
        }
    }
}
