package payments;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;

/** Waits for asynchronous calls. */
final class Blocking {
    private Blocking() {}

    /**
     * Waits for the result of a call and returns it.
     *
     * @throws PaymentsException the call's own exception, or one with the code CANCELLED if the thread was interrupted
     *     (its interrupted status stays set)
     */
    static <R> R await(CompletableFuture<R> call, String requestId) {
        try {
            return call.get();
        } catch (InterruptedException interruption) {
            call.cancel(true);
            Thread.currentThread().interrupt();
            throw Errors.interrupted(interruption, requestId);
        } catch (ExecutionException failed) {
            throw unchecked(failed.getCause());
        }
    }

    /** {@return the exception of a call, to throw it in the thread that waited for the call} */
    static RuntimeException unchecked(Throwable failure) {
        if (failure instanceof PaymentsException error) {
            // The trace of the caller's code is more useful than that of the client's thread. The cause keeps the
            // latter.
            error.fillInStackTrace();
        }
        if (failure instanceof Error error) {
            throw error;
        }
        return (RuntimeException) failure;
    }
}
