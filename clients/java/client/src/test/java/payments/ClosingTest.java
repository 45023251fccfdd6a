package payments;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static payments.Answers.done;
import static payments.Answers.failing;
import static payments.Answers.hanging;
import static payments.Answers.retryAfterMillis;
import static payments.Calls.CHARGE;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import payments.FakeService.Answer;

@Timeout(60)
class ClosingTest {
    @ParameterizedTest
    @MethodSource("payments.Calls#everyCall")
    void aClosedClientMakesNoCalls(Calls.Call call) {
        try (FakeService service = FakeService.answering(done())) {
            PaymentsClient client = service.client();
            client.close();
            client.close();
            assertEquals(
                    "the client is closed",
                    assertThrows(IllegalStateException.class, () -> call.on(client))
                            .getMessage());
            assertEquals(0, service.received().size());
        }
    }

    @Test
    void closingAClientWithAnotherTimeoutClosesTheOriginal() {
        try (FakeService service = FakeService.answering(done());
                PaymentsClient client = service.client()) {
            client.withTimeout(Duration.ofSeconds(1)).close();
            assertThrows(IllegalStateException.class, () -> client.charge(CHARGE));
        }
    }

    @Test
    void closingEndsACallInFlight() throws Exception {
        assertClosingEnds(hanging());
    }

    @Test
    void closingEndsABackoff() throws Exception {
        OutcomeUnknownException thrown = assertClosingEnds(failing(retryAfterMillis(30_000)));
        assertEquals("try again later", thrown.getMessage());
    }

    private static OutcomeUnknownException assertClosingEnds(Answer answer) throws Exception {
        CountDownLatch started = new CountDownLatch(1);
        Answer signaling = (number, request) -> {
            started.countDown();
            return answer.to(number, request);
        };
        try (FakeService service = FakeService.answering(signaling)) {
            PaymentsClient client = service.client(Duration.ofSeconds(50));
            CompletableFuture<Payment> charge = CompletableFuture.supplyAsync(() -> client.charge(CHARGE));
            assertTrue(started.await(20, TimeUnit.SECONDS));
            Thread.sleep(300); // so that the response has arrived and the backoff has started
            client.close();
            ExecutionException ended = assertThrows(ExecutionException.class, () -> charge.get(15, TimeUnit.SECONDS));
            OutcomeUnknownException thrown = assertInstanceOf(OutcomeUnknownException.class, ended.getCause());
            assertTrue(thrown.requestId().isPresent());
            return thrown;
        }
    }
}
