package payments;

import java.util.Spliterator;
import java.util.concurrent.Flow;
import java.util.function.Consumer;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/** Waits for the updates of a watch. The watch itself runs in the thread that waits. */
final class Watch implements Spliterator<PaymentUpdate>, Flow.Subscriber<PaymentUpdate> {
    private final WaitingThread thread = new WaitingThread();
    private final Flow.Publisher<PaymentUpdate> publisher;
    private volatile Flow.Subscription subscription;
    private volatile boolean isClosed;

    /** The next update, or null until it arrives. */
    private PaymentUpdate update;

    /** The error that ended the watch, or null. */
    private Throwable failure;

    private Watch(Connection connection, WatchPaymentsParams params) {
        publisher = WatchSubscription.publisher(connection, params, thread);
    }

    /** {@return the updates; the call starts when the stream is first consumed} */
    static Stream<PaymentUpdate> stream(Connection connection, WatchPaymentsParams params) {
        Watch watch = new Watch(connection, params);
        return StreamSupport.stream(watch, false).onClose(watch::close);
    }

    @Override
    public boolean tryAdvance(Consumer<? super PaymentUpdate> action) {
        if (isClosed) {
            return false;
        }
        PaymentUpdate next;
        try {
            next = next();
        } catch (RuntimeException ended) {
            close();
            throw ended;
        }
        if (next == null) {
            return false;
        }
        action.accept(next);
        return true;
    }

    /** Waits for the next update and returns it, or returns null if the watch is closed. */
    private PaymentUpdate next() {
        if (subscription == null) {
            publisher.subscribe(this);
        } else {
            subscription.request(1);
        }
        thread.runUntil(() -> isClosed || update != null || failure != null, null);
        if (isClosed) {
            return null;
        }
        if (failure != null) {
            throw WaitingThread.unchecked(failure);
        }
        PaymentUpdate next = update;
        update = null;
        return next;
    }

    /** Ends the watch, even if another thread is waiting for its next update. */
    private void close() {
        isClosed = true;
        if (subscription != null) {
            subscription.cancel();
        }
        thread.release();
    }

    @Override
    public void onSubscribe(Flow.Subscription subscription) {
        this.subscription = subscription;
        if (isClosed) {
            subscription.cancel();
        } else {
            subscription.request(1);
        }
    }

    @Override
    public void onNext(PaymentUpdate update) {
        this.update = update;
    }

    @Override
    public void onError(Throwable failure) {
        this.failure = failure;
    }

    /** Never happens, because a watch is endless. */
    @Override
    public void onComplete() {}

    /** {@return null, because updates arrive in order} */
    @Override
    public Spliterator<PaymentUpdate> trySplit() {
        return null;
    }

    @Override
    public long estimateSize() {
        return Long.MAX_VALUE;
    }

    @Override
    public int characteristics() {
        return ORDERED | NONNULL;
    }
}
