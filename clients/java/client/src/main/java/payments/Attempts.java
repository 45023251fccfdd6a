package payments;

import io.grpc.Context;
import io.grpc.Deadline;
import io.grpc.Status;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.DoubleSupplier;
import java.util.function.Predicate;

/**
 * Decides when to make the next attempt of a call. All attempts share the call's deadline.
 *
 * <p>The service config makes gRPC retry a call at most four times, which takes a second or two. A restart of the
 * service may take longer, so this class retries until the call's deadline.
 */
final class Attempts {
    /** A server that is shutting down may return CANCELLED. A call that the caller canceled is not retried. */
    private static final Set<Status.Code> RETRYABLE_CODES = Set.of(Status.Code.UNAVAILABLE, Status.Code.CANCELLED);

    private static final long FIRST_BACKOFF_NANOS = TimeUnit.MILLISECONDS.toNanos(100);
    private static final long MAX_BACKOFF_NANOS = TimeUnit.SECONDS.toNanos(1);

    private final Deadline deadline;
    private final Predicate<PaymentsException> mayRetry;
    private final DoubleSupplier jitter;
    private long backoffNanos = FIRST_BACKOFF_NANOS;
    private PaymentsException lastFailure;

    /**
     * Creates the attempts of one call.
     *
     * @param deadline the deadline of all attempts
     * @param mayRetry whether a retry may succeed after an error
     * @param jitter returns a random number from 0 to 1
     */
    Attempts(Deadline deadline, Predicate<PaymentsException> mayRetry, DoubleSupplier jitter) {
        this.deadline = deadline;
        this.mayRetry = mayRetry;
        this.jitter = jitter;
    }

    /** {@return whether a call that failed with this error may succeed when retried} */
    static boolean isRetryable(PaymentsException error) {
        return error instanceof OverloadedException || RETRYABLE_CODES.contains(error.code());
    }

    /** {@return the deadline of a call that starts now, or that of gRPC's current context if it is earlier} */
    static Deadline deadlineAfter(Duration timeout) {
        Deadline deadline = Deadline.after(TimeUnit.NANOSECONDS.convert(timeout), TimeUnit.NANOSECONDS);
        Deadline contextDeadline = Context.current().getDeadline();
        return contextDeadline == null ? deadline : deadline.minimum(contextDeadline);
    }

    /** {@return the deadline of all attempts} */
    Deadline deadline() {
        return deadline;
    }

    /**
     * {@return how long to wait between a failed attempt and the next one}
     *
     * <p>This is the delay that the service asked for ({@code google.rpc.RetryInfo}), if any, plus a random fraction of
     * a backoff that doubles from 0.1 to 1 second ("full jitter"), so that clients that failed together do not retry
     * together.
     *
     * @throws PaymentsException if there is no next attempt, because the error is not retryable or the deadline would
     *     pass first. This is {@code error}, unless the deadline passed during a retry: then it is the previous error,
     *     which is more informative.
     */
    long delayNanos(PaymentsException error) {
        long retryAfterNanos =
                error.retryAfter().map(TimeUnit.NANOSECONDS::convert).orElse(0L);
        long randomNanos = (long) (jitter.getAsDouble() * backoffNanos);
        long remainingNanos = deadline.timeRemaining(TimeUnit.NANOSECONDS);
        // This does not add the two delays, because the sum could overflow.
        boolean isTooLate = retryAfterNanos >= remainingNanos - randomNanos;
        if (isTooLate || !mayRetry.test(error)) {
            if (error.code() == Status.Code.DEADLINE_EXCEEDED && lastFailure != null) {
                lastFailure.addSuppressed(error);
                throw lastFailure;
            }
            throw error;
        }
        lastFailure = error;
        backoffNanos = Math.min(2 * backoffNanos, MAX_BACKOFF_NANOS);
        return retryAfterNanos + randomNanos;
    }
}
