package payments;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static payments.Calls.FROM_NOW;
import static payments.Handlers.NO_GRPC_RETRY;
import static payments.Handlers.retryAfterMillis;
import static payments.Handlers.unavailable;
import static payments.WatchingTest.AFTER_7;
import static payments.WatchingTest.NOTHING;
import static payments.WatchingTest.TWO;
import static payments.WatchingTest.event;
import static payments.WatchingTest.failWith;
import static payments.WatchingTest.ids;
import static payments.WatchingTest.signaling;
import static payments.WatchingTest.tokens;
import static payments.WatchingTest.withTimeout;

import io.grpc.Context;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import payments.FakeService.StreamHandler;

/** The watches of the asynchronous client. */
@Timeout(60)
class AsyncWatchingTest {
    private static List<Long> nextIds(ItemRecorder<PaymentUpdate> updates, int count) {
        return updates.next(count).stream()
                .map(update -> update.event().orElseThrow().payment().paymentId())
                .toList();
    }

    private static <E extends Throwable> E failureOf(Class<E> kind, CompletableFuture<?> end) {
        ExecutionException failed = assertThrows(ExecutionException.class, () -> end.get(20, TimeUnit.SECONDS));
        return assertInstanceOf(kind, failed.getCause());
    }

    // Resuming

    @ParameterizedTest
    @MethodSource("payments.WatchingTest#resumableErrors")
    void aWatchResumesFromItsLastTokenAfterAResumableError(StatusRuntimeException error) {
        StreamHandler twoThenEnd = (number, request, observer) -> {
            TWO.stream(number, request, observer);
            if (error != null) {
                throw error;
            }
            observer.onCompleted();
        };
        try (FakeService service = FakeService.start(twoThenEnd);
                AsyncPaymentsClient client = service.asyncClient()) {
            ItemRecorder<PaymentUpdate> updates = ItemRecorder.of(client.watchPayments(AFTER_7));
            updates.request(6);
            assertEquals(ids(8, 13), nextIds(updates, 6));
            assertEquals(List.of("7", "9", "11"), tokens(service));
            updates.cancel();
        }
    }

    @Test
    void aWatchResumesAfterItsConnectionBreaks() throws Exception {
        try (FakeService service = FakeService.start(TWO);
                Proxy proxy = Proxy.to(service);
                AsyncPaymentsClient client =
                        AsyncPaymentsClient.builder().target(proxy.target()).build()) {
            ItemRecorder<PaymentUpdate> updates = ItemRecorder.of(client.watchPayments(FROM_NOW));
            updates.request(Long.MAX_VALUE);
            assertEquals(ids(1, 2), nextIds(updates, 2));
            proxy.breakConnections();
            assertEquals(ids(3, 4), nextIds(updates, 2));
            assertEquals(List.of("", "2"), tokens(service));
        }
    }

    @Test
    void eachSubscriptionStartsFromTheSameToken() {
        try (FakeService service = FakeService.start(TWO);
                AsyncPaymentsClient client = service.asyncClient()) {
            ItemPublisher<PaymentUpdate> publisher = client.watchPayments(AFTER_7);
            for (int count = 0; count < 2; count++) {
                ItemRecorder<PaymentUpdate> updates = ItemRecorder.of(publisher);
                updates.request(2);
                assertEquals(ids(8, 9), nextIds(updates, 2));
                updates.cancel();
            }
            assertEquals(List.of("7", "7"), tokens(service));
        }
    }

    // Giving up

    @ParameterizedTest
    @MethodSource("payments.WatchingTest#errorsThatAreNotResumable")
    void anErrorThatIsNotResumableEndsTheWatchAfterItsUpdates(StatusRuntimeException error) {
        StreamHandler twoThenFailure = (number, request, observer) -> {
            TWO.stream(number, request, observer);
            throw error;
        };
        try (FakeService service = FakeService.start(twoThenFailure);
                AsyncPaymentsClient client = service.asyncClient()) {
            ItemRecorder<PaymentUpdate> updates = ItemRecorder.of(client.watchPayments(AFTER_7));
            updates.request(1);
            assertEquals(ids(8, 8), nextIds(updates, 1));
            assertFalse(updates.end().isDone());
            updates.request(1);
            assertEquals(ids(9, 9), nextIds(updates, 1));
            PaymentsException thrown = failureOf(PaymentsException.class, updates.end());
            assertEquals(Errors.fromRpc(error, null).getClass(), thrown.getClass());
            assertEquals(1, service.calls().size());
        }
    }

    @Test
    void aWatchGivesUpIfTheServiceDoesNotRespond() throws Exception {
        CountDownLatch ended = new CountDownLatch(1);
        try (FakeService service = FakeService.start(signaling(ended, NOTHING));
                AsyncPaymentsClient client = service.asyncClient()) {
            ItemRecorder<PaymentUpdate> updates =
                    ItemRecorder.of(client.watchPayments(withTimeout(Duration.ofSeconds(1))));
            updates.request(1);
            failureOf(DeadlineExceededException.class, updates.end());
            assertTrue(ended.await(20, TimeUnit.SECONDS));
        }
    }

    @Test
    void aWatchGivesUpIfTheServiceStaysUnavailable() {
        try (FakeService service = FakeService.start(failWith(unavailable(NO_GRPC_RETRY)));
                AsyncPaymentsClient client = service.asyncClient()) {
            ItemRecorder<PaymentUpdate> updates =
                    ItemRecorder.of(client.watchPayments(withTimeout(Duration.ofSeconds(2))));
            updates.request(1);
            assertEquals(
                    "the database cannot be reached",
                    failureOf(UnavailableException.class, updates.end()).getMessage());
            assertTrue(service.calls().size() > 1, service.calls().size() + " streams");
        }
    }

    @Test
    void aSlowSubscriberIsNotMistakenForASilentService() {
        StreamHandler many =
                (number, request, observer) -> IntStream.rangeClosed(1, 100).forEach(id -> observer.onNext(event(id)));
        try (FakeService service = FakeService.start(many);
                AsyncPaymentsClient client = service.asyncClient()) {
            ItemRecorder<PaymentUpdate> slow =
                    ItemRecorder.of(client.watchPayments(withTimeout(Duration.ofSeconds(1))));
            slow.request(1);
            assertEquals(ids(1, 1), nextIds(slow, 1));
            // Another watch shows that the timeout has passed.
            ItemRecorder<PaymentUpdate> silent = ItemRecorder.of(client.watchPayments(
                    WatchPaymentsParams.builder().timeout(Duration.ofSeconds(1)).build()));
            silent.request(100);
            assertEquals(100, silent.next(100).size());
            slow.request(99);
            assertEquals(ids(2, 100), nextIds(slow, 99));
        }
    }

    // Ending

    @Test
    void aWatchSendsNothingBeforeAnUpdateIsRequested() {
        try (FakeService service = FakeService.start(TWO);
                AsyncPaymentsClient client = service.asyncClient()) {
            ItemRecorder<PaymentUpdate> idle = ItemRecorder.of(client.watchPayments(AFTER_7));
            ItemRecorder<PaymentUpdate> other = ItemRecorder.of(client.watchPayments(FROM_NOW));
            other.request(2);
            other.next(2);
            assertEquals(List.of(""), tokens(service));
            assertFalse(idle.hasMore());
        }
    }

    @Test
    void cancelingEndsTheStreamOnTheServer() throws Exception {
        CountDownLatch ended = new CountDownLatch(1);
        try (FakeService service = FakeService.start(signaling(ended, TWO));
                AsyncPaymentsClient client = service.asyncClient()) {
            ItemRecorder<PaymentUpdate> updates = ItemRecorder.of(client.watchPayments(FROM_NOW));
            updates.request(3);
            assertEquals(ids(1, 2), nextIds(updates, 2));
            updates.cancel();
            assertTrue(ended.await(20, TimeUnit.SECONDS));
            assertFalse(updates.end().isDone());
            assertEquals(1, service.calls().size());
        }
    }

    @Test
    void aWatchThatIsCanceledDuringABackoffDoesNotResume() throws Exception {
        CountDownLatch arrived = new CountDownLatch(1);
        // The second watch outlasts the pause of the first one.
        StreamHandler handler = (number, request, observer) -> {
            arrived.countDown();
            if (number <= 2) {
                throw retryAfterMillis(number == 1 ? 300 : 1000);
            }
            TWO.stream(number, request, observer);
        };
        try (FakeService service = FakeService.start(handler);
                AsyncPaymentsClient client = service.asyncClient()) {
            ItemRecorder<PaymentUpdate> canceled = ItemRecorder.of(client.watchPayments(FROM_NOW));
            canceled.request(1);
            assertTrue(arrived.await(20, TimeUnit.SECONDS));
            canceled.cancel();
            ItemRecorder<PaymentUpdate> other = ItemRecorder.of(client.watchPayments(FROM_NOW));
            other.request(2);
            other.next(2);
            assertEquals(3, service.calls().size());
        }
    }

    @Test
    void cancelingForEachEndsTheStreamOnTheServer() throws Exception {
        CountDownLatch ended = new CountDownLatch(1);
        CountDownLatch received = new CountDownLatch(2);
        try (FakeService service = FakeService.start(signaling(ended, TWO));
                AsyncPaymentsClient client = service.asyncClient()) {
            CompletableFuture<Void> watch = client.watchPayments(FROM_NOW).forEach(update -> received.countDown());
            assertTrue(received.await(20, TimeUnit.SECONDS));
            watch.cancel(true);
            assertTrue(ended.await(20, TimeUnit.SECONDS));
        }
    }

    @Test
    void anExceptionOfTheSubscriberEndsTheWatch() throws Exception {
        CountDownLatch ended = new CountDownLatch(1);
        try (FakeService service = FakeService.start(signaling(ended, TWO));
                AsyncPaymentsClient client = service.asyncClient()) {
            RuntimeException own = Status.UNAVAILABLE.asRuntimeException();
            AtomicInteger count = new AtomicInteger();
            CompletableFuture<Void> watch = client.watchPayments(FROM_NOW).forEach(update -> {
                count.incrementAndGet();
                throw own;
            });
            assertSame(own, failureOf(RuntimeException.class, watch));
            assertTrue(ended.await(20, TimeUnit.SECONDS));
            assertEquals(1, count.get());
            assertEquals(1, service.calls().size());
        }
    }

    static Stream<StreamHandler> waits() {
        return WatchingTest.waits();
    }

    @ParameterizedTest
    @MethodSource("waits")
    void closingTheClientFailsItsWatches(StreamHandler handler) throws Exception {
        CountDownLatch arrived = new CountDownLatch(1);
        StreamHandler signaling = (number, request, observer) -> {
            arrived.countDown();
            handler.stream(number, request, observer);
        };
        try (FakeService service = FakeService.start(signaling)) {
            AsyncPaymentsClient client = service.asyncClient();
            ItemRecorder<PaymentUpdate> updates = ItemRecorder.of(client.watchPayments(FROM_NOW));
            updates.request(Long.MAX_VALUE);
            assertTrue(arrived.await(20, TimeUnit.SECONDS));
            client.close();
            failureOf(OutcomeUnknownException.class, updates.end());
            assertEquals(1, service.calls().size());
        }
    }

    @Test
    void cancelingTheContextOfASubscriptionEndsIt() {
        try (Context.CancellableContext context = Context.current().withCancellation();
                FakeService service = FakeService.start((StreamHandler) (number, request, observer) -> {
                    context.cancel(null);
                });
                AsyncPaymentsClient client = service.asyncClient()) {
            CompletableFuture<Void> end = new CompletableFuture<>();
            context.run(() -> client.watchPayments(FROM_NOW)
                    .forEach(update -> {})
                    .whenComplete((nothing, failure) -> end.completeExceptionally(failure)));
            OutcomeUnknownException error = failureOf(OutcomeUnknownException.class, end);
            assertEquals(Status.Code.CANCELLED, error.code());
            assertEquals(1, service.calls().size());
        }
    }

    // Flow control

    @Test
    void theServerSendsOnlyALittleAheadOfTheSubscriber() throws Exception {
        WatchingTest.FastSender sender = new WatchingTest.FastSender();
        try (FakeService service = FakeService.start(sender);
                AsyncPaymentsClient client = service.asyncClient()) {
            ItemRecorder<PaymentUpdate> updates = ItemRecorder.of(client.watchPayments(FROM_NOW));
            updates.request(1);
            assertEquals(ids(1, 1), nextIds(updates, 1));
            int sent = sender.waitUntilBlocked();
            assertTrue(sent < WatchingTest.FastSender.ALL / 2, sent + " were sent, but only one requested");
            assertFalse(updates.hasMore());
            updates.request(WatchingTest.FastSender.ALL);
            assertEquals(ids(2, WatchingTest.FastSender.ALL), nextIds(updates, WatchingTest.FastSender.ALL - 1));
            assertEquals(List.of(""), tokens(service));
        }
    }

    @Test
    void theServerSendsOnlyALittleAheadOfABlockedAction() throws Exception {
        WatchingTest.FastSender sender = new WatchingTest.FastSender();
        try (FakeService service = FakeService.start(sender);
                AsyncPaymentsClient client = service.asyncClient()) {
            CountDownLatch isChecked = new CountDownLatch(1);
            CountDownLatch all = new CountDownLatch(WatchingTest.FastSender.ALL);
            client.watchPayments(FROM_NOW).forEach(update -> {
                try {
                    isChecked.await();
                } catch (InterruptedException interrupted) {
                    throw new AssertionError(interrupted);
                }
                all.countDown();
            });
            int sent = sender.waitUntilBlocked();
            assertTrue(sent > 0 && sent < WatchingTest.FastSender.ALL / 2, sent + " were sent");
            isChecked.countDown();
            assertTrue(all.await(30, TimeUnit.SECONDS));
        }
    }

    @Test
    void signalsStayInOrderAlthoughManyThreadsRequestUpdates() {
        WatchingTest.FastSender sender = new WatchingTest.FastSender();
        try (FakeService service = FakeService.start(sender);
                AsyncPaymentsClient client = service.asyncClient()) {
            ItemRecorder<PaymentUpdate> updates = ItemRecorder.of(client.watchPayments(FROM_NOW));
            IntStream.range(0, 2000).parallel().forEach(number -> updates.request(1));
            assertEquals(ids(1, 2000), nextIds(updates, 2000));
            assertFalse(updates.end().isDone());
        }
    }
}
