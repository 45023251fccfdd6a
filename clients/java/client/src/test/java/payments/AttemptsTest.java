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
                new ErrorDetails("no", Status.Code.UNAVAILABLE, "", null, null, retryAfter, List.of(), null));
    }

    private static Attempts attemptsWithin(long hours, double jitter) {
        return new Attempts(Deadline.after(hours, TimeUnit.HOURS), Attempts::isRetryable, () -> jitter);
    }

    @ParameterizedTest
    @ValueSource(doubles = {1, 0.5, 0})
    void theBackoffDoublesFrom100MillisecondsToOneSecondTimesTheJitter(double jitter) {
        Attempts attempts = attemptsWithin(1, jitter);
        List<Long> delaysMillis = Stream.generate(() -> attempts.delayNanos(unavailable(null)))
                .limit(6)
                .map(TimeUnit.NANOSECONDS::toMillis)
                .toList();
        List<Long> expectedMillis = Stream.of(100, 200, 400, 800, 1000, 1000)
                .map(backoff -> (long) (jitter * backoff))
                .toList();
        assertEquals(expectedMillis, delaysMillis);
    }

    @Test
    void theBackoffIsAddedToTheServicesRetryDelay() {
        long delayNanos = attemptsWithin(1, 1).delayNanos(unavailable(Duration.ofMinutes(1)));
        assertEquals(Duration.ofMillis(60_100), Duration.ofNanos(delayNanos));
    }

    @Test
    void thereIsNoRetryIfItsDelayWouldPassTheDeadline() {
        for (Duration retryAfter : List.of(Duration.ofHours(1), Duration.ofSeconds(Long.MAX_VALUE))) {
            PaymentsException error = unavailable(retryAfter);
            assertSame(
                    error,
                    assertThrows(
                            PaymentsException.class, () -> attemptsWithin(1, 1).delayNanos(error)));
        }
    }

    @Test
    void ifTheDeadlinePassesDuringARetryThePreviousErrorIsThrown() {
        Attempts attempts = attemptsWithin(1, 1);
        PaymentsException failure = unavailable(null);
        attempts.delayNanos(failure);
        PaymentsException exceeded =
                new DeadlineExceededException(ErrorDetails.of(Status.Code.DEADLINE_EXCEEDED, "too late"));
        assertSame(failure, assertThrows(PaymentsException.class, () -> attempts.delayNanos(exceeded)));
        assertEquals(List.of(exceeded), List.of(failure.getSuppressed()));
    }

    @Test
    void aRetryableDeadlineErrorDoesNotReplaceThePreviousError() {
        Attempts attempts = new Attempts(Deadline.after(1, TimeUnit.HOURS), error -> true, () -> 1);
        PaymentsException failure = unavailable(null);
        attempts.delayNanos(failure);
        PaymentsException exceeded = new DeadlineExceededException(new ErrorDetails(
                "too late", Status.Code.DEADLINE_EXCEEDED, "", null, null, Duration.ofHours(2), List.of(), null));
        assertSame(failure, assertThrows(PaymentsException.class, () -> attempts.delayNanos(exceeded)));
    }

    @Test
    void ifTheDeadlinePassesDuringTheFirstAttemptItsErrorIsThrown() {
        PaymentsException exceeded =
                new DeadlineExceededException(ErrorDetails.of(Status.Code.DEADLINE_EXCEEDED, "too late"));
        assertSame(
                exceeded,
                assertThrows(PaymentsException.class, () -> attemptsWithin(1, 1).delayNanos(exceeded)));
    }
}
