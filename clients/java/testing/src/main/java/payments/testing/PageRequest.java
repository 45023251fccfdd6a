package payments.testing;

import java.util.List;
import java.util.OptionalLong;
import java.util.function.LongFunction;
import java.util.function.Predicate;

/**
 * A page of a list.
 *
 * @param after the position after which it begins; empty for the first page
 * @param size how many items it has at most
 */
record PageRequest(OptionalLong after, int size) {
    private static final int DEFAULT_SIZE = 50;
    private static final int MAX_SIZE = 1000;

    /**
     * {@return how many items a page has at most}
     *
     * @throws InvalidValue if the requested size is negative
     */
    static int size(int requested) {
        if (requested < 0) {
            throw new InvalidValue("must be 0 (which means " + DEFAULT_SIZE + ") to " + MAX_SIZE);
        }
        return requested == 0 ? DEFAULT_SIZE : Math.min(requested, MAX_SIZE);
    }

    /** {@return the page; {@code isAfter} returns the condition of the items after a position} */
    <T> Page<T> of(List<T> all, LongFunction<Predicate<T>> isAfter) {
        List<T> rest = after.isEmpty()
                ? all
                : all.stream().filter(isAfter.apply(after.getAsLong())).toList();
        return new Page<>(rest.subList(0, Math.min(size, rest.size())), rest.size() > size);
    }

    /**
     * The items of a page.
     *
     * @param items the items
     * @param hasMore whether there is another page
     * @param <T> an item
     */
    record Page<T>(List<T> items, boolean hasMore) {
        T last() {
            return items.get(items.size() - 1);
        }
    }
}
