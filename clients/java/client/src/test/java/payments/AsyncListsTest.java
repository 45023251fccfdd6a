package payments;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static payments.Calls.ALL;
import static payments.Calls.EVENTS;
import static payments.Calls.REFUNDS;
import static payments.Handlers.NO_GRPC_RETRY;
import static payments.Handlers.failure;
import static payments.Handlers.hang;
import static payments.Handlers.unavailable;
import static payments.PagingTest.PAGES;

import io.grpc.Context;
import io.grpc.Status;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import payments.FakeService.Handler;
import payments.v1.ListPaymentEventsRequest;
import payments.v1.ListPaymentEventsResponse;
import payments.v1.ListPaymentsRequest;
import payments.v1.ListPaymentsResponse;
import payments.v1.ListRefundsRequest;
import payments.v1.ListRefundsResponse;
import payments.v1.PaymentFilter;

/** The lists of the asynchronous client. */
@Timeout(60)
class AsyncListsTest {
    private static List<Long> ids(List<Payment> payments) {
        return payments.stream().map(Payment::paymentId).toList();
    }

    private static <E extends Throwable> E failureOf(Class<E> kind, CompletableFuture<?> end) {
        ExecutionException failed = assertThrows(ExecutionException.class, () -> end.get(20, TimeUnit.SECONDS));
        return assertInstanceOf(kind, failed.getCause());
    }

    @Test
    void aListFetchesAllPagesWithTheSameConditions() throws Exception {
        ListPaymentsParams params =
                ListPaymentsParams.builder().orderId(342).pageSize(2).build();
        try (FakeService service = FakeService.start(PAGES);
                AsyncPaymentsClient client = service.asyncClient()) {
            List<Payment> payments = Calls.all(client.listPayments(params)).get(20, TimeUnit.SECONDS);
            assertEquals(List.of(1L, 2L, 3L, 4L, 5L, 6L), ids(payments));
            List<ListPaymentsRequest> requests = service.requests(ListPaymentsRequest.class);
            assertEquals(
                    List.of("", "2", "4"),
                    requests.stream().map(ListPaymentsRequest::getPageToken).toList());
            requests.forEach(request -> {
                assertEquals(PaymentFilter.newBuilder().setOrderId(342).build(), request.getFilter());
                assertEquals(2, request.getPageSize());
            });
        }
    }

    @Test
    void aListOfRefundsFetchesAllPages() throws Exception {
        Handler twoPages = (number, request) -> ListRefundsResponse.newBuilder()
                .addRefunds(payments.v1.Refund.newBuilder().setRefundId(number))
                .setNextPageToken(number == 1 ? "second" : "")
                .build();
        try (FakeService service = FakeService.start(twoPages);
                AsyncPaymentsClient client = service.asyncClient()) {
            List<Refund> refunds = Calls.all(client.listRefunds(REFUNDS)).get(20, TimeUnit.SECONDS);
            assertEquals(List.of(1L, 2L), refunds.stream().map(Refund::refundId).toList());
            assertEquals(
                    List.of("", "second"),
                    service.requests(ListRefundsRequest.class).stream()
                            .map(ListRefundsRequest::getPageToken)
                            .toList());
        }
    }

    @Test
    void aListOfEventsFetchesAllPages() throws Exception {
        Handler twoPages = (number, request) -> ListPaymentEventsResponse.newBuilder()
                .addEvents(payments.v1.PaymentEvent.newBuilder().setRequestId("request-" + number))
                .setNextPageToken(number == 1 ? "second" : "")
                .build();
        try (FakeService service = FakeService.start(twoPages);
                AsyncPaymentsClient client = service.asyncClient()) {
            List<PaymentEvent> events =
                    Calls.all(client.listPaymentEvents(EVENTS)).get(20, TimeUnit.SECONDS);
            assertEquals(
                    List.of("request-1", "request-2"),
                    events.stream().map(PaymentEvent::requestId).toList());
            assertEquals(
                    List.of("", "second"),
                    service.requests(ListPaymentEventsRequest.class).stream()
                            .map(ListPaymentEventsRequest::getPageToken)
                            .toList());
        }
    }

    @Test
    void aPageIsFetchedWhenItsFirstItemIsRequested() throws Exception {
        try (FakeService service = FakeService.start(PAGES);
                AsyncPaymentsClient client = service.asyncClient()) {
            ItemRecorder<Payment> payments = ItemRecorder.of(client.listPayments(ALL));
            for (long count = 1; count <= 6; count++) {
                assertEquals(count / 2, service.calls().size());
                payments.request(1);
                assertEquals(List.of(count), ids(payments.next(1)));
                assertEquals((count + 1) / 2, service.calls().size());
            }
            payments.end().get(20, TimeUnit.SECONDS);
            assertEquals(3, service.calls().size());
        }
    }

    @Test
    void noPageIsFetchedAhead() throws Exception {
        try (FakeService service = FakeService.start(PAGES);
                AsyncPaymentsClient client = service.asyncClient()) {
            ItemRecorder<Payment> idle = ItemRecorder.of(client.listPayments(ALL));
            ItemRecorder<Payment> payments = ItemRecorder.of(client.listPayments(ALL));
            payments.request(2);
            assertEquals(List.of(1L, 2L), ids(payments.next(2)));
            // The three pages of another list are fetched after anything that the first two would fetch.
            Calls.all(client.listPayments(ALL)).get(20, TimeUnit.SECONDS);
            assertEquals(1 + 3, service.calls().size());
            assertFalse(idle.hasMore());
        }
    }

    @Test
    void eachSubscriptionStartsFromTheBeginning() throws Exception {
        try (FakeService service = FakeService.start(PAGES);
                AsyncPaymentsClient client = service.asyncClient()) {
            ItemPublisher<Payment> payments = client.listPayments(
                    ListPaymentsParams.builder().pageToken("2").build());
            assertEquals(List.of(3L, 4L, 5L, 6L), ids(Calls.all(payments).get(20, TimeUnit.SECONDS)));
            assertEquals(List.of(3L, 4L, 5L, 6L), ids(Calls.all(payments).get(20, TimeUnit.SECONDS)));
        }
    }

    @Test
    void anEmptyPageDoesNotEndAList() throws Exception {
        Handler firstIsEmpty = (number, request) -> number == 1
                ? ListPaymentsResponse.newBuilder().setNextPageToken("4").build()
                : PAGES.handle(number, request);
        try (FakeService service = FakeService.start(firstIsEmpty);
                AsyncPaymentsClient client = service.asyncClient()) {
            assertEquals(
                    List.of(5L, 6L), ids(Calls.all(client.listPayments(ALL)).get(20, TimeUnit.SECONDS)));
        }
    }

    @Test
    void anErrorOfALaterPageComesAfterTheItemsBeforeIt() {
        Handler secondFails = (number, request) -> {
            if (number == 2) {
                throw failure(Status.Code.INVALID_ARGUMENT, "the page token is invalid", NO_GRPC_RETRY);
            }
            return PAGES.handle(number, request);
        };
        try (FakeService service = FakeService.start(secondFails);
                AsyncPaymentsClient client = service.asyncClient()) {
            ItemRecorder<Payment> payments = ItemRecorder.of(client.listPayments(ALL));
            payments.request(Long.MAX_VALUE);
            failureOf(InvalidRequestException.class, payments.end());
            assertEquals(List.of(1L, 2L), ids(payments.next(2)));
            assertFalse(payments.hasMore());
        }
    }

    @Test
    void aPageThatFailsTemporarilyIsRetried() throws Exception {
        Handler secondFailsOnce = (number, request) -> {
            if (number == 2) {
                throw unavailable(NO_GRPC_RETRY);
            }
            return PAGES.handle(number, request);
        };
        try (FakeService service = FakeService.start(secondFailsOnce);
                AsyncPaymentsClient client = service.asyncClient()) {
            assertEquals(
                    List.of(1L, 2L, 3L, 4L, 5L, 6L),
                    ids(Calls.all(client.listPayments(ALL)).get(20, TimeUnit.SECONDS)));
        }
    }

    // Ending

    @Test
    void cancelingCancelsTheCallThatFetchesAPage() throws Exception {
        CountDownLatch arrived = new CountDownLatch(1);
        CountDownLatch ended = new CountDownLatch(1);
        Handler hanging = (number, request) -> {
            Context.current().addListener(context -> ended.countDown(), Runnable::run);
            arrived.countDown();
            return hang().handle(number, request);
        };
        try (FakeService service = FakeService.start(hanging);
                AsyncPaymentsClient client = service.asyncClient(Duration.ofHours(1))) {
            ItemRecorder<Payment> payments = ItemRecorder.of(client.listPayments(ALL));
            payments.request(1);
            assertTrue(arrived.await(20, TimeUnit.SECONDS));
            payments.cancel();
            assertTrue(ended.await(20, TimeUnit.SECONDS));
            assertFalse(payments.end().isDone());
        }
    }

    @Test
    void cancelingForEachInItsActionStopsIt() throws Exception {
        try (FakeService service = FakeService.start(PAGES);
                AsyncPaymentsClient client = service.asyncClient()) {
            List<Long> seen = new ArrayList<>();
            CountDownLatch isAssigned = new CountDownLatch(1);
            CompletableFuture<CompletableFuture<Void>> own = new CompletableFuture<>();
            CompletableFuture<Void> end = client.listPayments(ALL).forEach(payment -> {
                seen.add(payment.paymentId());
                own.join().cancel(true);
                isAssigned.countDown();
            });
            own.complete(end);
            assertTrue(isAssigned.await(20, TimeUnit.SECONDS));
            // The next list ends after anything that the canceled one might still do.
            Calls.all(client.listPayments(ALL)).get(20, TimeUnit.SECONDS);
            assertEquals(List.of(1L), seen);
            assertEquals(4, service.calls().size());
        }
    }

    @Test
    void anExceptionOfTheActionEndsForEach() throws Exception {
        try (FakeService service = FakeService.start(PAGES);
                AsyncPaymentsClient client = service.asyncClient()) {
            RuntimeException own = new IllegalStateException("the disk is full");
            CompletableFuture<Void> end = client.listPayments(ALL).forEach(payment -> {
                throw own;
            });
            assertSame(own, failureOf(RuntimeException.class, end));
            assertEquals(1, service.calls().size());
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {0, -1, Long.MIN_VALUE})
    void requestingNoItemsFailsTheSubscription(long count) {
        try (FakeService service = FakeService.start(PAGES);
                AsyncPaymentsClient client = service.asyncClient()) {
            ItemRecorder<Payment> payments = ItemRecorder.of(client.listPayments(ALL));
            payments.request(count);
            failureOf(IllegalArgumentException.class, payments.end());
            assertEquals(0, service.calls().size());
        }
    }

    @Test
    void requestsAddUpWithoutOverflow() throws Exception {
        try (FakeService service = FakeService.start(PAGES);
                AsyncPaymentsClient client = service.asyncClient()) {
            ItemRecorder<Payment> payments = ItemRecorder.of(client.listPayments(ALL));
            payments.request(1);
            payments.request(Long.MAX_VALUE);
            payments.request(Long.MAX_VALUE);
            payments.end().get(20, TimeUnit.SECONDS);
            assertEquals(6, payments.next(6).size());
        }
    }

    @Test
    void aSubscriberOrActionMustNotBeNull() {
        try (AsyncPaymentsClient client = AsyncPaymentsClient.builder().build()) {
            assertThrows(
                    NullPointerException.class, () -> client.listPayments(ALL).subscribe(null));
            assertThrows(
                    NullPointerException.class, () -> client.listPayments(ALL).forEach(null));
        }
    }
}
