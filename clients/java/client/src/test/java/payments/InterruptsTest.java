package payments;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static payments.Answers.comeBackAfterMillis;
import static payments.Answers.failing;
import static payments.Answers.hanging;
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
    void forgetTheInterrupt() {
        Thread.interrupted();
    }

    /** Has the thread interrupted soon after the service was called. */
    private static Answer interrupting(Thread thread, Answer answer) {
        return (number, request) -> {
            CompletableFuture.delayedExecutor(300, TimeUnit.MILLISECONDS).execute(thread::interrupt);
            return answer.to(number, request);
        };
    }

    @Test
    void anInterruptEndsTheCallAndIsKept() {
        assertInterruptEnds(hanging());
    }

    @Test
    void anInterruptEndsTheWaitForAnotherAttemptAndIsKept() {
        assertInterruptEnds(failing(comeBackAfterMillis(30_000)));
    }

    private static void assertInterruptEnds(Answer answer) {
        try (FakeService service = FakeService.answering(interrupting(Thread.currentThread(), answer));
                PaymentsClient client = service.client(LONG)) {
            long beganNanos = System.nanoTime();
            OutcomeUnknownException raised = assertThrows(OutcomeUnknownException.class, () -> client.charge(CHARGE));
            assertTrue(Thread.currentThread().isInterrupted());
            assertTrue(System.nanoTime() - beganNanos < TimeUnit.SECONDS.toNanos(20));
            assertEquals(Status.Code.CANCELLED, raised.code());
            assertTrue(raised.requestId().isPresent());
            assertEquals(1, service.received().size());
        }
    }

    @Test
    void aCancelledContextEndsTheCall() {
        try (Context.CancellableContext context = Context.current().withCancellation();
                FakeService service = FakeService.answering((number, request) -> {
                    context.cancel(null);
                    return hanging().to(number, request);
                });
                PaymentsClient client = service.client(LONG)) {
            context.run(() -> {
                OutcomeUnknownException raised =
                        assertThrows(OutcomeUnknownException.class, () -> client.charge(CHARGE));
                assertEquals(Status.Code.CANCELLED, raised.code());
            });
            assertEquals(1, service.received().size());
        }
    }
}
