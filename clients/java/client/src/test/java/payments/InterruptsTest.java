package payments;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static payments.Answers.failing;
import static payments.Answers.hanging;
import static payments.Answers.retryAfterMillis;
import static payments.Calls.CHARGE;

import io.grpc.Context;
import io.grpc.Status;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import payments.FakeService.Answer;

@Timeout(60)
class InterruptsTest {
    private static final Duration LONG = Duration.ofSeconds(50);

    @AfterEach
    void clearTheInterruptedStatus() {
        Thread.interrupted();
    }

    /** {@return an answer that interrupts the thread soon after the call arrives} */
    private static Answer interrupting(Thread thread, Answer answer) {
        return (number, request) -> {
            CompletableFuture.delayedExecutor(300, TimeUnit.MILLISECONDS).execute(thread::interrupt);
            return answer.to(number, request);
        };
    }

    @Test
    void anInterruptEndsTheCallAndStaysSet() {
        assertInterruptEnds(hanging());
    }

    @Test
    void anInterruptEndsABackoffAndStaysSet() {
        assertInterruptEnds(failing(retryAfterMillis(30_000)));
    }

    private static void assertInterruptEnds(Answer answer) {
        try (FakeService service = FakeService.answering(interrupting(Thread.currentThread(), answer));
                PaymentsClient client = service.client(LONG)) {
            long beganNanos = System.nanoTime();
            OutcomeUnknownException thrown = assertThrows(OutcomeUnknownException.class, () -> client.charge(CHARGE));
            assertTrue(Thread.currentThread().isInterrupted());
            assertTrue(System.nanoTime() - beganNanos < TimeUnit.SECONDS.toNanos(20));
            assertEquals(Status.Code.CANCELLED, thrown.code());
            assertTrue(thrown.requestId().isPresent());
            assertEquals(1, service.received().size());
        }
    }

    @Test
    void cancelingTheContextEndsTheCall() {
        try (Context.CancellableContext context = Context.current().withCancellation();
                FakeService service = FakeService.answering((number, request) -> {
                    context.cancel(null);
                    return hanging().to(number, request);
                });
                PaymentsClient client = service.client(LONG)) {
            context.run(() -> {
                OutcomeUnknownException thrown =
                        assertThrows(OutcomeUnknownException.class, () -> client.charge(CHARGE));
                assertEquals(Status.Code.CANCELLED, thrown.code());
            });
            assertEquals(1, service.received().size());
        }
    }
}
