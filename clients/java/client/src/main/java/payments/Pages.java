package payments;

import java.util.Collections;
import java.util.Iterator;
import java.util.Spliterator;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/**
 * Iterates over the items of all pages of a list. It fetches pages as needed.
 *
 * @param <P> a page
 * @param <T> an item of a page
 */
final class Pages<P, T> implements Spliterator<T> {
    private final Listing<P, T> listing;
    private final Function<Operation<?, ?, P>, P> call;
    private String token;
    private Iterator<T> page = Collections.emptyIterator();

    private Pages(Listing<P, T> listing, Function<Operation<?, ?, P>, P> call) {
        this.listing = listing;
        this.call = call;
        token = listing.firstToken();
    }

    /** {@return the items of all pages; {@code call} makes a call and returns its result} */
    static <P, T> Stream<T> stream(Listing<P, T> listing, Function<Operation<?, ?, P>, P> call) {
        return StreamSupport.stream(new Pages<>(listing, call), false);
    }

    @Override
    public boolean tryAdvance(Consumer<? super T> action) {
        // An empty page need not be the last one.
        while (!page.hasNext()) {
            if (token == null) {
                return false;
            }
            P fetched = call.apply(listing.page().apply(token));
            page = listing.items().apply(fetched).iterator();
            String next = listing.nextToken().apply(fetched);
            token = next.isEmpty() ? null : next;
        }
        action.accept(page.next());
        return true;
    }

    /** {@return null, because splitting the list would fetch pages ahead} */
    @Override
    public Spliterator<T> trySplit() {
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
