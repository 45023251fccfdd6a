package payments;

import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Stream;

/** A subscriber that records its items. The test requests them. */
final class ItemRecorder<T> implements Flow.Subscriber<T> {
    private static final int TIMEOUT_SECONDS = 20;

    private final CompletableFuture<Flow.Subscription> subscription = new CompletableFuture<>();
    private final BlockingQueue<T> items = new LinkedBlockingQueue<>();
    private final CompletableFuture<Void> end = new CompletableFuture<>();
    private final AtomicBoolean isInSignal = new AtomicBoolean();

    private ItemRecorder() {}

    /** {@return a new subscriber of this publisher} */
    static <T> ItemRecorder<T> of(ItemPublisher<T> publisher) {
        ItemRecorder<T> recorder = new ItemRecorder<>();
        publisher.subscribe(recorder);
        return recorder;
    }

    void request(long count) {
        subscription.join().request(count);
    }

    void cancel() {
        subscription.join().cancel();
    }

    /** Waits for the next items and returns them. */
    List<T> next(int count) {
        return Stream.generate(this::next).limit(count).toList();
    }

    private T next() {
        try {
            T item = items.poll(TIMEOUT_SECONDS, TimeUnit.SECONDS);
            assertNotNull(item, "no item arrived");
            return item;
        } catch (InterruptedException interrupted) {
            throw new AssertionError(interrupted);
        }
    }

    /** {@return whether items arrived that {@link #next} has not returned} */
    boolean hasMore() {
        return !items.isEmpty();
    }

    /** {@return completes when the subscription completes or fails} */
    CompletableFuture<Void> end() {
        return end;
    }

    @Override
    public void onSubscribe(Flow.Subscription subscription) {
        signal(() -> this.subscription.complete(subscription));
    }

    @Override
    public void onNext(T item) {
        signal(() -> items.add(item));
    }

    @Override
    public void onError(Throwable failure) {
        signal(() -> assertTrue(end.completeExceptionally(failure)));
    }

    @Override
    public void onComplete() {
        signal(() -> assertTrue(end.complete(null)));
    }

    /** Checks that no two signals arrive at the same time, and none after the end. */
    private void signal(Runnable action) {
        boolean isFirst = isInSignal.compareAndSet(false, true);
        if (!isFirst || end.isDone()) {
            end.obtrudeException(new AssertionError("a signal arrived during another one, or after the end"));
        }
        action.run();
        isInSignal.set(false);
    }
}
