package payments;

import java.util.Spliterator;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.function.Consumer;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/** Waits for the updates of a watch. */
final class Watch implements Spliterator<PaymentUpdate>, Flow.Subscriber<PaymentUpdate> {
    /** Updates that the watch delivers before they are consumed, so that the consumer need not wait for each one. */
    private static final int READ_AHEAD = 16;

    /** An update, or the error that ends the watch, or neither if the watch was closed. */
    private record Signal(PaymentUpdate update, Throwable failure) {}

    private final Flow.Publisher<PaymentUpdate> publisher;
    private final BlockingQueue<Signal> signals = new LinkedBlockingQueue<>();
    private final CompletableFuture<Flow.Subscription> subscription = new CompletableFuture<>();
    private boolean isSubscribed;
    private volatile boolean isClosed;

    private Watch(Flow.Publisher<PaymentUpdate> publisher) {
        this.publisher = publisher;
    }

    /** {@return the updates; the call starts when the stream is first consumed} */
    static Stream<PaymentUpdate> stream(Flow.Publisher<PaymentUpdate> publisher) {
        Watch watch = new Watch(publisher);
        return StreamSupport.stream(watch, false).onClose(watch::close);
    }

    @Override
    public boolean tryAdvance(Consumer<? super PaymentUpdate> action) {
        if (isClosed) {
            return false;
        }
        if (!isSubscribed) {
            isSubscribed = true;
            publisher.subscribe(this);
        }
        Signal signal = nextSignal();
        if (isClosed) {
            return false;
        }
        if (signal.failure() != null) {
            close();
            throw Blocking.unchecked(signal.failure());
        }
        subscription.join().request(1);
        action.accept(signal.update());
        return true;
    }

    private Signal nextSignal() {
        try {
            return signals.take();
        } catch (InterruptedException interruption) {
            close();
            Thread.currentThread().interrupt();
            throw Errors.interrupted(interruption, null);
        }
    }

    /** Ends the watch, even if another thread is waiting for its next update. */
    private void close() {
        isClosed = true;
        subscription.thenAccept(Flow.Subscription::cancel);
        signals.add(new Signal(null, null));
    }

    @Override
    public void onSubscribe(Flow.Subscription subscription) {
        subscription.request(READ_AHEAD);
        this.subscription.complete(subscription);
    }

    @Override
    public void onNext(PaymentUpdate update) {
        signals.add(new Signal(update, null));
    }

    @Override
    public void onError(Throwable failure) {
        signals.add(new Signal(null, failure));
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
