package payments;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static payments.WatchingTest.TWO;
import static payments.WatchingTest.tokens;

import java.util.Collections;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import payments.FakeService.StreamHandler;
import payments.v1.PaymentEventFilter;
import payments.v1.WatchPaymentsRequest;

/** The conditions of watches. */
@Timeout(60)
class WatchFilterTest {
    /** Sends two events and ends the stream. */
    private static final StreamHandler TWO_THEN_END = (number, request, observer) -> {
        TWO.stream(number, request, observer);
        observer.onCompleted();
    };

    private static final WatchPaymentsParams EVERY_CONDITION = WatchPaymentsParams.builder()
            .caller("shop")
            .orderId(Long.MIN_VALUE)
            .externalReference(" ORD-1 ")
            .customerId("customer 7")
            .types(List.of(PaymentEventType.FORGOTTEN, PaymentEventType.CHARGED))
            .build();

    private static final PaymentEventFilter EVERY_CONDITION_SENT = PaymentEventFilter.newBuilder()
            .setCaller("shop")
            .setOrderId(Long.MIN_VALUE)
            .setExternalReference(" ORD-1 ")
            .setCustomerId("customer 7")
            .addTypesValue(8)
            .addTypesValue(2)
            .build();

    private static List<PaymentEventFilter> filters(FakeService service) {
        return service.requests(WatchPaymentsRequest.class).stream()
                .map(WatchPaymentsRequest::getFilter)
                .toList();
    }

    @Test
    void everyConditionIsSentAgainWhenTheWatchResumes() {
        try (FakeService service = FakeService.start(TWO_THEN_END);
                PaymentsClient client = service.client();
                Stream<PaymentUpdate> updates = client.watchPayments(EVERY_CONDITION)) {
            assertEquals(6, updates.limit(6).count());
            assertEquals(Collections.nCopies(3, EVERY_CONDITION_SENT), filters(service));
            assertEquals(List.of("", "2", "4"), tokens(service));
        }
    }

    @Test
    void everyConditionIsSentAgainWhenAnAsynchronousWatchResumes() {
        try (FakeService service = FakeService.start(TWO_THEN_END);
                AsyncPaymentsClient client = service.asyncClient()) {
            ItemRecorder<PaymentUpdate> updates = ItemRecorder.of(client.watchPayments(EVERY_CONDITION));
            updates.request(6);
            updates.next(6);
            assertEquals(Collections.nCopies(3, EVERY_CONDITION_SENT), filters(service));
            updates.cancel();
        }
    }

    private static PaymentEventFilter sentFilter(WatchPaymentsParams.Builder params) {
        try (FakeService service = FakeService.start(TWO);
                PaymentsClient client = service.client();
                Stream<PaymentUpdate> updates = client.watchPayments(params.build())) {
            updates.findFirst();
            return filters(service).get(0);
        }
    }

    @Test
    void aConditionThatIsZeroOrEmptyIsSent() {
        PaymentEventFilter expected = PaymentEventFilter.newBuilder()
                .setCaller("")
                .setOrderId(0)
                .setExternalReference("")
                .setCustomerId("")
                .build();
        assertEquals(
                expected,
                sentFilter(WatchPaymentsParams.builder()
                        .caller("")
                        .orderId(0)
                        .externalReference("")
                        .customerId("")));
    }

    @Test
    void withoutConditionsTheFilterIsEmpty() {
        assertEquals(PaymentEventFilter.getDefaultInstance(), sentFilter(WatchPaymentsParams.builder()));
    }
}
