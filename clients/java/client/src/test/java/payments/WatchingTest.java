package payments;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static payments.Calls.FROM_NOW;
import static payments.Handlers.NO_GRPC_RETRY;
import static payments.Handlers.failure;
import static payments.Handlers.reason;
import static payments.Handlers.retryAfterMillis;
import static payments.Handlers.unavailable;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.Context;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ServerCallStreamObserver;
import java.time.Duration;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import payments.FakeService.StreamHandler;
import payments.v1.PaymentEvent;
import payments.v1.WatchPaymentsRequest;
import payments.v1.WatchPaymentsResponse;

@Timeout(60)
class WatchingTest {
    /** Sends nothing, and leaves the stream open. */
    static final StreamHandler NOTHING = (number, request, observer) -> {};

    /** Sends the two events after the token, and leaves the stream open. */
    static final StreamHandler TWO = (number, request, observer) -> {
        long last = request.getResumeToken().isEmpty() ? 0 : Long.parseLong(request.getResumeToken());
        observer.onNext(event(last + 1));
        observer.onNext(event(last + 2));
    };

    static final WatchPaymentsParams AFTER_7 =
            WatchPaymentsParams.builder().resumeToken("7").build();

    @AfterEach
    void clearTheInterruptedStatus() {
        Thread.interrupted();
    }

    /** {@return an event of a payment; its token is the payment's id} */
    static WatchPaymentsResponse event(long paymentId) {
        return WatchPaymentsResponse.newBuilder()
                .setEvent(PaymentEvent.newBuilder()
                        .setPayment(payments.v1.Payment.newBuilder().setPaymentId(paymentId)))
                .setResumeToken(Long.toString(paymentId))
                .build();
    }

    static StreamHandler failWith(StatusRuntimeException failure) {
        return (number, request, observer) -> {
            throw failure;
        };
    }

    static WatchPaymentsParams withTimeout(Duration timeout) {
        return WatchPaymentsParams.builder().timeout(timeout).build();
    }

    private static List<Long> nextIds(Iterator<PaymentUpdate> updates, int count) {
        return Stream.generate(updates::next)
                .limit(count)
                .map(update -> update.event().orElseThrow().payment().paymentId())
                .toList();
    }

    static List<Long> ids(long first, long last) {
        return LongStream.rangeClosed(first, last).boxed().toList();
    }

    static List<String> tokens(FakeService service) {
        return service.requests(WatchPaymentsRequest.class).stream()
                .map(WatchPaymentsRequest::getResumeToken)
                .toList();
    }

    // Resuming

    /** Errors after which a watch resumes; null means that the stream ends without an error. */
    static Stream<StatusRuntimeException> resumableErrors() {
        return Stream.of(
                failure(Status.Code.UNAVAILABLE, "the service is shutting down", null, reason("SHUTTING_DOWN")),
                failure(Status.Code.RESOURCE_EXHAUSTED, "too many", null, reason("TOO_MANY_WATCHES")),
                failure(Status.Code.RESOURCE_EXHAUSTED, "too many", null, reason("OVERLOADED")),
                failure(Status.Code.CANCELLED, "the server is shutting down", null),
                failure(Status.Code.INTERNAL, "the stream was reset", null),
                failure(Status.Code.UNKNOWN, "the connection was lost", null),
                failure(Status.Code.DEADLINE_EXCEEDED, "the proxy timed out", null),
                null);
    }

    @ParameterizedTest
    @MethodSource("resumableErrors")
    void aWatchResumesFromItsLastTokenAfterAResumableError(StatusRuntimeException error) {
        StreamHandler twoThenEnd = (number, request, observer) -> {
            TWO.stream(number, request, observer);
            if (error != null) {
                throw error;
            }
            observer.onCompleted();
        };
        try (FakeService service = FakeService.start(twoThenEnd);
                PaymentsClient client = service.client();
                Stream<PaymentUpdate> updates = client.watchPayments(AFTER_7)) {
            assertEquals(ids(8, 13), nextIds(updates.iterator(), 6));
            assertEquals(List.of("7", "9", "11"), tokens(service));
        }
    }

    @Test
    void aWatchResumesAfterItsConnectionBreaks() throws Exception {
        try (FakeService service = FakeService.start(TWO);
                Proxy proxy = Proxy.to(service);
                PaymentsClient client =
                        PaymentsClient.builder().target(proxy.target()).build();
                Stream<PaymentUpdate> stream = client.watchPayments(FROM_NOW)) {
            Iterator<PaymentUpdate> updates = stream.iterator();
            assertEquals(ids(1, 2), nextIds(updates, 2));
            proxy.breakConnections();
            assertEquals(ids(3, 4), nextIds(updates, 2));
            assertEquals(List.of("", "2"), tokens(service));
        }
    }

    @Test
    void aWatchResumesAfterTheServiceRestarts() {
        FakeService before = FakeService.start(TWO);
        try (PaymentsClient client = before.client();
                Stream<PaymentUpdate> stream = client.watchPayments(FROM_NOW)) {
            Iterator<PaymentUpdate> updates = stream.iterator();
            assertEquals(ids(1, 2), nextIds(updates, 2));
            before.close();
            CompletableFuture<FakeService> after = CompletableFuture.supplyAsync(
                    () -> FakeService.start(before.port(), TWO),
                    CompletableFuture.delayedExecutor(2, TimeUnit.SECONDS));
            try {
                assertEquals(ids(3, 4), nextIds(updates, 2));
            } finally {
                after.join().close();
            }
        } finally {
            before.close();
        }
    }

    @Test
    void aWatchRetriesAfterTheServicesRetryDelay() {
        StreamHandler failingOnce = (number, request, observer) -> {
            if (number == 1) {
                throw retryAfterMillis(400);
            }
            TWO.stream(number, request, observer);
        };
        try (FakeService service = FakeService.start(failingOnce);
                PaymentsClient client = service.client();
                Stream<PaymentUpdate> updates = client.watchPayments(FROM_NOW)) {
            assertEquals(ids(1, 2), nextIds(updates.iterator(), 2));
            List<FakeService.ReceivedCall> calls = service.calls();
            long pauseNanos = calls.get(1).atNanos() - calls.get(0).atNanos();
            assertTrue(pauseNanos >= TimeUnit.MILLISECONDS.toNanos(400), "the pause was " + pauseNanos + " ns");
        }
    }

    // Giving up

    private static StatusRuntimeException withCallId(StatusRuntimeException failure) {
        failure.getTrailers().put(Metadata.Key.of("x-request-id", Metadata.ASCII_STRING_MARSHALLER), "call-7");
        return failure;
    }

    static Stream<StatusRuntimeException> errorsThatAreNotResumable() {
        return Stream.of(
                failure(Status.Code.INVALID_ARGUMENT, "invalid token", null, reason("INVALID_REQUEST")),
                failure(Status.Code.FAILED_PRECONDITION, "expired token", null, reason("RESUME_TOKEN_EXPIRED")),
                failure(Status.Code.UNAUTHENTICATED, "expired key", null, reason("API_KEY_INVALID")),
                failure(Status.Code.RESOURCE_EXHAUSTED, "too large", null),
                withCallId(failure(Status.Code.INTERNAL, "internal error", null, reason("INTERNAL"))));
    }

    @ParameterizedTest
    @MethodSource("errorsThatAreNotResumable")
    void anErrorThatIsNotResumableIsThrownOnceAndEndsTheWatch(StatusRuntimeException error) {
        try (FakeService service = FakeService.start(failWith(error));
                PaymentsClient client = service.client();
                Stream<PaymentUpdate> stream = client.watchPayments(AFTER_7)) {
            Iterator<PaymentUpdate> updates = stream.iterator();
            PaymentsException thrown = assertThrows(PaymentsException.class, updates::hasNext);
            assertEquals(Errors.fromRpc(error, null).getClass(), thrown.getClass());
            assertTrue(thrown.requestId().isEmpty());
            assertFalse(updates.hasNext());
            assertEquals(1, service.calls().size());
        }
    }

    @Test
    void aWatchGivesUpIfTheServiceStaysUnavailable() {
        try (FakeService service = FakeService.start(failWith(unavailable(NO_GRPC_RETRY)));
                PaymentsClient client = service.client();
                Stream<PaymentUpdate> updates = client.watchPayments(withTimeout(Duration.ofSeconds(2)))) {
            assertEquals(
                    "the database cannot be reached",
                    assertThrows(UnavailableException.class, updates::findFirst).getMessage());
            assertTrue(service.calls().size() > 1, service.calls().size() + " streams");
        }
    }

    @Test
    void aWatchGivesUpIfTheServiceDoesNotRespond() throws Exception {
        CountDownLatch ended = new CountDownLatch(1);
        try (FakeService service = FakeService.start(signaling(ended, NOTHING));
                PaymentsClient client = service.client();
                Stream<PaymentUpdate> updates = client.watchPayments(withTimeout(Duration.ofSeconds(1)))) {
            assertThrows(DeadlineExceededException.class, updates::findFirst);
            assertTrue(ended.await(20, TimeUnit.SECONDS));
        }
    }

    @Test
    void ifTheServiceFailsAndThenDoesNotRespondThePreviousErrorIsThrown() {
        StreamHandler failsOnce = (number, request, observer) -> {
            if (number == 1) {
                throw unavailable(NO_GRPC_RETRY);
            }
        };
        try (FakeService service = FakeService.start(failsOnce);
                PaymentsClient client = service.client();
                Stream<PaymentUpdate> updates = client.watchPayments(withTimeout(Duration.ofSeconds(3)))) {
            UnavailableException thrown = assertThrows(UnavailableException.class, updates::findFirst);
            assertInstanceOf(DeadlineExceededException.class, thrown.getSuppressed()[0]);
            assertEquals(2, service.calls().size());
        }
    }

    @Test
    void aWatchNeverGivesUpIfTheServiceKeepsResponding() {
        StreamHandler twoThenFailure = (number, request, observer) -> {
            TWO.stream(number, request, observer);
            throw retryAfterMillis(1000);
        };
        try (FakeService service = FakeService.start(twoThenFailure);
                PaymentsClient client = service.client();
                Stream<PaymentUpdate> updates = client.watchPayments(withTimeout(Duration.ofSeconds(4)))) {
            assertEquals(ids(1, 12), nextIds(updates.iterator(), 12));
        }
    }

    @Test
    void aStreamMayBeSilentForLongerThanTheTimeout() {
        StreamHandler slow = (number, request, observer) -> {
            observer.onNext(event(1));
            CompletableFuture.delayedExecutor(5, TimeUnit.SECONDS).execute(() -> observer.onNext(event(2)));
        };
        try (FakeService service = FakeService.start(slow);
                PaymentsClient client = service.client(Duration.ofSeconds(4));
                Stream<PaymentUpdate> updates = client.watchPayments(withTimeout(Duration.ofSeconds(4)))) {
            assertEquals(ids(1, 2), nextIds(updates.iterator(), 2));
            assertEquals(1, service.calls().size());
            assertNull(service.lastCall().remaining());
        }
    }

    // Ending

    /** {@return a handler that also counts down when the client ends the stream} */
    static StreamHandler signaling(CountDownLatch ended, StreamHandler handler) {
        return (number, request, observer) -> {
            observer.setOnCancelHandler(ended::countDown);
            handler.stream(number, request, observer);
        };
    }

    @Test
    void aWatchSendsNothingBeforeItIsConsumed() {
        try (FakeService service = FakeService.start(TWO);
                PaymentsClient client = service.client()) {
            client.watchPayments(FROM_NOW).close();
            try (Stream<PaymentUpdate> updates = client.watchPayments(FROM_NOW)) {
                updates.iterator();
                assertEquals(0, service.calls().size());
            }
        }
    }

    @Test
    void closingAWatchEndsTheStreamOnTheServer() throws Exception {
        CountDownLatch ended = new CountDownLatch(1);
        try (FakeService service = FakeService.start(signaling(ended, TWO));
                PaymentsClient client = service.client()) {
            try (Stream<PaymentUpdate> updates = client.watchPayments(FROM_NOW)) {
                assertEquals(2, updates.limit(2).count());
                assertEquals(1, ended.getCount());
            }
            assertTrue(ended.await(20, TimeUnit.SECONDS));
        }
    }

    @Test
    void closingAWatchWhileAnotherThreadWaitsForAnUpdateEndsIt() throws Exception {
        CountDownLatch ended = new CountDownLatch(1);
        assertEquals(
                2, updatesBeforeEnding(signaling(ended, TWO), Closing.WATCH).get(20, TimeUnit.SECONDS));
        assertTrue(ended.await(20, TimeUnit.SECONDS));
    }

    @Test
    void closingAWatchDuringABackoffEndsIt() throws Exception {
        assertEquals(
                0,
                updatesBeforeEnding(failWith(retryAfterMillis(3_600_000)), Closing.WATCH)
                        .get(20, TimeUnit.SECONDS));
    }

    @Test
    void closingAWatchWhileItOpensItsStreamEndsIt() {
        AtomicReference<Stream<PaymentUpdate>> opening = new AtomicReference<>();
        ClientInterceptor closing = new ClientInterceptor() {
            @Override
            public <Q, A> ClientCall<Q, A> interceptCall(
                    MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
                opening.get().close();
                return next.newCall(method, options);
            }
        };
        try (FakeService service = FakeService.start(NOTHING);
                PaymentsClient client = PaymentsClient.builder()
                        .target(service.target())
                        .interceptor(closing)
                        .build();
                Stream<PaymentUpdate> updates = client.watchPayments(FROM_NOW)) {
            opening.set(updates);
            assertTrue(updates.findFirst().isEmpty());
        }
    }

    static Stream<StreamHandler> waits() {
        return Stream.of(TWO, failWith(retryAfterMillis(3_600_000)));
    }

    @ParameterizedTest
    @MethodSource("waits")
    void closingTheClientEndsAWaitingWatchWithAnException(StreamHandler handler) {
        ExecutionException ended = assertThrows(
                ExecutionException.class,
                () -> updatesBeforeEnding(handler, Closing.CLIENT).get(20, TimeUnit.SECONDS));
        assertInstanceOf(OutcomeUnknownException.class, ended.getCause());
    }

    /** Selects what to close: the client or the watch. */
    @FunctionalInterface
    private interface Closing {
        Closing WATCH = (client, updates) -> updates;
        Closing CLIENT = (client, updates) -> client;

        AutoCloseable of(PaymentsClient client, Stream<PaymentUpdate> updates);
    }

    /** {@return the number of updates that another thread received from a watch before the watch was closed} */
    private static CompletableFuture<Integer> updatesBeforeEnding(StreamHandler handler, Closing closing)
            throws Exception {
        CountDownLatch started = new CountDownLatch(1);
        StreamHandler signaling = (number, request, observer) -> {
            started.countDown();
            handler.stream(number, request, observer);
        };
        try (FakeService service = FakeService.start(signaling);
                PaymentsClient client = service.client();
                Stream<PaymentUpdate> updates = client.watchPayments(FROM_NOW)) {
            AtomicInteger count = new AtomicInteger();
            CompletableFuture<Integer> watching = CompletableFuture.supplyAsync(() -> {
                updates.forEach(update -> count.incrementAndGet());
                return count.get();
            });
            assertTrue(started.await(20, TimeUnit.SECONDS));
            Thread.sleep(500); // so that the thread waits for an update or in a backoff
            assertFalse(watching.isDone());
            closing.of(client, updates).close();
            watching.handle((result, thrown) -> result).get(20, TimeUnit.SECONDS);
            return watching;
        }
    }

    @ParameterizedTest
    @MethodSource("waits")
    void anInterruptEndsAWatchAndStaysSet(StreamHandler handler) throws Exception {
        Thread thread = Thread.currentThread();
        CountDownLatch ended = new CountDownLatch(1);
        StreamHandler interrupting = signaling(ended, (number, request, observer) -> {
            CompletableFuture.delayedExecutor(300, TimeUnit.MILLISECONDS).execute(thread::interrupt);
            handler.stream(number, request, observer);
        });
        try (FakeService service = FakeService.start(interrupting);
                PaymentsClient client = service.client();
                Stream<PaymentUpdate> updates = client.watchPayments(FROM_NOW)) {
            OutcomeUnknownException thrown =
                    assertThrows(OutcomeUnknownException.class, () -> updates.forEach(update -> {}));
            assertEquals(Status.Code.CANCELLED, thrown.code());
            assertTrue(Thread.interrupted());
            assertEquals(1, service.calls().size());
            assertTrue(handler != TWO || ended.await(20, TimeUnit.SECONDS));
        }
    }

    @Test
    void cancelingTheContextEndsAWatch() {
        try (Context.CancellableContext context = Context.current().withCancellation();
                FakeService service = FakeService.start((StreamHandler) (number, request, observer) -> {
                    context.cancel(null);
                });
                PaymentsClient client = service.client();
                Stream<PaymentUpdate> updates = client.watchPayments(FROM_NOW)) {
            context.run(() -> {
                OutcomeUnknownException thrown = assertThrows(OutcomeUnknownException.class, updates::findFirst);
                assertEquals(Status.Code.CANCELLED, thrown.code());
            });
            assertEquals(1, service.calls().size());
        }
    }

    @Test
    void aDeadlineOfTheContextEndsAWatch() {
        ScheduledExecutorService scheduler = Executors.newSingleThreadScheduledExecutor();
        try (FakeService service = FakeService.start(TWO);
                PaymentsClient client = service.client();
                Stream<PaymentUpdate> updates = client.watchPayments(FROM_NOW);
                Context.CancellableContext context =
                        Context.current().withDeadlineAfter(3, TimeUnit.SECONDS, scheduler)) {
            AtomicInteger count = new AtomicInteger();
            context.run(() -> assertThrows(
                    DeadlineExceededException.class, () -> updates.forEach(update -> count.incrementAndGet())));
            assertEquals(2, count.get());
            assertEquals(1, service.calls().size());
        } finally {
            scheduler.shutdownNow();
        }
    }

    @Test
    void anExceptionOfTheCallersCodePropagates() {
        try (FakeService service = FakeService.start(TWO);
                PaymentsClient client = service.client();
                Stream<PaymentUpdate> updates = client.watchPayments(FROM_NOW)) {
            StatusRuntimeException own = Status.UNAVAILABLE.asRuntimeException();
            StatusRuntimeException thrown = assertThrows(
                    StatusRuntimeException.class,
                    () -> updates.forEach(update -> {
                        throw own;
                    }));
            assertEquals(own, thrown);
            assertEquals(1, service.calls().size());
        }
    }

    // Flow control

    /** Sends events of 10 KB for as long as flow control allows. */
    static final class FastSender implements StreamHandler {
        static final int ALL = 20_000;

        private static final String LONG = "x".repeat(10_000);
        private final AtomicInteger sentCount = new AtomicInteger();

        @Override
        public void stream(
                int number, WatchPaymentsRequest request, ServerCallStreamObserver<WatchPaymentsResponse> observer) {
            observer.setOnReadyHandler(() -> {
                while (observer.isReady() && sentCount.get() < ALL) {
                    WatchPaymentsResponse.Builder response = event(sentCount.incrementAndGet()).toBuilder();
                    response.getEventBuilder().setCaller(LONG);
                    observer.onNext(response.build());
                }
            });
        }

        /** Waits until the service stops sending, and returns the number of sent events. */
        int waitUntilBlocked() throws InterruptedException {
            int before;
            do {
                before = sentCount.get();
                Thread.sleep(1000);
            } while (sentCount.get() != before);
            return before;
        }
    }

    @Test
    void theServerSendsOnlyALittleAheadOfTheConsumer() throws Exception {
        FastSender sender = new FastSender();
        try (FakeService service = FakeService.start(sender);
                PaymentsClient client = service.client();
                Stream<PaymentUpdate> stream = client.watchPayments(FROM_NOW)) {
            Iterator<PaymentUpdate> updates = stream.iterator();
            assertEquals(ids(1, 1), nextIds(updates, 1));
            int sent = sender.waitUntilBlocked();
            assertTrue(sent < FastSender.ALL / 2, sent + " were sent, but only one consumed");
            assertEquals(ids(2, FastSender.ALL), nextIds(updates, FastSender.ALL - 1));
            assertEquals(List.of(""), tokens(service));
        }
    }
}
