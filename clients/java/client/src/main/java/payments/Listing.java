package payments;

import java.util.List;
import java.util.function.Function;

/**
 * A list that is fetched in pages.
 *
 * @param firstToken the token of the first page
 * @param page returns the operation that fetches the page with a token
 * @param items returns the items of a page
 * @param nextToken returns the token of the next page; empty on the last page
 * @param <P> a page
 * @param <T> an item of a page
 */
record Listing<P, T>(
        String firstToken,
        Function<String, Operation<?, ?, P>> page,
        Function<P, List<T>> items,
        Function<P, String> nextToken) {}
