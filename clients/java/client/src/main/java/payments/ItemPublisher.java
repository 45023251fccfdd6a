package payments;

import static java.util.Objects.requireNonNull;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;
import java.util.function.Consumer;

/**
 * Publishes the items of a list or a watch. Each subscription makes its own calls, from the start, and only as the
 * subscriber requests items.
 *
 * <p>Use {@link #forEach}, subscribe with your own {@link Flow.Subscriber}, or convert the publisher for a library of
 * reactive streams, for example with {@code JdkFlowAdapter.flowPublisherToFlux} of Reactor.
 *
 * @param <T> an item
 */
@FunctionalInterface
public interface ItemPublisher<T> extends Flow.Publisher<T> {
    /**
     * Runs an action for each item, one at a time and in order. While the action runs, the client reads at most a few
     * items ahead.
     *
     * @param action runs on the threads of the client (see {@link AsyncPaymentsClient.Builder#executor}), and may block
     * @return completes after the last item, or exceptionally with the error of the list or the watch or with the
     *     exception of the action; cancel it to stop
     */
    default CompletableFuture<Void> forEach(Consumer<? super T> action) {
        ForEachSubscriber<T> subscriber = new ForEachSubscriber<>(requireNonNull(action, "action"));
        subscribe(subscriber);
        return subscriber.completion();
    }
}
