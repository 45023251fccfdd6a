package payments;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static payments.Calls.CHARGE;
import static payments.Handlers.NO_GRPC_RETRY;
import static payments.Handlers.RETRY_SOON;
import static payments.Handlers.failWith;
import static payments.Handlers.hang;
import static payments.Handlers.retryAfterMillis;
import static payments.Handlers.succeed;
import static payments.Handlers.unavailable;

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
        Duration remaining = service.lastCall().remaining();
        assertTrue(
                remaining.compareTo(expected) <= 0 && remaining.compareTo(expected.dividedBy(2)) > 0,
                "the call reached the service with " + remaining + " left");
    }

    @Test
    void aCallTakesAtMostTenSecondsByDefault() {
        try (FakeService service = FakeService.start(succeed());
                PaymentsClient client = service.client()) {
            client.charge(CHARGE);
            assertAbout(Duration.ofSeconds(10), service);
        }
    }

    @Test
    void aClientCanHaveAnotherTimeout() {
        try (FakeService service = FakeService.start(succeed());
                PaymentsClient client = service.client(Duration.ofHours(1))) {
            client.charge(CHARGE);
            assertAbout(Duration.ofHours(1), service);
        }
    }

    @Test
    void aCallCanHaveAnotherTimeoutThanItsClient() {
        try (FakeService service = FakeService.start(succeed());
                PaymentsClient client = service.client()) {
            client.withTimeout(Duration.ofHours(1)).charge(CHARGE);
            assertAbout(Duration.ofHours(1), service);
            client.charge(CHARGE);
            assertAbout(Duration.ofSeconds(10), service);
        }
    }

    @Test
    void anEarlierDeadlineOfTheContextApplies() {
        ScheduledExecutorService scheduler = Executors.newSingleThreadScheduledExecutor();
        try (FakeService service = FakeService.start(succeed());
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
    void allAttemptsShareOneDeadline() {
        try (FakeService service = FakeService.start(failWith(unavailable(RETRY_SOON)));
                PaymentsClient client = service.client(Duration.ofSeconds(3))) {
            long beganNanos = System.nanoTime();
            UnavailableException thrown = assertThrows(UnavailableException.class, () -> client.charge(CHARGE));
            assertTrue(System.nanoTime() - beganNanos < TimeUnit.SECONDS.toNanos(15));
            assertEquals("the database cannot be reached", thrown.getMessage());
            List<FakeService.ReceivedCall> calls = service.calls();
            assertTrue(calls.size() > 5, calls.size() + " attempts");
            Duration last = calls.get(calls.size() - 1).remaining();
            assertTrue(last.compareTo(calls.get(0).remaining()) < 0);
            String requestId = ((ChargeRequest) service.lastCall().request()).getRequestId();
            assertEquals(requestId, thrown.requestId().orElseThrow());
        }
    }

    @Test
    void aRetryHasTheRemainingTime() {
        try (FakeService service = FakeService.start(succeed().afterFailures(1, retryAfterMillis(1000)));
                PaymentsClient client = service.client()) {
            client.charge(CHARGE);
            Duration remaining = service.lastCall().remaining();
            assertEquals(2, service.calls().size());
            assertTrue(
                    remaining.compareTo(Duration.ofSeconds(9)) <= 0,
                    "the call reached the service with " + remaining + " left");
        }
    }

    @Test
    void theOutcomeIsUnknownAfterTheDeadline() {
        try (FakeService service = FakeService.start(hang());
                PaymentsClient client = service.client()) {
            OutcomeUnknownException thrown = assertThrows(
                    DeadlineExceededException.class,
                    () -> client.withTimeout(Duration.ofSeconds(2)).charge(CHARGE));
            assertEquals(Status.Code.DEADLINE_EXCEEDED, thrown.code());
            ChargeRequest request = (ChargeRequest) service.lastCall().request();
            assertEquals(request.getRequestId(), thrown.requestId().orElseThrow());
        }
    }

    @Test
    void ifTheDeadlinePassesDuringARetryThePreviousErrorIsThrown() {
        try (FakeService service = FakeService.start(hang().afterFailures(1, unavailable(NO_GRPC_RETRY)));
                PaymentsClient client = service.client(Duration.ofSeconds(3))) {
            UnavailableException thrown = assertThrows(UnavailableException.class, () -> client.charge(CHARGE));
            assertEquals("the database cannot be reached", thrown.getMessage());
            assertTrue(thrown.getSuppressed()[0] instanceof DeadlineExceededException);
            assertEquals(2, service.calls().size());
        }
    }

    @Test
    void thereIsNoRetryIfItsDelayWouldPassTheDeadline() {
        try (FakeService service = FakeService.start(failWith(retryAfterMillis(3_600_000)));
                PaymentsClient client = service.client(Duration.ofSeconds(50))) {
            long beganNanos = System.nanoTime();
            UnavailableException thrown = assertThrows(UnavailableException.class, () -> client.charge(CHARGE));
            assertEquals(Duration.ofHours(1), thrown.retryAfter().orElseThrow());
            assertTrue(System.nanoTime() - beganNanos < TimeUnit.SECONDS.toNanos(25));
            assertEquals(1, service.calls().size());
        }
    }

    @Test
    void aStoppedServiceIsUnavailable() {
        FakeService stopped = FakeService.start(succeed());
        stopped.close();
        try (PaymentsClient client = stopped.client(Duration.ofSeconds(3))) {
            UnavailableException thrown = assertThrows(UnavailableException.class, () -> client.charge(CHARGE));
            assertEquals("", thrown.reason());
            assertTrue(thrown.callId().isEmpty());
            assertTrue(thrown.requestId().isPresent());
        }
    }

    @Test
    void aTimeoutMustBeMoreThanZero() {
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
