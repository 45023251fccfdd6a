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
 * The attempts of one call, which all together end at its deadline: when a failed one is followed by another.
 *
 * <p>gRPC repeats a call by the service config, at most four times and for a second or two, which may be less than a
 * restart of the service takes. This goes on until the call's deadline.
 */
final class Attempts {
    /**
     * CANCELLED is what a server that stops answers for a moment. When the caller's own side cancelled, the client asks
     * no more.
     */
    private static final Set<Status.Code> RETRYABLE_CODES = Set.of(Status.Code.UNAVAILABLE, Status.Code.CANCELLED);

    private static final long FIRST_BACKOFF_NANOS = TimeUnit.MILLISECONDS.toNanos(100);
    private static final long MAX_BACKOFF_NANOS = TimeUnit.SECONDS.toNanos(1);

    private final Deadline deadline;
    private final Predicate<PaymentsException> passes;
    private final DoubleSupplier jitter;
    private long backoffNanos = FIRST_BACKOFF_NANOS;
    private PaymentsException lastFailure;

    /**
     * Ends all attempts at {@code deadline}; {@code passes} tells which errors are followed by another attempt, and
     * {@code jitter} returns numbers from 0 to 1.
     */
    Attempts(Deadline deadline, Predicate<PaymentsException> passes, DoubleSupplier jitter) {
        this.deadline = deadline;
        this.passes = passes;
        this.jitter = jitter;
    }

    /** {@return whether a call that ended so may well succeed when it is made again} */
    static boolean passes(PaymentsException error) {
        return error instanceof OverloadedException || RETRYABLE_CODES.contains(error.code());
    }

    /** {@return the deadline of a call that begins now: that of gRPC's current context, where that is earlier} */
    static Deadline deadlineAfter(Duration timeout) {
        Deadline own = Deadline.after(TimeUnit.NANOSECONDS.convert(timeout), TimeUnit.NANOSECONDS);
        Deadline outer = Context.current().getDeadline();
        return outer == null ? own : own.minimum(outer);
    }

    /** {@return when the attempts have to end} */
    Deadline deadline() {
        return deadline;
    }

    /**
     * {@return how long to wait after an attempt that failed, before the next}
     *
     * <p>It is what the service asked for ({@code google.rpc.RetryInfo}), if it did, and on top a random part of a
     * backoff that doubles from 0.1 to 1 second ("full jitter"), so that callers that failed together do not return
     * together.
     *
     * @throws PaymentsException there is no next attempt, because the error is not one that passes, or the deadline
     *     would pass first. It is {@code error}, unless that only says that the deadline cut an attempt that followed a
     *     failure: then it is that failure, which says why
     */
    long delayNanos(PaymentsException error) {
        long askedNanos = error.retryAfter().map(TimeUnit.NANOSECONDS::convert).orElse(0L);
        long randomNanos = (long) (jitter.getAsDouble() * backoffNanos);
        long remainingNanos = deadline.timeRemaining(TimeUnit.NANOSECONDS);
        // Not as a sum, which could overflow.
        boolean isTooLate = askedNanos >= remainingNanos - randomNanos;
        if (isTooLate || !passes.test(error)) {
            if (error.code() == Status.Code.DEADLINE_EXCEEDED && lastFailure != null) {
                lastFailure.addSuppressed(error);
                throw lastFailure;
            }
            throw error;
        }
        lastFailure = error;
        backoffNanos = Math.min(2 * backoffNanos, MAX_BACKOFF_NANOS);
        return askedNanos + randomNanos;
    }
}
