package payments;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.Status;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class ResumptionsTest {
    private static PaymentsException error(Status.Code code, String callId) {
        return new PaymentsException(
                new ErrorDetails("the stream ended", code, "", null, callId, null, List.of(), null));
    }

    private static List<Long> delaysMillis(Resumptions resumptions, PaymentsException error, int count) {
        return Stream.generate(() -> resumptions.delayNanos(error))
                .limit(count)
                .map(TimeUnit.NANOSECONDS::toMillis)
                .toList();
    }

    private static void assertThrown(PaymentsException error) {
        Resumptions resumptions = new Resumptions(null, () -> 1);
        assertSame(error, assertThrows(PaymentsException.class, () -> resumptions.delayNanos(error)));
    }

    @ParameterizedTest
    @CsvSource({"UNAVAILABLE,c", "UNAVAILABLE,", "CANCELLED,", "DEADLINE_EXCEEDED,", "INTERNAL,", "UNKNOWN,"})
    void aStreamResumesAfterARetryableErrorOrALostConnection(Status.Code code, String callId) {
        assertEquals(
                List.of(100L, 200L, 400L, 800L, 1000L, 1000L),
                delaysMillis(new Resumptions(null, () -> 1), error(code, callId), 6));
    }

    @ParameterizedTest
    @EnumSource(names = {"DEADLINE_EXCEEDED", "INTERNAL", "UNKNOWN"})
    void anErrorOfTheServiceItselfIsThrown(Status.Code code) {
        assertThrown(error(code, "in the service's log"));
    }

    @ParameterizedTest
    @EnumSource(
            mode = EnumSource.Mode.EXCLUDE,
            names = {"OK", "UNAVAILABLE", "CANCELLED", "DEADLINE_EXCEEDED", "INTERNAL", "UNKNOWN"})
    void anyOtherErrorIsThrown(Status.Code code) {
        assertThrown(error(code, null));
    }

    @Test
    void aResponseResetsTheBackoff() {
        Resumptions resumptions = new Resumptions(Duration.ofHours(1), () -> 1);
        PaymentsException unavailable = error(Status.Code.UNAVAILABLE, null);
        assertEquals(List.of(100L, 200L, 400L), delaysMillis(resumptions, unavailable, 3));
        resumptions.recordResponse();
        assertEquals(List.of(100L, 200L), delaysMillis(resumptions, unavailable, 2));
    }

    @Test
    void theDeadlineOfTheFirstResponseIsNotExtendedByRetries() {
        Resumptions resumptions = new Resumptions(Duration.ofHours(1), () -> 1);
        resumptions.recordOpening();
        assertTrue(resumptions.deadline().timeRemaining(TimeUnit.HOURS) < 1);
        Object first = resumptions.deadline();
        resumptions.delayNanos(error(Status.Code.UNAVAILABLE, null));
        resumptions.recordOpening();
        assertSame(first, resumptions.deadline());
    }

    @Test
    void aStreamThatHasStartedMayBeSilentForever() {
        Resumptions resumptions = new Resumptions(Duration.ofHours(1), () -> 1);
        resumptions.recordOpening();
        resumptions.recordResponse();
        assertTrue(resumptions.deadline().timeRemaining(TimeUnit.DAYS) > 10_000);
    }
}
