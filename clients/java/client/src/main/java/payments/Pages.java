package payments;

import java.util.Collections;
import java.util.Iterator;
import java.util.List;
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
    private final Function<String, P> fetch;
    private final Function<P, List<T>> items;
    private final Function<P, String> nextToken;
    private String token;
    private Iterator<T> page = Collections.emptyIterator();

    private Pages(
            String firstToken, Function<String, P> fetch, Function<P, List<T>> items, Function<P, String> nextToken) {
        this.token = firstToken;
        this.fetch = fetch;
        this.items = items;
        this.nextToken = nextToken;
    }

    /** {@return the items of the page with this token and of all later pages; {@code fetch} takes a token} */
    static <P, T> Stream<T> stream(
            String firstToken, Function<String, P> fetch, Function<P, List<T>> items, Function<P, String> nextToken) {
        return StreamSupport.stream(new Pages<>(firstToken, fetch, items, nextToken), false);
    }

    @Override
    public boolean tryAdvance(Consumer<? super T> action) {
        // An empty page need not be the last one.
        while (!page.hasNext()) {
            if (token == null) {
                return false;
            }
            P fetched = fetch.apply(token);
            page = items.apply(fetched).iterator();
            String next = nextToken.apply(fetched);
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
