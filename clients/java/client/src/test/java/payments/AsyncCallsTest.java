package payments;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static payments.Calls.CHARGE;
import static payments.Handlers.NO_GRPC_RETRY;
import static payments.Handlers.failWith;
import static payments.Handlers.failure;
import static payments.Handlers.hang;
import static payments.Handlers.reason;
import static payments.Handlers.retryAfterMillis;
import static payments.Handlers.succeed;
import static payments.Handlers.unavailable;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.Context;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import payments.FakeService.Handler;
import payments.v1.ChargeRequest;

/** The calls of the asynchronous client. */
@Timeout(60)
class AsyncCallsTest {
    private static final Duration LONG = Duration.ofSeconds(50);

    /** {@return the exception with which a call fails} */
    private static <E extends Throwable> E failureOf(Class<E> kind, CompletableFuture<?> call) {
        ExecutionException failed = assertThrows(ExecutionException.class, () -> call.get(20, TimeUnit.SECONDS));
        return assertInstanceOf(kind, failed.getCause());
    }

    /** {@return a handler that also counts down when a call arrives} */
    private static Handler signaling(CountDownLatch arrived, Handler handler) {
        return (number, request) -> {
            arrived.countDown();
            return handler.handle(number, request);
        };
    }

    @ParameterizedTest
    @MethodSource("payments.Calls#everyCallOfBothClients")
    void everyCallHasTheResultOfTheBlockingClient(Calls.Call call, Calls.AsyncCall asyncCall) throws Exception {
        try (FakeService service = FakeService.start(succeed());
                PaymentsClient client = service.client();
                AsyncPaymentsClient asyncClient = service.asyncClient()) {
            assertEquals(call.on(client), asyncCall.on(asyncClient).get(20, TimeUnit.SECONDS));
            assertEquals(2, service.calls().size());
        }
    }

    // Errors

    @ParameterizedTest
    @MethodSource("payments.Calls#everyAsyncCall")
    void everyCallFailsWithTheExceptionOfTheBlockingClient(Calls.AsyncCall call) {
        Handler failing = failWith(failure(Status.Code.NOT_FOUND, "no payment", null, reason("PAYMENT_NOT_FOUND")));
        try (FakeService service = FakeService.start(failing);
                AsyncPaymentsClient client = service.asyncClient()) {
            PaymentNotFoundException error = failureOf(PaymentNotFoundException.class, call.on(client));
            assertEquals("no payment", error.getMessage());
            assertEquals(Status.Code.NOT_FOUND, error.code());
        }
    }

    @Test
    void onlyDerivedStagesAndJoinWrapTheException() {
        try (FakeService service = FakeService.start(failWith(failure(Status.Code.NOT_FOUND, "no", null)));
                AsyncPaymentsClient client = service.asyncClient()) {
            CompletableFuture<Payment> call = client.charge(CHARGE);
            Throwable received = call.handle((payment, failure) -> failure).join();
            assertInstanceOf(PaymentsException.class, received);
            assertSame(
                    received,
                    assertThrows(CompletionException.class, call::join).getCause());
            Throwable derived = call.thenApply(Payment::status)
                    .handle((status, failure) -> failure)
                    .join();
            assertSame(
                    received,
                    assertInstanceOf(CompletionException.class, derived).getCause());
        }
    }

    @Test
    void aBatchFailsIfTheNumberOfResultsDiffersFromTheNumberOfCharges() {
        Handler withoutResults = (number, request) -> payments.v1.BatchChargeResponse.getDefaultInstance();
        try (FakeService service = FakeService.start(withoutResults);
                AsyncPaymentsClient client = service.asyncClient()) {
            failureOf(OutcomeUnknownException.class, client.batchCharge(List.of(CHARGE)));
        }
    }

    @Test
    void anExceptionOfAnInterceptorFailsTheCall() {
        RuntimeException own = new IllegalStateException("no span");
        try (AsyncPaymentsClient client = AsyncPaymentsClient.builder()
                .interceptor(intercepting(() -> {
                    throw own;
                }))
                .build()) {
            assertSame(own, failureOf(RuntimeException.class, client.charge(CHARGE)));
        }
    }

    @Test
    void aMissingArgumentIsRejectedImmediately() {
        try (AsyncPaymentsClient client = AsyncPaymentsClient.builder().build()) {
            assertThrows(NullPointerException.class, () -> client.charge(null));
            assertThrows(NullPointerException.class, () -> client.batchCharge(null));
            assertThrows(NullPointerException.class, () -> client.refund(null));
            assertThrows(NullPointerException.class, () -> client.getPaymentByReference(null));
            assertThrows(NullPointerException.class, () -> client.getPaymentByRequestId(null));
            assertThrows(NullPointerException.class, () -> client.getPaymentByRequestId("order-1", null));
            assertThrows(NullPointerException.class, () -> client.listRefunds(null));
            assertThrows(NullPointerException.class, () -> client.listRefundsPage(null));
            assertThrows(NullPointerException.class, () -> client.listPayments(null));
            assertThrows(NullPointerException.class, () -> client.listPaymentsPage(null));
            assertThrows(NullPointerException.class, () -> client.listPaymentEvents(null));
            assertThrows(NullPointerException.class, () -> client.listPaymentEventsPage(null));
            assertThrows(NullPointerException.class, () -> client.watchPayments(null));
            assertThrows(IllegalArgumentException.class, () -> client.withTimeout(Duration.ZERO));
        }
    }

    // Retries and deadlines

    @ParameterizedTest
    @MethodSource("payments.Calls#everyAsyncCall")
    void everyCallIsRetried(Calls.AsyncCall call) throws Exception {
        try (FakeService service = FakeService.start(succeed().afterFailures(2, unavailable(NO_GRPC_RETRY)));
                AsyncPaymentsClient client = service.asyncClient()) {
            call.on(client).get(20, TimeUnit.SECONDS);
            assertEquals(3, service.calls().size());
        }
    }

    @Test
    void aChargeIsRetriedWithTheSameRequestId() {
        try (FakeService service = FakeService.start(succeed().afterFailures(3, unavailable(NO_GRPC_RETRY)));
                AsyncPaymentsClient client = service.asyncClient(LONG)) {
            assertEquals(7, client.charge(CHARGE).join().paymentId());
            List<ChargeRequest> requests = service.requests(ChargeRequest.class);
            assertEquals(4, requests.size());
            assertEquals(Set.of(requests.get(0)), Set.copyOf(requests));
        }
    }

    @Test
    void theOutcomeIsUnknownAfterTheDeadline() {
        try (FakeService service = FakeService.start(hang());
                AsyncPaymentsClient client = service.asyncClient()) {
            DeadlineExceededException error = failureOf(
                    DeadlineExceededException.class,
                    client.withTimeout(Duration.ofSeconds(1)).charge(CHARGE));
            ChargeRequest request = (ChargeRequest) service.lastCall().request();
            assertEquals(request.getRequestId(), error.requestId().orElseThrow());
        }
    }

    @Test
    void allAttemptsShareOneDeadline() {
        try (FakeService service = FakeService.start(failWith(unavailable(NO_GRPC_RETRY)));
                AsyncPaymentsClient client = service.asyncClient(Duration.ofSeconds(2))) {
            UnavailableException error = failureOf(UnavailableException.class, client.charge(CHARGE));
            assertTrue(error.requestId().isPresent());
            List<FakeService.ReceivedCall> calls = service.calls();
            assertTrue(calls.size() > 1, calls.size() + " attempts");
            assertTrue(service.lastCall().remaining().compareTo(calls.get(0).remaining()) < 0);
        }
    }

    @Test
    void thereIsNoRetryIfItsDelayWouldPassTheDeadline() {
        try (FakeService service = FakeService.start(failWith(retryAfterMillis(3_600_000)));
                AsyncPaymentsClient client = service.asyncClient(LONG)) {
            failureOf(UnavailableException.class, client.charge(CHARGE));
            assertEquals(1, service.calls().size());
        }
    }

    // Cancellation

    /** Ways to end a call from outside. */
    static Stream<Consumer<CompletableFuture<Payment>>> endings() {
        return Stream.of(
                call -> call.cancel(true),
                call -> call.complete(null),
                call -> call.completeExceptionally(new IllegalStateException("no longer needed")),
                call -> call.orTimeout(1, TimeUnit.MILLISECONDS));
    }

    @ParameterizedTest
    @MethodSource("endings")
    void endingTheFutureCancelsTheCallOnTheServer(Consumer<CompletableFuture<Payment>> ending) throws Exception {
        CountDownLatch arrived = new CountDownLatch(1);
        CountDownLatch ended = new CountDownLatch(1);
        Handler hanging = (number, request) -> {
            Context.current().addListener(context -> ended.countDown(), Runnable::run);
            return signaling(arrived, hang()).handle(number, request);
        };
        try (FakeService service = FakeService.start(hanging);
                AsyncPaymentsClient client = service.asyncClient(Duration.ofHours(1))) {
            CompletableFuture<Payment> call = client.charge(CHARGE);
            assertTrue(arrived.await(20, TimeUnit.SECONDS));
            ending.accept(call);
            assertTrue(ended.await(20, TimeUnit.SECONDS));
            assertEquals(1, service.calls().size());
        }
    }

    @Test
    void aCanceledFutureHasACancellationException() {
        try (FakeService service = FakeService.start(hang());
                AsyncPaymentsClient client = service.asyncClient()) {
            CompletableFuture<Payment> call = client.charge(CHARGE);
            assertTrue(call.cancel(true));
            assertThrows(CancellationException.class, call::join);
        }
    }

    @Test
    void aCallThatIsCanceledDuringABackoffIsNotRetried() throws Exception {
        // The second call outlasts the pause of the first one.
        Handler handler = (number, request) -> {
            if (number <= 2) {
                throw retryAfterMillis(number == 1 ? 300 : 1000);
            }
            return succeed().handle(number, request);
        };
        EndedAttempts attempts = new EndedAttempts();
        try (FakeService service = FakeService.start(handler);
                AsyncPaymentsClient client = clientWith(attempts, service)) {
            CompletableFuture<Payment> canceled = client.charge(CHARGE);
            attempts.awaitFirst();
            canceled.cancel(true);
            client.charge(CHARGE).get(20, TimeUnit.SECONDS);
            assertEquals(3, service.calls().size());
        }
    }

    @Test
    void cancelingADerivedStageDoesNotCancelTheCall() throws Exception {
        CountDownLatch canceled = new CountDownLatch(1);
        Handler waiting = (number, request) -> {
            canceled.await();
            return succeed().handle(number, request);
        };
        try (FakeService service = FakeService.start(waiting);
                AsyncPaymentsClient client = service.asyncClient(LONG)) {
            CompletableFuture<Payment> call = client.charge(CHARGE);
            assertTrue(call.thenApply(Payment::status).cancel(true));
            canceled.countDown();
            assertEquals(7, call.get(20, TimeUnit.SECONDS).paymentId());
        }
    }

    @Test
    void cancelingTheContextEndsTheCall() throws Exception {
        CountDownLatch arrived = new CountDownLatch(1);
        try (Context.CancellableContext context = Context.current().withCancellation();
                FakeService service = FakeService.start(signaling(arrived, hang()));
                AsyncPaymentsClient client = service.asyncClient(LONG)) {
            CompletableFuture<Payment> call = context.call(() -> client.charge(CHARGE));
            assertTrue(arrived.await(20, TimeUnit.SECONDS));
            context.cancel(null);
            assertEquals(
                    Status.Code.CANCELLED,
                    failureOf(OutcomeUnknownException.class, call).code());
            assertEquals(1, service.calls().size());
        }
    }

    @Test
    void everyAttemptRunsInTheContextOfTheCall() {
        Context.Key<String> key = Context.key("span");
        List<String> seen = new ArrayList<>();
        try (FakeService service = FakeService.start(succeed().afterFailures(2, unavailable(NO_GRPC_RETRY)));
                AsyncPaymentsClient client = clientWith(intercepting(() -> seen.add(key.get())), service)) {
            Context.current()
                    .withValue(key, "checkout")
                    .run(() -> client.charge(CHARGE).join());
            assertEquals(List.of("checkout", "checkout", "checkout"), seen);
        }
    }

    private static ClientInterceptor intercepting(Runnable action) {
        return new ClientInterceptor() {
            @Override
            public <Q, A> ClientCall<Q, A> interceptCall(
                    MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
                action.run();
                return next.newCall(method, options);
            }
        };
    }

    // Closing

    @Test
    void closingTheClientEndsACallInFlight() throws Exception {
        CountDownLatch arrived = new CountDownLatch(1);
        try (FakeService service = FakeService.start(signaling(arrived, hang()))) {
            AsyncPaymentsClient client = service.asyncClient(LONG);
            CompletableFuture<Payment> call = client.charge(CHARGE);
            assertTrue(arrived.await(20, TimeUnit.SECONDS));
            client.close();
            assertTrue(
                    failureOf(OutcomeUnknownException.class, call).requestId().isPresent());
        }
    }

    @Test
    void closingTheClientEndsABackoff() throws Exception {
        EndedAttempts attempts = new EndedAttempts();
        try (FakeService service = FakeService.start(failWith(retryAfterMillis(30_000)))) {
            AsyncPaymentsClient client = clientWith(attempts, service);
            CompletableFuture<Payment> call = client.charge(CHARGE);
            attempts.awaitFirst();
            client.close();
            UnavailableException error = failureOf(UnavailableException.class, call);
            assertEquals("try again later", error.getMessage());
            assertEquals(1, service.calls().size());
        }
    }

    private static AsyncPaymentsClient clientWith(ClientInterceptor interceptor, FakeService service) {
        return AsyncPaymentsClient.builder()
                .target(service.target())
                .timeout(LONG)
                .interceptor(interceptor)
                .build();
    }

    @ParameterizedTest
    @MethodSource("payments.Calls#everyAsyncCall")
    void aClosedClientMakesNoCalls(Calls.AsyncCall call) {
        try (FakeService service = FakeService.start(succeed())) {
            AsyncPaymentsClient client = service.asyncClient();
            client.withTimeout(LONG).close();
            client.close();
            // Calls throw it immediately, and subscriptions fail with it.
            Exception thrown =
                    assertThrows(Exception.class, () -> call.on(client).get(20, TimeUnit.SECONDS));
            Throwable error = thrown instanceof ExecutionException ? thrown.getCause() : thrown;
            assertInstanceOf(IllegalStateException.class, error);
            assertEquals("the client is closed", error.getMessage());
            assertEquals(0, service.calls().size());
        }
    }

    // Threads

    @Test
    void oneThreadServesManyConcurrentCallsAndTheirRetries() throws Exception {
        ExecutorService executor = Executors.newSingleThreadExecutor();
        try (FakeService service = FakeService.start(succeed().afterFailures(100, unavailable(NO_GRPC_RETRY)));
                AsyncPaymentsClient client = AsyncPaymentsClient.builder()
                        .target(service.target())
                        .timeout(LONG)
                        .executor(executor)
                        .build()) {
            List<CompletableFuture<Payment>> calls = IntStream.range(0, 100)
                    .mapToObj(number -> client.charge(CHARGE))
                    .toList();
            for (CompletableFuture<Payment> call : calls) {
                assertEquals(7, call.get(20, TimeUnit.SECONDS).paymentId());
            }
        } finally {
            executor.shutdown();
        }
    }

    /** Responses after which a call ends: immediately, after a retry, and with an error. */
    static Stream<Handler> responses() {
        return Stream.of(
                succeed(),
                succeed().afterFailures(1, unavailable(NO_GRPC_RETRY)),
                failWith(failure(Status.Code.NOT_FOUND, "no", null)));
    }

    @ParameterizedTest
    @MethodSource("responses")
    void aFutureCompletesOnTheExecutor(Handler handler) throws Exception {
        ExecutorService executor = Executors.newSingleThreadExecutor(work -> new Thread(work, "own-thread"));
        CountDownLatch isReady = new CountDownLatch(1);
        Handler waiting = (number, request) -> {
            isReady.await();
            return handler.handle(number, request);
        };
        try (FakeService service = FakeService.start(waiting);
                AsyncPaymentsClient client = AsyncPaymentsClient.builder()
                        .target(service.target())
                        .executor(executor)
                        .build()) {
            CompletableFuture<String> thread = client.charge(CHARGE)
                    .handle((payment, failure) -> Thread.currentThread().getName());
            isReady.countDown();
            assertEquals("own-thread", thread.get(20, TimeUnit.SECONDS));
        } finally {
            executor.shutdown();
        }
    }

    @Test
    void aRetryStartsOnTheExecutor() {
        ExecutorService executor = Executors.newSingleThreadExecutor(work -> new Thread(work, "own-thread"));
        List<String> threads = new ArrayList<>();
        try (FakeService service = FakeService.start(succeed().afterFailures(1, unavailable(NO_GRPC_RETRY)));
                AsyncPaymentsClient client = AsyncPaymentsClient.builder()
                        .target(service.target())
                        .interceptor(intercepting(
                                () -> threads.add(Thread.currentThread().getName())))
                        .executor(executor)
                        .build()) {
            client.charge(CHARGE).join();
            assertEquals(List.of(Thread.currentThread().getName(), "own-thread"), threads);
        } finally {
            executor.shutdown();
        }
    }

    @Test
    void aCallbackMayBlockOnAnotherCall() throws Exception {
        try (FakeService service = FakeService.start(succeed());
                AsyncPaymentsClient client = service.asyncClient()) {
            Payment second = client.charge(CHARGE)
                    .thenApply(first -> client.charge(CHARGE).join())
                    .get(20, TimeUnit.SECONDS);
            assertEquals(7, second.paymentId());
        }
    }
}
