package payments;

import io.grpc.Deadline;
import io.grpc.Status;
import java.time.Duration;
import java.time.temporal.ChronoUnit;
import java.util.EnumSet;
import java.util.Set;
import java.util.function.DoubleSupplier;

/**
 * Decides when to open the next stream of one watch. Each stream resumes where the previous one ended. While the
 * service is unreachable, streams are retried like the attempts of one call. A response resets the timeout and the
 * backoff.
 */
final class Resumptions {
    /**
     * The status codes that a lost connection may cause. gRPC reports a connection that breaks in the middle of a
     * message as INTERNAL or UNKNOWN, and a proxy may report it as DEADLINE_EXCEEDED. If the service itself returned
     * the error, it has a call_id, and resuming would only repeat it.
     */
    private static final Set<Status.Code> CONNECTION_LOST_CODES =
            EnumSet.of(Status.Code.INTERNAL, Status.Code.UNKNOWN, Status.Code.DEADLINE_EXCEEDED);

    private static final Duration FOREVER = ChronoUnit.FOREVER.getDuration();

    private final Duration timeout;
    private final DoubleSupplier jitter;
    private Attempts attempts;

    /**
     * Creates the streams of one watch.
     *
     * @param timeout how long the service may stay unreachable; null means forever
     * @param jitter as in {@link Attempts}
     */
    Resumptions(Duration timeout, DoubleSupplier jitter) {
        this.timeout = timeout == null ? FOREVER : timeout;
        this.jitter = jitter;
    }

    /**
     * {@return whether a stream that ended with this error can be resumed}
     *
     * <p>A stream only reads, so resuming it is always safe.
     */
    private static boolean isResumable(PaymentsException error) {
        return Attempts.isRetryable(error)
                || (CONNECTION_LOST_CODES.contains(error.code())
                        && error.callId().isEmpty());
    }

    /** Starts the timeout for a stream that is being opened, unless it is already running. */
    void recordOpening() {
        if (attempts == null) {
            attempts = new Attempts(Attempts.deadlineAfter(timeout), Resumptions::isResumable, jitter);
        }
    }

    /** Ends the timeout and resets the backoff, because the service has responded. */
    void recordResponse() {
        attempts = null;
    }

    /**
     * {@return the deadline for the next response: the timeout until the service has responded, then only the deadline
     * of gRPC's current context}
     */
    Deadline deadline() {
        return attempts == null ? Attempts.deadlineAfter(FOREVER) : attempts.deadline();
    }

    /**
     * {@return how long to wait before the next stream, after one that ended with this error; see
     * {@link Attempts#delayNanos}}
     *
     * @throws PaymentsException if the error is not resumable, or the service has been unreachable for too long
     */
    long delayNanos(PaymentsException error) {
        recordOpening();
        return attempts.delayNanos(error);
    }
}
