package payments;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.grpc.Deadline;
import io.grpc.Status;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class AttemptsTest {
    private static PaymentsException unavailable(Duration retryAfter) {
        return new UnavailableException(
                new ErrorDetails("no", Status.Code.UNAVAILABLE, "", null, null, retryAfter, List.of()));
    }

    private static Attempts within(long hours, double jitter) {
        return new Attempts(Deadline.after(hours, TimeUnit.HOURS), Attempts::passes, () -> jitter);
    }

    @ParameterizedTest
    @ValueSource(doubles = {1, 0.5, 0})
    void theBackoffDoublesFromATenthOfASecondToOneAndIsTakenInPart(double jitter) {
        Attempts attempts = within(1, jitter);
        List<Long> delaysMillis = Stream.generate(() -> attempts.delayNanos(unavailable(null)))
                .limit(6)
                .map(TimeUnit.NANOSECONDS::toMillis)
                .toList();
        List<Long> expectedMillis = Stream.of(100, 200, 400, 800, 1000, 1000)
                .map(most -> (long) (jitter * most))
                .toList();
        assertEquals(expectedMillis, delaysMillis);
    }

    @Test
    void theBackoffComesOnTopOfWhatTheServiceAskedFor() {
        long delayNanos = within(1, 1).delayNanos(unavailable(Duration.ofMinutes(1)));
        assertEquals(Duration.ofMillis(60_100), Duration.ofNanos(delayNanos));
    }

    @Test
    void aWaitThatWouldPassTheDeadlineIsNotBegun() {
        for (Duration asked : List.of(Duration.ofHours(1), Duration.ofSeconds(Long.MAX_VALUE))) {
            PaymentsException error = unavailable(asked);
            assertSame(
                    error,
                    assertThrows(PaymentsException.class, () -> within(1, 1).delayNanos(error)));
        }
    }

    @Test
    void aDeadlineThatCutAnAttemptLeavesTheFailureBefore() {
        Attempts attempts = within(1, 1);
        PaymentsException failure = unavailable(null);
        attempts.delayNanos(failure);
        PaymentsException cut =
                new DeadlineExceededException(ErrorDetails.of(Status.Code.DEADLINE_EXCEEDED, "too late"));
        assertSame(failure, assertThrows(PaymentsException.class, () -> attempts.delayNanos(cut)));
        assertEquals(List.of(cut), List.of(failure.getSuppressed()));
    }

    @Test
    void aDeadlineThatPassesDuringAnAttemptThatWouldBeRepeatedLeavesTheFailureBefore() {
        Attempts attempts = new Attempts(Deadline.after(1, TimeUnit.HOURS), error -> true, () -> 1);
        PaymentsException failure = unavailable(null);
        attempts.delayNanos(failure);
        PaymentsException cut = new DeadlineExceededException(new ErrorDetails(
                "too late", Status.Code.DEADLINE_EXCEEDED, "", null, null, Duration.ofHours(2), List.of()));
        assertSame(failure, assertThrows(PaymentsException.class, () -> attempts.delayNanos(cut)));
    }

    @Test
    void aDeadlineThatCutTheFirstAttemptIsTheErrorItself() {
        PaymentsException cut =
                new DeadlineExceededException(ErrorDetails.of(Status.Code.DEADLINE_EXCEEDED, "too late"));
        assertSame(cut, assertThrows(PaymentsException.class, () -> within(1, 1).delayNanos(cut)));
    }
}
