package payments;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static payments.Calls.EVENTS;
import static payments.Handlers.NO_GRPC_RETRY;
import static payments.Handlers.failure;
import static payments.Handlers.reason;
import static payments.Handlers.unavailable;

import io.grpc.Status;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import payments.FakeService.Handler;
import payments.v1.ListPaymentEventsRequest;
import payments.v1.ListPaymentEventsResponse;

class PaymentEventPagingTest {
    /** Three pages of two refunds each. The token of a page is the last refund's id of the previous one. */
    private static final Handler PAGES = (number, request) -> {
        String token = ((ListPaymentEventsRequest) request).getPageToken();
        long before = token.isEmpty() ? 0 : Long.parseLong(token);
        ListPaymentEventsResponse.Builder page = ListPaymentEventsResponse.newBuilder();
        LongStream.of(before + 1, before + 2)
                .mapToObj(id -> payments.v1.Refund.newBuilder().setRefundId(id))
                .forEach(refund ->
                        page.addEvents(payments.v1.PaymentEvent.newBuilder().setRefund(refund)));
        if (before < 4) {
            page.setNextPageToken(Long.toString(before + 2));
        }
        return page.build();
    };

    private static long id(PaymentEvent event) {
        return event.refund().orElseThrow().refundId();
    }

    private static List<Long> ids(Stream<PaymentEvent> events) {
        return events.map(PaymentEventPagingTest::id).toList();
    }

    @Test
    void aListOfEventsFetchesAllPagesWithTheSamePageSize() {
        ListPaymentEventsParams params = ListPaymentEventsParams.builder()
                .paymentId(Long.MAX_VALUE)
                .pageSize(2)
                .build();
        try (FakeService service = FakeService.start(PAGES);
                PaymentsClient client = service.client()) {
            assertEquals(List.of(1L, 2L, 3L, 4L, 5L, 6L), ids(client.listPaymentEvents(params)));
            List<ListPaymentEventsRequest> expected = Stream.of("", "2", "4")
                    .map(token -> ListPaymentEventsRequest.newBuilder()
                            .setPaymentId(Long.MAX_VALUE)
                            .setPageSize(2)
                            .setPageToken(token)
                            .build())
                    .toList();
            assertEquals(expected, service.requests(ListPaymentEventsRequest.class));
        }
    }

    @Test
    void aPageOfEventsIsFetchedWhenTheIterationReachesIt() {
        try (FakeService service = FakeService.start(PAGES);
                PaymentsClient client = service.client()) {
            Iterator<PaymentEvent> iterator = client.listPaymentEvents(EVENTS).iterator();
            assertEquals(0, service.calls().size());
            for (int count = 1; count <= 6; count++) {
                assertEquals(count, id(iterator.next()));
                assertEquals((count + 1) / 2, service.calls().size());
            }
            assertEquals(false, iterator.hasNext());
            assertEquals(3, service.calls().size());
        }
    }

    @Test
    void eventsCanBeListedFromAPageToken() {
        ListPaymentEventsParams rest =
                ListPaymentEventsParams.builder().paymentId(7).pageToken("2").build();
        try (FakeService service = FakeService.start(PAGES);
                PaymentsClient client = service.client()) {
            assertEquals(List.of(3L, 4L, 5L, 6L), ids(client.listPaymentEvents(rest)));
        }
    }

    @Test
    void anEmptyPageDoesNotEndAListOfEvents() {
        Handler firstIsEmpty = (number, request) -> number == 1
                ? ListPaymentEventsResponse.newBuilder().setNextPageToken("4").build()
                : PAGES.handle(number, request);
        try (FakeService service = FakeService.start(firstIsEmpty);
                PaymentsClient client = service.client()) {
            assertEquals(List.of(5L, 6L), ids(client.listPaymentEvents(EVENTS)));
        }
    }

    @Test
    void anErrorOfALaterPageOfEventsIsThrownWhenTheListReachesIt() {
        Handler secondFails = (number, request) -> {
            if (number == 2) {
                throw failure(
                        Status.Code.NOT_FOUND, "there is no payment 7", NO_GRPC_RETRY, reason("PAYMENT_NOT_FOUND"));
            }
            return PAGES.handle(number, request);
        };
        try (FakeService service = FakeService.start(secondFails);
                PaymentsClient client = service.client()) {
            List<Long> seen = new ArrayList<>();
            Stream<PaymentEvent> list = client.listPaymentEvents(EVENTS);
            assertThrows(PaymentNotFoundException.class, () -> list.forEach(event -> seen.add(id(event))));
            assertEquals(List.of(1L, 2L), seen);
        }
    }

    @Test
    void aPageOfEventsThatFailsTemporarilyDoesNotEndTheList() {
        Handler secondFailsOnce = (number, request) -> {
            if (number == 2) {
                throw unavailable(NO_GRPC_RETRY);
            }
            return PAGES.handle(number, request);
        };
        try (FakeService service = FakeService.start(secondFailsOnce);
                PaymentsClient client = service.client()) {
            assertEquals(List.of(1L, 2L, 3L, 4L, 5L, 6L), ids(client.listPaymentEvents(EVENTS)));
            assertEquals(4, service.calls().size());
        }
    }

    @Test
    void aPageOfEventsHasATokenForTheNextOne() {
        try (FakeService service = FakeService.start(PAGES);
                PaymentsClient client = service.client()) {
            PaymentEventPage first = client.listPaymentEventsPage(
                    ListPaymentEventsParams.builder().paymentId(7).pageSize(2).build());
            assertEquals(List.of(1L, 2L), ids(first.events().stream()));
            assertEquals("2", first.nextPageToken());
            assertThrows(
                    UnsupportedOperationException.class, () -> first.events().clear());
            PaymentEventPage last = client.listPaymentEventsPage(ListPaymentEventsParams.builder()
                    .paymentId(7)
                    .pageToken("4")
                    .build());
            assertEquals(List.of(5L, 6L), ids(last.events().stream()));
            assertEquals("", last.nextPageToken());
        }
    }
}
