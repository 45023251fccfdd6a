package payments;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static payments.Answers.NEVER;
import static payments.Answers.SOON;
import static payments.Answers.comeBackAfterMillis;
import static payments.Answers.done;
import static payments.Answers.failing;
import static payments.Answers.hanging;
import static payments.Answers.unavailable;
import static payments.Calls.CHARGE;

import io.grpc.Context;
import io.grpc.Status;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import payments.v1.ChargeRequest;

@Timeout(60)
class DeadlinesTest {
    private static void assertAbout(Duration expected, FakeService service) {
        Duration remaining = service.last().remaining();
        assertTrue(
                remaining.compareTo(expected) <= 0 && remaining.compareTo(expected.dividedBy(2)) > 0,
                "the service was told " + remaining);
    }

    @Test
    void aCallTakesTenSecondsAtMost() {
        try (FakeService service = FakeService.answering(done());
                PaymentsClient client = service.client()) {
            client.charge(CHARGE);
            assertAbout(Duration.ofSeconds(10), service);
        }
    }

    @Test
    void aClientMayHaveAnotherTimeout() {
        try (FakeService service = FakeService.answering(done());
                PaymentsClient client = service.client(Duration.ofHours(1))) {
            client.charge(CHARGE);
            assertAbout(Duration.ofHours(1), service);
        }
    }

    @Test
    void aCallMayHaveAnotherTimeoutThanItsClient() {
        try (FakeService service = FakeService.answering(done());
                PaymentsClient client = service.client()) {
            client.withTimeout(Duration.ofHours(1)).charge(CHARGE);
            assertAbout(Duration.ofHours(1), service);
            client.charge(CHARGE);
            assertAbout(Duration.ofSeconds(10), service);
        }
    }

    @Test
    void anEarlierDeadlineOfTheContextCounts() {
        ScheduledExecutorService scheduler = Executors.newSingleThreadScheduledExecutor();
        try (FakeService service = FakeService.answering(done());
                PaymentsClient client = service.client(Duration.ofHours(1));
                Context.CancellableContext context =
                        Context.current().withDeadlineAfter(10, TimeUnit.MINUTES, scheduler)) {
            context.run(() -> client.charge(CHARGE));
            assertAbout(Duration.ofMinutes(10), service);
            context.run(() -> client.withTimeout(Duration.ofMinutes(2)).charge(CHARGE));
            assertAbout(Duration.ofMinutes(2), service);
        } finally {
            scheduler.shutdownNow();
        }
    }

    @Test
    void allAttemptsTogetherHaveOneDeadline() {
        try (FakeService service = FakeService.answering(failing(unavailable(SOON)));
                PaymentsClient client = service.client(Duration.ofSeconds(3))) {
            long beganNanos = System.nanoTime();
            UnavailableException raised = assertThrows(UnavailableException.class, () -> client.charge(CHARGE));
            assertTrue(System.nanoTime() - beganNanos < TimeUnit.SECONDS.toNanos(15));
            assertEquals("the database cannot be reached", raised.getMessage());
            List<FakeService.Received> received = service.received();
            assertTrue(received.size() > 5, received.size() + " attempts");
            Duration last = received.get(received.size() - 1).remaining();
            assertTrue(last.compareTo(received.get(0).remaining()) < 0);
            String requestId = ((ChargeRequest) service.last().request()).getRequestId();
            assertEquals(requestId, raised.requestId().orElseThrow());
        }
    }

    @Test
    void aLaterAttemptHasTheTimeThatIsLeft() {
        try (FakeService service = FakeService.answering(done().afterFailures(1, comeBackAfterMillis(1000)));
                PaymentsClient client = service.client()) {
            client.charge(CHARGE);
            Duration remaining = service.last().remaining();
            assertEquals(2, service.received().size());
            assertTrue(remaining.compareTo(Duration.ofSeconds(9)) <= 0, "the service was told " + remaining);
        }
    }

    @Test
    void aDeadlineThatPassesLeavesTheOutcomeUnknown() {
        try (FakeService service = FakeService.answering(hanging());
                PaymentsClient client = service.client()) {
            OutcomeUnknownException raised = assertThrows(
                    DeadlineExceededException.class,
                    () -> client.withTimeout(Duration.ofSeconds(2)).charge(CHARGE));
            assertEquals(Status.Code.DEADLINE_EXCEEDED, raised.code());
            ChargeRequest request = (ChargeRequest) service.last().request();
            assertEquals(request.getRequestId(), raised.requestId().orElseThrow());
        }
    }

    @Test
    void aDeadlineThatCutsALaterAttemptLeavesTheErrorThatSaysWhy() {
        try (FakeService service = FakeService.answering(hanging().afterFailures(1, unavailable(NEVER)));
                PaymentsClient client = service.client(Duration.ofSeconds(3))) {
            UnavailableException raised = assertThrows(UnavailableException.class, () -> client.charge(CHARGE));
            assertEquals("the database cannot be reached", raised.getMessage());
            assertTrue(raised.getSuppressed()[0] instanceof DeadlineExceededException);
            assertEquals(2, service.received().size());
        }
    }

    @Test
    void aWaitThatWouldPassTheDeadlineIsNotBegun() {
        try (FakeService service = FakeService.answering(failing(comeBackAfterMillis(3_600_000)));
                PaymentsClient client = service.client(Duration.ofSeconds(50))) {
            long beganNanos = System.nanoTime();
            UnavailableException raised = assertThrows(UnavailableException.class, () -> client.charge(CHARGE));
            assertEquals(Duration.ofHours(1), raised.retryAfter().orElseThrow());
            assertTrue(System.nanoTime() - beganNanos < TimeUnit.SECONDS.toNanos(25));
            assertEquals(1, service.received().size());
        }
    }

    @Test
    void aServiceThatIsNotThereIsUnavailable() {
        FakeService gone = FakeService.answering(done());
        gone.close();
        try (PaymentsClient client = gone.client(Duration.ofSeconds(3))) {
            UnavailableException raised = assertThrows(UnavailableException.class, () -> client.charge(CHARGE));
            assertEquals("", raised.reason());
            assertTrue(raised.callId().isEmpty());
            assertTrue(raised.requestId().isPresent());
        }
    }

    @Test
    void aTimeoutThatIsNotMoreThanZeroIsRefused() {
        try (PaymentsClient client = PaymentsClient.builder().build()) {
            for (Duration timeout : List.of(Duration.ZERO, Duration.ofSeconds(-1))) {
                assertThrows(IllegalArgumentException.class, () -> client.withTimeout(timeout));
                assertThrows(
                        IllegalArgumentException.class,
                        () -> PaymentsClient.builder().timeout(timeout));
            }
        }
    }
}
