package payments;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;
import java.util.function.Consumer;

/**
 * Runs an action for each item.
 *
 * @param <T> an item
 */
final class ForEachSubscriber<T> implements Flow.Subscriber<T> {
    private final Consumer<? super T> action;
    private final CompletableFuture<Void> completion = new CompletableFuture<>();

    ForEachSubscriber(Consumer<? super T> action) {
        this.action = action;
    }

    /** {@return completes when the subscription ends; canceling it cancels the subscription} */
    CompletableFuture<Void> completion() {
        return completion;
    }

    @Override
    public void onSubscribe(Flow.Subscription subscription) {
        completion.whenComplete((nothing, failure) -> subscription.cancel());
        subscription.request(Long.MAX_VALUE);
    }

    @Override
    public void onNext(T item) {
        action.accept(item);
    }

    @Override
    public void onError(Throwable failure) {
        completion.completeExceptionally(failure);
    }

    @Override
    public void onComplete() {
        completion.complete(null);
    }
}
