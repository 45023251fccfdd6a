package payments.testing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static payments.testing.Calls.START;
import static payments.testing.Calls.hundred;
import static payments.testing.Calls.hundredFrom;
import static payments.testing.Calls.refundOf;

import java.math.BigDecimal;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.OptionalLong;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import payments.ChargeParams;
import payments.InvalidRequestException;
import payments.ListPaymentsParams;
import payments.Payment;
import payments.PaymentMethod;
import payments.PaymentPage;
import payments.PaymentStatus;
import payments.PaymentsClient;
import payments.RefundState;

/** Lists of five payments: 1 to 5, made a second after each other. */
@Timeout(60)
class ListsTest {
    private final ManualClock clock = ManualClock.startingAt(START);
    private final FakePaymentService service =
            FakePaymentService.builder().clock(clock).build();
    private final PaymentsClient client = service.client();
    private final List<Payment> payments = new ArrayList<>();

    @BeforeEach
    void makePayments() {
        add(hundred().method(PaymentMethod.UPI).requestId("order-1"));
        add(hundred().orderId(7).customerId("customer 7"));
        add(hundred().orderId(7).currency("USD"));
        add(hundred().externalReference("ORD-4").amount(new BigDecimal("0.01")));
        add(hundred().paymentSource("sim_declined"));
        client.refund(refundOf(payments.get(0), "1.00"));
    }

    private void add(ChargeParams.Builder params) {
        payments.add(client.charge(params.build()));
        clock.advance(Duration.ofSeconds(1));
    }

    @AfterEach
    void close() {
        client.close();
        service.close();
    }

    private static ListPaymentsParams.Builder params() {
        return ListPaymentsParams.builder();
    }

    private List<Long> ids(ListPaymentsParams.Builder params) {
        return client.listPayments(params.build()).map(Payment::paymentId).toList();
    }

    record Condition(ListPaymentsParams.Builder params, List<Long> ids) {}

    static Stream<Condition> conditions() {
        return Stream.of(
                new Condition(params(), List.of(5L, 4L, 3L, 2L, 1L)),
                new Condition(params().orderBy("create_time"), List.of(1L, 2L, 3L, 4L, 5L)),
                new Condition(params().orderBy("  create_time   asc "), List.of(1L, 2L, 3L, 4L, 5L)),
                new Condition(params().orderId(7), List.of(3L, 2L)),
                new Condition(params().methods(List.of(PaymentMethod.UPI, PaymentMethod.COD)), List.of(1L)),
                new Condition(params().statuses(List.of(PaymentStatus.FAILED)), List.of(5L)),
                new Condition(params().refundStates(List.of(RefundState.PARTIAL)), List.of(1L)),
                new Condition(params().minAmount(new BigDecimal("100")), List.of(5L, 2L, 1L)),
                new Condition(params().maxAmount(new BigDecimal("99.99")), List.of(4L)),
                new Condition(params().maxAmount(BigDecimal.TEN).currency("USD"), List.of()),
                new Condition(params().minCreateTime(START.plusSeconds(3)), List.of(5L, 4L)),
                new Condition(params().maxCreateTime(START.plusSeconds(1)), List.of(2L, 1L)),
                new Condition(params().requestId("order-1"), List.of(1L)),
                new Condition(params().requestId("order-1").caller("anonymous"), List.of(1L)),
                new Condition(params().caller("anonymous").orderId(7), List.of(3L, 2L)),
                new Condition(params().caller("shop"), List.of()),
                new Condition(params().processorReference("pi_1"), List.of()),
                new Condition(params().externalReference("ORD-4"), List.of(4L)),
                new Condition(params().customerId("customer 7"), List.of(2L)),
                new Condition(params().customerId("customer 7").orderId(342), List.of()));
    }

    @ParameterizedTest
    @MethodSource("conditions")
    void aListHasThePaymentsThatMatchInOrder(Condition condition) {
        assertEquals(condition.ids(), ids(condition.params()));
        assertEquals(condition.ids(), ids(condition.params().pageSize(1)));
    }

    @Test
    void paymentsOfTheSameTimeAreOrderedById() {
        clock.advance(Duration.ofSeconds(-5));
        Payment atTheFirstTime = client.charge(hundred().build());
        assertEquals(payments.get(0).createTime(), atTheFirstTime.createTime());
        assertEquals(List.of(5L, 4L, 3L, 2L, 6L, 1L), ids(params().pageSize(1)));
        assertEquals(List.of(1L, 6L, 2L, 3L, 4L, 5L), ids(params().pageSize(1).orderBy("create_time asc")));
    }

    @Test
    void aListContinuesWhilePaymentsAreMade() {
        PaymentPage first = client.listPaymentsPage(
                params().pageSize(3).includeTotalSize(true).build());
        assertEquals(OptionalLong.of(5), first.totalSize());
        add(hundred());
        assertEquals(List.of(2L, 1L), ids(params().pageToken(first.nextPageToken())));
    }

    @Test
    void aTokenBelongsToItsFilterOrderAndService() {
        String token =
                client.listPaymentsPage(params().orderId(7).pageSize(1).build()).nextPageToken();
        assertEquals(List.of(2L), ids(params().orderId(7).pageToken(token)));
        assertInvalidToken(params().pageToken(token));
        assertInvalidToken(params().orderId(8).pageToken(token));
        assertInvalidToken(params().orderId(7).orderBy("create_time asc").pageToken(token));
        assertInvalidToken(params().orderId(7).pageToken(token.substring(1)));
        assertInvalidToken(params().orderId(7).pageToken(token + "="));
        assertInvalidToken(params().orderId(7).pageToken("AAAA"));
        try (FakePaymentService empty = FakePaymentService.create();
                PaymentsClient other = empty.client()) {
            assertThrows(
                    InvalidRequestException.class,
                    () -> other.listPaymentsPage(
                            params().orderId(7).pageToken(token).build()));
        }
    }

    private void assertInvalidToken(ListPaymentsParams.Builder params) {
        InvalidRequestException error =
                assertThrows(InvalidRequestException.class, () -> client.listPaymentsPage(params.build()));
        assertEquals("page_token", error.violations().get(0).field());
    }

    @Test
    void theOrderOfAFiltersValuesDoesNotMatter() {
        List<PaymentStatus> statuses = new ArrayList<>(List.of(PaymentStatus.SUCCEEDED, PaymentStatus.FAILED));
        String token = client.listPaymentsPage(params().statuses(statuses)
                        .minAmount(BigDecimal.ONE)
                        .pageSize(1)
                        .build())
                .nextPageToken();
        Collections.reverse(statuses);
        assertEquals(
                List.of(2L, 1L),
                ids(params().statuses(statuses)
                        .minAmount(BigDecimal.ONE)
                        .currency("INR")
                        .pageToken(token)));
    }

    @Test
    void aPageHasFiftyPaymentsUnlessRequestedOtherwise() {
        for (int count = 0; count < 50; count++) {
            client.charge(hundredFrom(""));
        }
        assertEquals(50, client.listPaymentsPage(params().build()).payments().size());
        assertEquals(
                55,
                client.listPaymentsPage(params().pageSize(2000).build())
                        .payments()
                        .size());
    }
}
