package payments;

import io.grpc.Deadline;
import io.grpc.Status;
import java.time.Duration;
import java.time.temporal.ChronoUnit;
import java.util.EnumSet;
import java.util.Set;
import java.util.function.DoubleSupplier;

/**
 * The streams of one watch, of which each goes on where the one before ended: while the service is out of reach, they
 * are the attempts of one call, which ends with the first response.
 */
final class Resumptions {
    /**
     * How a stream may be cut between the service and here. INTERNAL and UNKNOWN are what gRPC makes of a connection
     * that breaks in the middle of a message, and DEADLINE_EXCEEDED what a proxy may. Those that the service itself
     * made have a call_id: they would come again.
     */
    private static final Set<Status.Code> CUTTING_CODES =
            EnumSet.of(Status.Code.INTERNAL, Status.Code.UNKNOWN, Status.Code.DEADLINE_EXCEEDED);

    private static final Duration FOR_EVER = ChronoUnit.FOREVER.getDuration();

    private final Duration timeout;
    private final DoubleSupplier jitter;
    private Attempts attempts;

    /** Lets the service be out of reach for so long at a stretch, null being for ever; the rest as {@link Attempts}. */
    Resumptions(Duration timeout, DoubleSupplier jitter) {
        this.timeout = timeout == null ? FOR_EVER : timeout;
        this.jitter = jitter;
    }

    /**
     * {@return whether a stream that ended so may well go on when it is asked for again}
     *
     * <p>It only reads, so that whatever cut it leaves nothing in doubt.
     */
    private static boolean mayResume(PaymentsException error) {
        return Attempts.passes(error)
                || (CUTTING_CODES.contains(error.code()) && error.callId().isEmpty());
    }

    /** Notes that the service is asked for a stream: a stretch without an answer begins, unless it is in one. */
    void asking() {
        if (attempts == null) {
            attempts = new Attempts(Attempts.deadlineAfter(timeout), Resumptions::mayResume, jitter);
        }
    }

    /** Notes that the service has answered: the stretch is over. */
    void received() {
        attempts = null;
    }

    /** {@return when the next response must be there: at any time, once the stream has begun} */
    Deadline deadline() {
        return attempts == null ? Attempts.deadlineAfter(FOR_EVER) : attempts.deadline();
    }

    /**
     * {@return how long to wait after a stream that ended so, before the next}
     *
     * @throws PaymentsException the error is not one that passes, or the service would be out of reach for too long: as
     *     {@link Attempts#delayNanos}
     */
    long delayNanos(PaymentsException error) {
        asking();
        return attempts.delayNanos(error);
    }
}
