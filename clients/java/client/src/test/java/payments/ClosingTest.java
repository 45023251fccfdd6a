package payments;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static payments.Answers.comeBackAfterMillis;
import static payments.Answers.done;
import static payments.Answers.failing;
import static payments.Answers.hanging;
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
    void aClientWithAnotherTimeoutIsClosedWithItsOrigin() {
        try (FakeService service = FakeService.answering(done());
                PaymentsClient client = service.client()) {
            client.withTimeout(Duration.ofSeconds(1)).close();
            assertThrows(IllegalStateException.class, () -> client.charge(CHARGE));
        }
    }

    @Test
    void closingEndsACallInProgress() throws Exception {
        assertClosingEnds(hanging());
    }

    @Test
    void closingEndsTheWaitForAnotherAttempt() throws Exception {
        OutcomeUnknownException raised = assertClosingEnds(failing(comeBackAfterMillis(30_000)));
        assertEquals("come back later", raised.getMessage());
    }

    private static OutcomeUnknownException assertClosingEnds(Answer answer) throws Exception {
        CountDownLatch begun = new CountDownLatch(1);
        Answer noting = (number, request) -> {
            begun.countDown();
            return answer.to(number, request);
        };
        try (FakeService service = FakeService.answering(noting)) {
            PaymentsClient client = service.client(Duration.ofSeconds(50));
            CompletableFuture<Payment> charge = CompletableFuture.supplyAsync(() -> client.charge(CHARGE));
            assertTrue(begun.await(20, TimeUnit.SECONDS));
            Thread.sleep(300); // so that the answer is there, and the wait begun
            client.close();
            ExecutionException ended = assertThrows(ExecutionException.class, () -> charge.get(15, TimeUnit.SECONDS));
            OutcomeUnknownException raised = assertInstanceOf(OutcomeUnknownException.class, ended.getCause());
            assertTrue(raised.requestId().isPresent());
            return raised;
        }
    }
}
