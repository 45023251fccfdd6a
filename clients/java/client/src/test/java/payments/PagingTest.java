package payments;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static payments.Calls.ALL;
import static payments.Handlers.NO_GRPC_RETRY;
import static payments.Handlers.failure;
import static payments.Handlers.unavailable;

import io.grpc.Status;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.OptionalLong;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import payments.FakeService.Handler;
import payments.v1.ListPaymentsRequest;
import payments.v1.ListPaymentsResponse;
import payments.v1.PaymentFilter;

class PagingTest {
    /** Three pages of two payments each. The token of a page is the last id of the previous one. */
    static final Handler PAGES = (number, request) -> {
        ListPaymentsRequest listRequest = (ListPaymentsRequest) request;
        String token = listRequest.getPageToken();
        long before = token.isEmpty() ? 0 : Long.parseLong(token);
        ListPaymentsResponse.Builder page = ListPaymentsResponse.newBuilder();
        LongStream.of(before + 1, before + 2)
                .mapToObj(id -> payments.v1.Payment.newBuilder().setPaymentId(id))
                .forEach(page::addPayments);
        if (before < 4) {
            page.setNextPageToken(Long.toString(before + 2));
        }
        if (listRequest.getIncludeTotalSize()) {
            page.setTotalSize(0);
        }
        return page.build();
    };

    private static List<Long> ids(Stream<Payment> payments) {
        return payments.map(Payment::paymentId).toList();
    }

    @Test
    void aListFetchesAllPagesWithTheSameConditions() {
        ListPaymentsParams params = ListPaymentsParams.builder()
                .orderId(342)
                .orderBy("create_time asc")
                .pageSize(2)
                .build();
        try (FakeService service = FakeService.start(PAGES);
                PaymentsClient client = service.client()) {
            assertEquals(List.of(1L, 2L, 3L, 4L, 5L, 6L), ids(client.listPayments(params)));
            List<ListPaymentsRequest> expected = Stream.of("", "2", "4")
                    .map(token -> ListPaymentsRequest.newBuilder()
                            .setFilter(PaymentFilter.newBuilder().setOrderId(342))
                            .setOrderBy("create_time asc")
                            .setPageSize(2)
                            .setPageToken(token)
                            .build())
                    .toList();
            assertEquals(expected, service.requests(ListPaymentsRequest.class));
        }
    }

    @Test
    void aPageIsFetchedWhenTheIterationReachesIt() {
        try (FakeService service = FakeService.start(PAGES);
                PaymentsClient client = service.client()) {
            Stream<Payment> stream = client.listPayments(ALL);
            Iterator<Payment> iterator = stream.iterator();
            assertEquals(0, service.calls().size());
            for (int count = 1; count <= 6; count++) {
                assertEquals(count, iterator.next().paymentId());
                assertEquals((count + 1) / 2, service.calls().size());
            }
            assertEquals(false, iterator.hasNext());
            assertEquals(3, service.calls().size());
        }
    }

    @Test
    void onlyThePagesOfTheConsumedPaymentsAreFetched() {
        try (FakeService service = FakeService.start(PAGES);
                PaymentsClient client = service.client()) {
            assertEquals(1, client.listPayments(ALL).findFirst().orElseThrow().paymentId());
            assertEquals(1, service.calls().size());
            assertEquals(List.of(1L, 2L), ids(client.listPayments(ALL).limit(2)));
            assertEquals(2, service.calls().size());
            assertEquals(
                    1,
                    client.listPayments(ALL)
                            .parallel()
                            .findFirst()
                            .orElseThrow()
                            .paymentId());
            assertEquals(3, service.calls().size());
        }
    }

    @Test
    void aListCanStartFromAPageToken() {
        try (FakeService service = FakeService.start(PAGES);
                PaymentsClient client = service.client()) {
            ListPaymentsParams rest =
                    ListPaymentsParams.builder().pageToken("2").build();
            assertEquals(List.of(3L, 4L, 5L, 6L), ids(client.listPayments(rest)));
        }
    }

    @Test
    void anEmptyPageDoesNotEndAList() {
        Handler firstIsEmpty = (number, request) -> number == 1
                ? ListPaymentsResponse.newBuilder().setNextPageToken("4").build()
                : PAGES.handle(number, request);
        try (FakeService service = FakeService.start(firstIsEmpty);
                PaymentsClient client = service.client()) {
            assertEquals(List.of(5L, 6L), ids(client.listPayments(ALL)));
        }
    }

    @Test
    void anErrorOfALaterPageIsThrownWhenTheListReachesIt() {
        Handler secondFails = (number, request) -> {
            if (number == 2) {
                throw failure(Status.Code.INVALID_ARGUMENT, "the page token is invalid", NO_GRPC_RETRY);
            }
            return PAGES.handle(number, request);
        };
        try (FakeService service = FakeService.start(secondFails);
                PaymentsClient client = service.client()) {
            List<Long> seen = new ArrayList<>();
            Stream<Payment> list = client.listPayments(ALL);
            assertThrows(InvalidRequestException.class, () -> list.forEach(payment -> seen.add(payment.paymentId())));
            assertEquals(List.of(1L, 2L), seen);
        }
    }

    @Test
    void aPageThatFailsTemporarilyDoesNotEndTheList() {
        Handler secondFailsOnce = (number, request) -> {
            if (number == 2) {
                throw unavailable(NO_GRPC_RETRY);
            }
            return PAGES.handle(number, request);
        };
        try (FakeService service = FakeService.start(secondFailsOnce);
                PaymentsClient client = service.client()) {
            assertEquals(List.of(1L, 2L, 3L, 4L, 5L, 6L), ids(client.listPayments(ALL)));
            assertEquals(4, service.calls().size());
        }
    }

    @Test
    void aPageHasATokenForTheNextOneAndATotalSizeOnRequest() {
        try (FakeService service = FakeService.start(PAGES);
                PaymentsClient client = service.client()) {
            PaymentPage first = client.listPaymentsPage(
                    ListPaymentsParams.builder().includeTotalSize(true).build());
            assertEquals(List.of(1L, 2L), ids(first.payments().stream()));
            assertEquals("2", first.nextPageToken());
            assertEquals(OptionalLong.of(0), first.totalSize());
            PaymentPage last = client.listPaymentsPage(
                    ListPaymentsParams.builder().pageToken("4").build());
            assertEquals(List.of(5L, 6L), ids(last.payments().stream()));
            assertTrue(last.nextPageToken().isEmpty());
            assertTrue(last.totalSize().isEmpty());
        }
    }
}
