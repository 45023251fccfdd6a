package payments;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static payments.Answers.NEVER;
import static payments.Answers.comeBackAfterMillis;
import static payments.Answers.failure;
import static payments.Answers.reason;
import static payments.Answers.unavailable;
import static payments.Calls.FROM_NOW;

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
import payments.FakeService.Telling;
import payments.v1.PaymentEvent;
import payments.v1.WatchPaymentsRequest;
import payments.v1.WatchPaymentsResponse;

@Timeout(60)
class WatchingTest {
    /** Says nothing, and lets the stream be. */
    private static final Telling NOTHING = (number, request, observer) -> {};

    /** Tells of two payments after the one that the token names, and lets the stream be. */
    private static final Telling TWO = (number, request, observer) -> {
        long last = request.getResumeToken().isEmpty() ? 0 : Long.parseLong(request.getResumeToken());
        observer.onNext(told(last + 1));
        observer.onNext(told(last + 2));
    };

    private static final WatchPaymentsParams AFTER_7 =
            WatchPaymentsParams.builder().resumeToken("7").build();

    @AfterEach
    void forgetTheInterrupt() {
        Thread.interrupted();
    }

    private static WatchPaymentsResponse told(long paymentId) {
        return WatchPaymentsResponse.newBuilder()
                .setEvent(PaymentEvent.newBuilder()
                        .setPayment(payments.v1.Payment.newBuilder().setPaymentId(paymentId)))
                .setResumeToken(Long.toString(paymentId))
                .build();
    }

    private static Telling failing(StatusRuntimeException failure) {
        return (number, request, observer) -> {
            throw failure;
        };
    }

    private static WatchPaymentsParams within(Duration timeout) {
        return WatchPaymentsParams.builder().timeout(timeout).build();
    }

    private static List<Long> next(Iterator<PaymentUpdate> updates, int count) {
        return Stream.generate(updates::next)
                .limit(count)
                .map(update -> update.event().orElseThrow().payment().paymentId())
                .toList();
    }

    private static List<Long> ids(long first, long last) {
        return LongStream.rangeClosed(first, last).boxed().toList();
    }

    private static List<String> tokens(FakeService service) {
        return service.requests(WatchPaymentsRequest.class).stream()
                .map(WatchPaymentsRequest::getResumeToken)
                .toList();
    }

    // Going on

    /** How a stream may end that is gone on with; null is its plain end. */
    static Stream<StatusRuntimeException> endsThatPass() {
        return Stream.of(
                failure(Status.Code.UNAVAILABLE, "the service stops", null, reason("SHUTTING_DOWN")),
                failure(Status.Code.RESOURCE_EXHAUSTED, "too many", null, reason("TOO_MANY_WATCHES")),
                failure(Status.Code.RESOURCE_EXHAUSTED, "too many", null, reason("OVERLOADED")),
                failure(Status.Code.CANCELLED, "the server stops", null),
                failure(Status.Code.INTERNAL, "the stream was reset", null),
                failure(Status.Code.UNKNOWN, "the connection was lost", null),
                failure(Status.Code.DEADLINE_EXCEEDED, "the proxy waits no longer", null),
                null);
    }

    @ParameterizedTest
    @MethodSource("endsThatPass")
    void aWatchGoesOnFromItsLastTokenAfterWhatPasses(StatusRuntimeException end) {
        Telling twoThenEnd = (number, request, observer) -> {
            TWO.tell(number, request, observer);
            if (end != null) {
                throw end;
            }
            observer.onCompleted();
        };
        try (FakeService service = FakeService.answering(twoThenEnd);
                PaymentsClient client = service.client();
                Stream<PaymentUpdate> updates = client.watchPayments(AFTER_7)) {
            assertEquals(ids(8, 13), next(updates.iterator(), 6));
            assertEquals(List.of("7", "9", "11"), tokens(service));
        }
    }

    @Test
    void aWatchGoesOnAfterItsConnectionWasCut() throws Exception {
        try (FakeService service = FakeService.answering(TWO);
                Wire wire = Wire.to(service);
                PaymentsClient client =
                        PaymentsClient.builder().target(wire.target()).build();
                Stream<PaymentUpdate> stream = client.watchPayments(FROM_NOW)) {
            Iterator<PaymentUpdate> updates = stream.iterator();
            assertEquals(ids(1, 2), next(updates, 2));
            wire.cut();
            assertEquals(ids(3, 4), next(updates, 2));
            assertEquals(List.of("", "2"), tokens(service));
        }
    }

    @Test
    void aWatchFindsAServiceThatRestartsAgain() {
        FakeService before = FakeService.answering(TWO);
        try (PaymentsClient client = before.client();
                Stream<PaymentUpdate> stream = client.watchPayments(FROM_NOW)) {
            Iterator<PaymentUpdate> updates = stream.iterator();
            assertEquals(ids(1, 2), next(updates, 2));
            before.close();
            CompletableFuture<FakeService> after = CompletableFuture.supplyAsync(
                    () -> FakeService.answering(before.port(), TWO),
                    CompletableFuture.delayedExecutor(2, TimeUnit.SECONDS));
            try {
                assertEquals(ids(3, 4), next(updates, 2));
            } finally {
                after.join().close();
            }
        } finally {
            before.close();
        }
    }

    @Test
    void aWatchWaitsAsLongAsTheServiceAsks() {
        Telling onceLater = (number, request, observer) -> {
            if (number == 1) {
                throw comeBackAfterMillis(400);
            }
            TWO.tell(number, request, observer);
        };
        try (FakeService service = FakeService.answering(onceLater);
                PaymentsClient client = service.client();
                Stream<PaymentUpdate> updates = client.watchPayments(FROM_NOW)) {
            assertEquals(ids(1, 2), next(updates.iterator(), 2));
            List<FakeService.Received> received = service.received();
            long pauseNanos = received.get(1).atNanos() - received.get(0).atNanos();
            assertTrue(pauseNanos >= TimeUnit.MILLISECONDS.toNanos(400), "the pause was of " + pauseNanos + " ns");
        }
    }

    // Giving up

    private static StatusRuntimeException withCallId(StatusRuntimeException failure) {
        failure.getTrailers().put(Metadata.Key.of("x-request-id", Metadata.ASCII_STRING_MARSHALLER), "in the log");
        return failure;
    }

    static Stream<StatusRuntimeException> endsThatDoNotPass() {
        return Stream.of(
                failure(Status.Code.INVALID_ARGUMENT, "no token", null, reason("INVALID_REQUEST")),
                failure(Status.Code.FAILED_PRECONDITION, "too old", null, reason("RESUME_TOKEN_EXPIRED")),
                failure(Status.Code.UNAUTHENTICATED, "the key ended", null, reason("API_KEY_INVALID")),
                failure(Status.Code.RESOURCE_EXHAUSTED, "too large", null),
                withCallId(failure(Status.Code.INTERNAL, "a fault", null, reason("INTERNAL"))));
    }

    @ParameterizedTest
    @MethodSource("endsThatDoNotPass")
    void whatDoesNotPassIsRaisedOnceAndEndsTheWatch(StatusRuntimeException end) {
        try (FakeService service = FakeService.answering(failing(end));
                PaymentsClient client = service.client();
                Stream<PaymentUpdate> stream = client.watchPayments(AFTER_7)) {
            Iterator<PaymentUpdate> updates = stream.iterator();
            PaymentsException raised = assertThrows(PaymentsException.class, updates::hasNext);
            assertEquals(Errors.fromRpc(end, null).getClass(), raised.getClass());
            assertTrue(raised.requestId().isEmpty());
            assertFalse(updates.hasNext());
            assertEquals(1, service.received().size());
        }
    }

    @Test
    void aServiceThatIsAwayForTooLongIsGivenUp() {
        try (FakeService service = FakeService.answering(failing(unavailable(NEVER)));
                PaymentsClient client = service.client();
                Stream<PaymentUpdate> updates = client.watchPayments(within(Duration.ofSeconds(2)))) {
            assertEquals(
                    "the database cannot be reached",
                    assertThrows(UnavailableException.class, updates::findFirst).getMessage());
            assertTrue(service.received().size() > 1, service.received().size() + " streams");
        }
    }

    @Test
    void aServiceThatDoesNotAnswerIsGivenUp() throws Exception {
        CountDownLatch ended = new CountDownLatch(1);
        try (FakeService service = FakeService.answering(noting(ended, NOTHING));
                PaymentsClient client = service.client();
                Stream<PaymentUpdate> updates = client.watchPayments(within(Duration.ofSeconds(1)))) {
            assertThrows(DeadlineExceededException.class, updates::findFirst);
            assertTrue(ended.await(20, TimeUnit.SECONDS));
        }
    }

    @Test
    void aServiceThatFailsAndThenDoesNotAnswerIsGivenUpWithTheErrorThatSaysWhy() {
        Telling failsOnce = (number, request, observer) -> {
            if (number == 1) {
                throw unavailable(NEVER);
            }
        };
        try (FakeService service = FakeService.answering(failsOnce);
                PaymentsClient client = service.client();
                Stream<PaymentUpdate> updates = client.watchPayments(within(Duration.ofSeconds(3)))) {
            UnavailableException raised = assertThrows(UnavailableException.class, updates::findFirst);
            assertInstanceOf(DeadlineExceededException.class, raised.getSuppressed()[0]);
            assertEquals(2, service.received().size());
        }
    }

    @Test
    void aServiceThatAnswersNowAndThenIsNeverGivenUp() {
        Telling twoThenAway = (number, request, observer) -> {
            TWO.tell(number, request, observer);
            throw comeBackAfterMillis(1000);
        };
        try (FakeService service = FakeService.answering(twoThenAway);
                PaymentsClient client = service.client();
                Stream<PaymentUpdate> updates = client.watchPayments(within(Duration.ofSeconds(4)))) {
            assertEquals(ids(1, 12), next(updates.iterator(), 12));
        }
    }

    @Test
    void aStreamThatIsSilentForLongerThanItsTimeoutGoesOn() {
        Telling slow = (number, request, observer) -> {
            observer.onNext(told(1));
            CompletableFuture.delayedExecutor(5, TimeUnit.SECONDS).execute(() -> observer.onNext(told(2)));
        };
        try (FakeService service = FakeService.answering(slow);
                PaymentsClient client = service.client(Duration.ofSeconds(4));
                Stream<PaymentUpdate> updates = client.watchPayments(within(Duration.ofSeconds(4)))) {
            assertEquals(ids(1, 2), next(updates.iterator(), 2));
            assertEquals(1, service.received().size());
            assertNull(service.last().remaining());
        }
    }

    // Ending

    /** {@return what does the same, and counts down when the stream has ended on the other side} */
    private static Telling noting(CountDownLatch ended, Telling telling) {
        return (number, request, observer) -> {
            observer.setOnCancelHandler(ended::countDown);
            telling.tell(number, request, observer);
        };
    }

    @Test
    void aWatchAsksForNothingBeforeItsFirstUpdateIsAskedFor() {
        try (FakeService service = FakeService.answering(TWO);
                PaymentsClient client = service.client()) {
            client.watchPayments(FROM_NOW).close();
            try (Stream<PaymentUpdate> updates = client.watchPayments(FROM_NOW)) {
                updates.iterator();
                assertEquals(0, service.received().size());
            }
        }
    }

    @Test
    void closingAWatchThatWasReadEndsTheServicesStream() throws Exception {
        CountDownLatch ended = new CountDownLatch(1);
        try (FakeService service = FakeService.answering(noting(ended, TWO));
                PaymentsClient client = service.client()) {
            try (Stream<PaymentUpdate> updates = client.watchPayments(FROM_NOW)) {
                assertEquals(2, updates.limit(2).count());
                assertEquals(1, ended.getCount());
            }
            assertTrue(ended.await(20, TimeUnit.SECONDS));
        }
    }

    @Test
    void closingAWatchThatWaitsForAnUpdateInAnotherThreadEndsIt() throws Exception {
        CountDownLatch ended = new CountDownLatch(1);
        assertEquals(2, updatesBeforeEnding(noting(ended, TWO), Closing.WATCH).get(20, TimeUnit.SECONDS));
        assertTrue(ended.await(20, TimeUnit.SECONDS));
    }

    @Test
    void closingAWatchThatWaitsForAnotherStreamEndsIt() throws Exception {
        assertEquals(
                0,
                updatesBeforeEnding(failing(comeBackAfterMillis(3_600_000)), Closing.WATCH)
                        .get(20, TimeUnit.SECONDS));
    }

    @Test
    void closingAWatchJustWhenItsStreamIsOpenedEndsIt() {
        AtomicReference<Stream<PaymentUpdate>> opening = new AtomicReference<>();
        ClientInterceptor closing = new ClientInterceptor() {
            @Override
            public <Q, A> ClientCall<Q, A> interceptCall(
                    MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
                opening.get().close();
                return next.newCall(method, options);
            }
        };
        try (FakeService service = FakeService.answering(NOTHING);
                PaymentsClient client = PaymentsClient.builder()
                        .target(service.target())
                        .interceptor(closing)
                        .build();
                Stream<PaymentUpdate> updates = client.watchPayments(FROM_NOW)) {
            opening.set(updates);
            assertTrue(updates.findFirst().isEmpty());
        }
    }

    static Stream<Telling> waits() {
        return Stream.of(TWO, failing(comeBackAfterMillis(3_600_000)));
    }

    @ParameterizedTest
    @MethodSource("waits")
    void closingTheClientIsRaisedByAWatchThatWaits(Telling telling) {
        ExecutionException ended = assertThrows(
                ExecutionException.class,
                () -> updatesBeforeEnding(telling, Closing.CLIENT).get(20, TimeUnit.SECONDS));
        assertInstanceOf(OutcomeUnknownException.class, ended.getCause());
    }

    /** Which of the two is closed. */
    @FunctionalInterface
    private interface Closing {
        Closing WATCH = (client, updates) -> updates;
        Closing CLIENT = (client, updates) -> client;

        AutoCloseable of(PaymentsClient client, Stream<PaymentUpdate> updates);
    }

    /** {@return how many updates another thread has had of a watch that was closed while it waited} */
    private static CompletableFuture<Integer> updatesBeforeEnding(Telling telling, Closing closing) throws Exception {
        CountDownLatch begun = new CountDownLatch(1);
        Telling noting = (number, request, observer) -> {
            begun.countDown();
            telling.tell(number, request, observer);
        };
        try (FakeService service = FakeService.answering(noting);
                PaymentsClient client = service.client();
                Stream<PaymentUpdate> updates = client.watchPayments(FROM_NOW)) {
            AtomicInteger count = new AtomicInteger();
            CompletableFuture<Integer> watching = CompletableFuture.supplyAsync(() -> {
                updates.forEach(update -> count.incrementAndGet());
                return count.get();
            });
            assertTrue(begun.await(20, TimeUnit.SECONDS));
            Thread.sleep(500); // so that it waits, for one thing or the other
            assertFalse(watching.isDone());
            closing.of(client, updates).close();
            watching.handle((done, raised) -> done).get(20, TimeUnit.SECONDS);
            return watching;
        }
    }

    @ParameterizedTest
    @MethodSource("waits")
    void anInterruptEndsAWatchAndIsKept(Telling telling) throws Exception {
        Thread thread = Thread.currentThread();
        CountDownLatch ended = new CountDownLatch(1);
        Telling interrupting = noting(ended, (number, request, observer) -> {
            CompletableFuture.delayedExecutor(300, TimeUnit.MILLISECONDS).execute(thread::interrupt);
            telling.tell(number, request, observer);
        });
        try (FakeService service = FakeService.answering(interrupting);
                PaymentsClient client = service.client();
                Stream<PaymentUpdate> updates = client.watchPayments(FROM_NOW)) {
            OutcomeUnknownException raised =
                    assertThrows(OutcomeUnknownException.class, () -> updates.forEach(update -> {}));
            assertEquals(Status.Code.CANCELLED, raised.code());
            assertTrue(Thread.interrupted());
            assertEquals(1, service.received().size());
            assertTrue(telling != TWO || ended.await(20, TimeUnit.SECONDS));
        }
    }

    @Test
    void aCancelledContextEndsAWatch() {
        try (Context.CancellableContext context = Context.current().withCancellation();
                FakeService service = FakeService.answering((Telling) (number, request, observer) -> {
                    context.cancel(null);
                });
                PaymentsClient client = service.client();
                Stream<PaymentUpdate> updates = client.watchPayments(FROM_NOW)) {
            context.run(() -> {
                OutcomeUnknownException raised = assertThrows(OutcomeUnknownException.class, updates::findFirst);
                assertEquals(Status.Code.CANCELLED, raised.code());
            });
            assertEquals(1, service.received().size());
        }
    }

    @Test
    void aDeadlineOfTheContextEndsAWatch() {
        ScheduledExecutorService scheduler = Executors.newSingleThreadScheduledExecutor();
        try (FakeService service = FakeService.answering(TWO);
                PaymentsClient client = service.client();
                Stream<PaymentUpdate> updates = client.watchPayments(FROM_NOW);
                Context.CancellableContext context =
                        Context.current().withDeadlineAfter(3, TimeUnit.SECONDS, scheduler)) {
            AtomicInteger count = new AtomicInteger();
            context.run(() -> assertThrows(
                    DeadlineExceededException.class, () -> updates.forEach(update -> count.incrementAndGet())));
            assertEquals(2, count.get());
            assertEquals(1, service.received().size());
        } finally {
            scheduler.shutdownNow();
        }
    }

    @Test
    void whatTheCallersOwnCodeRaisesIsItsOwn() {
        try (FakeService service = FakeService.answering(TWO);
                PaymentsClient client = service.client();
                Stream<PaymentUpdate> updates = client.watchPayments(FROM_NOW)) {
            StatusRuntimeException own = Status.UNAVAILABLE.asRuntimeException();
            StatusRuntimeException raised = assertThrows(
                    StatusRuntimeException.class,
                    () -> updates.forEach(update -> {
                        throw own;
                    }));
            assertEquals(own, raised);
            assertEquals(1, service.received().size());
        }
    }

    // Pace

    /** Sends payments of 10 KB as long as the other side takes them. */
    private static final class Hose implements Telling {
        static final int ALL = 20_000;

        private static final String LONG = "x".repeat(10_000);
        private final AtomicInteger sent = new AtomicInteger();

        @Override
        public void tell(
                int number, WatchPaymentsRequest request, ServerCallStreamObserver<WatchPaymentsResponse> observer) {
            observer.setOnReadyHandler(() -> {
                while (observer.isReady() && sent.get() < ALL) {
                    WatchPaymentsResponse.Builder response = told(sent.incrementAndGet()).toBuilder();
                    response.getEventBuilder().setCaller(LONG);
                    observer.onNext(response.build());
                }
            });
        }

        /** {@return how many were sent, once no more are} */
        int sent() throws InterruptedException {
            int before;
            do {
                before = sent.get();
                Thread.sleep(1000);
            } while (sent.get() != before);
            return before;
        }
    }

    @Test
    void theServiceSendsNoMoreThanIsTakenButALittle() throws Exception {
        Hose hose = new Hose();
        try (FakeService service = FakeService.answering(hose);
                PaymentsClient client = service.client();
                Stream<PaymentUpdate> stream = client.watchPayments(FROM_NOW)) {
            Iterator<PaymentUpdate> updates = stream.iterator();
            assertEquals(ids(1, 1), next(updates, 1));
            int ahead = hose.sent();
            assertTrue(ahead < Hose.ALL / 2, ahead + " were sent, and one taken");
            assertEquals(ids(2, Hose.ALL), next(updates, Hose.ALL - 1));
            assertEquals(List.of(""), tokens(service));
        }
    }
}
