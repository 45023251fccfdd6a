package payments;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static payments.Calls.REFUNDS;
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
import payments.v1.ListRefundsRequest;
import payments.v1.ListRefundsResponse;

class RefundPagingTest {
    /** Three pages of two refunds each. The token of a page is the last id of the previous one. */
    private static final Handler PAGES = (number, request) -> {
        String token = ((ListRefundsRequest) request).getPageToken();
        long before = token.isEmpty() ? 0 : Long.parseLong(token);
        ListRefundsResponse.Builder page = ListRefundsResponse.newBuilder();
        LongStream.of(before + 1, before + 2)
                .mapToObj(id -> payments.v1.Refund.newBuilder().setRefundId(id))
                .forEach(page::addRefunds);
        if (before < 4) {
            page.setNextPageToken(Long.toString(before + 2));
        }
        return page.build();
    };

    private static List<Long> ids(Stream<Refund> refunds) {
        return refunds.map(Refund::refundId).toList();
    }

    @Test
    void aListOfRefundsFetchesAllPagesWithTheSamePageSize() {
        ListRefundsParams params = ListRefundsParams.builder()
                .paymentId(Long.MAX_VALUE)
                .pageSize(2)
                .build();
        try (FakeService service = FakeService.start(PAGES);
                PaymentsClient client = service.client()) {
            assertEquals(List.of(1L, 2L, 3L, 4L, 5L, 6L), ids(client.listRefunds(params)));
            List<ListRefundsRequest> expected = Stream.of("", "2", "4")
                    .map(token -> ListRefundsRequest.newBuilder()
                            .setPaymentId(Long.MAX_VALUE)
                            .setPageSize(2)
                            .setPageToken(token)
                            .build())
                    .toList();
            assertEquals(expected, service.requests(ListRefundsRequest.class));
        }
    }

    @Test
    void aPageOfRefundsIsFetchedWhenTheIterationReachesIt() {
        try (FakeService service = FakeService.start(PAGES);
                PaymentsClient client = service.client()) {
            Iterator<Refund> iterator = client.listRefunds(REFUNDS).iterator();
            assertEquals(0, service.calls().size());
            for (int count = 1; count <= 6; count++) {
                assertEquals(count, iterator.next().refundId());
                assertEquals((count + 1) / 2, service.calls().size());
            }
            assertEquals(false, iterator.hasNext());
            assertEquals(3, service.calls().size());
        }
    }

    @Test
    void refundsCanBeListedFromAPageToken() {
        ListRefundsParams rest =
                ListRefundsParams.builder().paymentId(7).pageToken("2").build();
        try (FakeService service = FakeService.start(PAGES);
                PaymentsClient client = service.client()) {
            assertEquals(List.of(3L, 4L, 5L, 6L), ids(client.listRefunds(rest)));
        }
    }

    @Test
    void anEmptyPageDoesNotEndAListOfRefunds() {
        Handler firstIsEmpty = (number, request) -> number == 1
                ? ListRefundsResponse.newBuilder().setNextPageToken("4").build()
                : PAGES.handle(number, request);
        try (FakeService service = FakeService.start(firstIsEmpty);
                PaymentsClient client = service.client()) {
            assertEquals(List.of(5L, 6L), ids(client.listRefunds(REFUNDS)));
        }
    }

    @Test
    void anErrorOfALaterPageOfRefundsIsThrownWhenTheListReachesIt() {
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
            Stream<Refund> list = client.listRefunds(REFUNDS);
            assertThrows(PaymentNotFoundException.class, () -> list.forEach(refund -> seen.add(refund.refundId())));
            assertEquals(List.of(1L, 2L), seen);
        }
    }

    @Test
    void aPageOfRefundsThatFailsTemporarilyDoesNotEndTheList() {
        Handler secondFailsOnce = (number, request) -> {
            if (number == 2) {
                throw unavailable(NO_GRPC_RETRY);
            }
            return PAGES.handle(number, request);
        };
        try (FakeService service = FakeService.start(secondFailsOnce);
                PaymentsClient client = service.client()) {
            assertEquals(List.of(1L, 2L, 3L, 4L, 5L, 6L), ids(client.listRefunds(REFUNDS)));
            assertEquals(4, service.calls().size());
        }
    }

    @Test
    void aPageOfRefundsHasATokenForTheNextOne() {
        try (FakeService service = FakeService.start(PAGES);
                PaymentsClient client = service.client()) {
            RefundPage first = client.listRefundsPage(
                    ListRefundsParams.builder().paymentId(7).pageSize(2).build());
            assertEquals(List.of(1L, 2L), ids(first.refunds().stream()));
            assertEquals("2", first.nextPageToken());
            assertThrows(
                    UnsupportedOperationException.class, () -> first.refunds().clear());
            RefundPage last = client.listRefundsPage(
                    ListRefundsParams.builder().paymentId(7).pageToken("4").build());
            assertEquals(List.of(5L, 6L), ids(last.refunds().stream()));
            assertEquals("", last.nextPageToken());
        }
    }
}
