package payments;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static payments.Calls.CHARGE;
import static payments.Handlers.failWith;
import static payments.Handlers.hang;
import static payments.Handlers.retryAfterMillis;
import static payments.Handlers.succeed;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import payments.FakeService.Handler;

@Timeout(60)
class ClosingTest {
    @ParameterizedTest
    @MethodSource("payments.Calls#everyCall")
    void aClosedClientMakesNoCalls(Calls.Call call) {
        try (FakeService service = FakeService.start(succeed())) {
            PaymentsClient client = service.client();
            client.close();
            client.close();
            assertEquals(
                    "the client is closed",
                    assertThrows(IllegalStateException.class, () -> call.on(client))
                            .getMessage());
            assertEquals(0, service.calls().size());
        }
    }

    @Test
    void closingAClientWithAnotherTimeoutClosesTheOriginal() {
        try (FakeService service = FakeService.start(succeed());
                PaymentsClient client = service.client()) {
            client.withTimeout(Duration.ofSeconds(1)).close();
            assertThrows(IllegalStateException.class, () -> client.charge(CHARGE));
        }
    }

    @Test
    void closingEndsACallInFlight() throws Exception {
        assertClosingEnds(hang());
    }

    @Test
    void closingEndsABackoff() throws Exception {
        OutcomeUnknownException thrown = assertClosingEnds(failWith(retryAfterMillis(30_000)));
        assertEquals("try again later", thrown.getMessage());
    }

    private static OutcomeUnknownException assertClosingEnds(Handler handler) throws Exception {
        CountDownLatch started = new CountDownLatch(1);
        Handler signaling = (number, request) -> {
            started.countDown();
            return handler.handle(number, request);
        };
        try (FakeService service = FakeService.start(signaling)) {
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
