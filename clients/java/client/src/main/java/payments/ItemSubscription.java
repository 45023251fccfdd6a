package payments;

import static java.util.Objects.requireNonNull;

import io.grpc.Context;
import java.util.ArrayDeque;
import java.util.Collection;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executor;
import java.util.concurrent.Flow;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Delivers items to one subscriber, as it requests them. Everything except {@link #request} and {@link #cancel} runs as
 * an event, one event after the other, so subclasses need no locks.
 *
 * @param <T> an item
 */
abstract class ItemSubscription<T> implements Flow.Subscription {
    private final Flow.Subscriber<? super T> subscriber;
    private final Executor executor;
    private final Context context = Context.current();

    private final Queue<Runnable> events = new ConcurrentLinkedQueue<>();
    private final AtomicInteger eventCount = new AtomicInteger();

    private final Queue<T> items = new ArrayDeque<>();
    private long demand;
    private boolean isEnded;

    /** Takes effect in the middle of an event, unlike the event that ends the subscription. */
    private volatile boolean isCanceled;

    ItemSubscription(Flow.Subscriber<? super T> subscriber, Executor executor) {
        this.subscriber = requireNonNull(subscriber, "subscriber");
        this.executor = executor;
    }

    /** Runs whenever no item is left to deliver: fetches more items, completes, or does nothing. */
    abstract void onEmpty();

    /** Runs after an item is delivered. */
    abstract void onDelivered();

    /** Stops fetching items. Runs once, when the subscription ends. */
    abstract void stop();

    final void start() {
        enqueue(() -> subscriber.onSubscribe(this));
    }

    @Override
    public final void request(long count) {
        enqueue(() -> {
            if (count <= 0) {
                throw new IllegalArgumentException("count must be more than zero, not " + count);
            }
            demand = count > Long.MAX_VALUE - demand ? Long.MAX_VALUE : demand + count;
        });
    }

    @Override
    public final void cancel() {
        isCanceled = true;
        enqueue(() -> {});
    }

    /** Runs an event after those that are already queued. An exception from the event goes to the subscriber. */
    final void enqueue(Runnable event) {
        events.add(event);
        if (eventCount.getAndIncrement() == 0) {
            executor.execute(context.wrap(this::runEvents));
        }
    }

    private void runEvents() {
        do {
            Runnable event = events.remove();
            if (!isEnded) {
                run(event);
            }
        } while (eventCount.decrementAndGet() > 0);
    }

    private void run(Runnable event) {
        try {
            if (!isCanceled) {
                event.run();
                deliver();
            }
            if (isCanceled && !isEnded) {
                end();
            }
        } catch (Throwable failure) {
            fail(failure);
        }
    }

    private void deliver() {
        while (hasDemand() && !items.isEmpty()) {
            demand--;
            subscriber.onNext(items.remove());
            onDelivered();
        }
        if (items.isEmpty() && !isEnded && !isCanceled) {
            onEmpty();
        }
    }

    final Context context() {
        return context;
    }

    final boolean hasDemand() {
        return demand > 0 && !isEnded && !isCanceled;
    }

    final void addItems(Collection<T> more) {
        items.addAll(more);
    }

    final void complete() {
        end();
        subscriber.onComplete();
    }

    final void fail(Throwable failure) {
        if (!isEnded) {
            end();
            if (!isCanceled) {
                subscriber.onError(failure);
            }
        }
    }

    private void end() {
        isEnded = true;
        items.clear();
        stop();
    }
}
