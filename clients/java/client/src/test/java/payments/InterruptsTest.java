package payments;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static payments.Calls.CHARGE;
import static payments.Handlers.failWith;
import static payments.Handlers.hang;
import static payments.Handlers.retryAfterMillis;

import io.grpc.Context;
import io.grpc.Status;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import payments.FakeService.Handler;

@Timeout(60)
class InterruptsTest {
    private static final Duration LONG = Duration.ofSeconds(50);

    @AfterEach
    void clearTheInterruptedStatus() {
        Thread.interrupted();
    }

    /** {@return a handler that interrupts the thread soon after the call arrives} */
    private static Handler interrupting(Thread thread, Handler handler) {
        return (number, request) -> {
            CompletableFuture.delayedExecutor(300, TimeUnit.MILLISECONDS).execute(thread::interrupt);
            return handler.handle(number, request);
        };
    }

    @Test
    void anInterruptEndsTheCallAndStaysSet() {
        assertInterruptEnds(hang());
    }

    @Test
    void anInterruptEndsABackoffAndStaysSet() {
        assertInterruptEnds(failWith(retryAfterMillis(30_000)));
    }

    private static void assertInterruptEnds(Handler handler) {
        try (FakeService service = FakeService.start(interrupting(Thread.currentThread(), handler));
                PaymentsClient client = service.client(LONG)) {
            long beganNanos = System.nanoTime();
            OutcomeUnknownException thrown = assertThrows(OutcomeUnknownException.class, () -> client.charge(CHARGE));
            assertTrue(Thread.currentThread().isInterrupted());
            assertTrue(System.nanoTime() - beganNanos < TimeUnit.SECONDS.toNanos(20));
            assertEquals(Status.Code.CANCELLED, thrown.code());
            assertTrue(thrown.requestId().isPresent());
            assertEquals(1, service.calls().size());
        }
    }

    @Test
    void cancelingTheContextEndsTheCall() {
        try (Context.CancellableContext context = Context.current().withCancellation();
                FakeService service = FakeService.start((number, request) -> {
                    context.cancel(null);
                    return hang().handle(number, request);
                });
                PaymentsClient client = service.client(LONG)) {
            context.run(() -> {
                OutcomeUnknownException thrown =
                        assertThrows(OutcomeUnknownException.class, () -> client.charge(CHARGE));
                assertEquals(Status.Code.CANCELLED, thrown.code());
            });
            assertEquals(1, service.calls().size());
        }
    }
}
