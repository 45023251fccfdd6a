package payments;

import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.function.BooleanSupplier;

/**
 * Runs the tasks of one asynchronous call in the thread that waits for it. So interceptors find that thread's
 * thread-locals, such as a trace's context, in every attempt, and exceptions have its stack trace.
 */
final class WaitingThread implements Executor {
    private static final Runnable NOTHING = () -> {};

    private final BlockingQueue<Runnable> tasks = new LinkedBlockingQueue<>();
    private volatile boolean isReleased;

    @Override
    public void execute(Runnable task) {
        tasks.add(task);
        if (isReleased) {
            release();
        }
    }

    /**
     * Waits for the result of a call and returns it.
     *
     * @throws PaymentsException the call's own exception, or one with the code CANCELLED if the thread was interrupted
     *     (its interrupted status stays set)
     */
    <R> R await(CompletableFuture<R> call, String requestId) {
        // Wakes this thread if an interceptor makes the call complete in another one.
        call.whenComplete((result, failure) -> execute(NOTHING));
        try {
            runUntil(call::isDone, requestId);
            return call.get();
        } catch (ExecutionException failed) {
            throw unchecked(failed.getCause());
        } catch (InterruptedException impossible) {
            throw new AssertionError(impossible);
        } finally {
            call.cancel(true); // has an effect only if the thread was interrupted
            release();
        }
    }

    /**
     * Runs tasks until a condition holds.
     *
     * @throws PaymentsException if the thread was interrupted, with the code CANCELLED; its interrupted status stays
     *     set
     */
    void runUntil(BooleanSupplier condition, String requestId) {
        try {
            while (!condition.getAsBoolean()) {
                tasks.take().run();
            }
        } catch (InterruptedException interruption) {
            Thread.currentThread().interrupt();
            throw Errors.interrupted(interruption, requestId);
        }
    }

    /** Stops waiting: the remaining tasks, and all later ones, run in other threads. */
    void release() {
        isReleased = true;
        for (Runnable task = tasks.poll(); task != null; task = tasks.poll()) {
            Connection.DEFAULT_EXECUTOR.execute(task);
        }
        // Makes the thread check its condition again if another thread called this.
        tasks.add(NOTHING);
    }

    /** {@return the exception of a call, which is unchecked} */
    static RuntimeException unchecked(Throwable failure) {
        if (failure instanceof Error error) {
            throw error;
        }
        return (RuntimeException) failure;
    }
}
