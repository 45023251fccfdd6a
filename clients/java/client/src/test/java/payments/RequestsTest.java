package payments;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static payments.Handlers.succeed;

import com.google.protobuf.Message;
import com.google.protobuf.Timestamp;
import com.google.type.Money;
import java.math.BigDecimal;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import payments.v1.BatchChargeRequest;
import payments.v1.ChargeRequest;
import payments.v1.GetPaymentRequest;
import payments.v1.ListPaymentsRequest;
import payments.v1.PaymentFilter;
import payments.v1.RefundRequest;

/** The requests that calls send. */
class RequestsTest {
    private static Message sentRequest(Calls.Call call) {
        try (FakeService service = FakeService.start(succeed());
                PaymentsClient client = service.client()) {
            call.on(client);
            return service.lastCall().request();
        }
    }

    @Test
    void aChargeIsPrintedWithoutWhatThePayerIsChargedWith() {
        ChargeParams params = ChargeParams.builder()
                .orderId(342)
                .amount(BigDecimal.TEN)
                .paymentSource("pm_secret")
                .returnUrl("https://shop.example/secret")
                .build();
        String text = params.toString();
        assertFalse(text.contains("secret"), text);
        assertEquals(
                "ChargeParams[orderId=342, amount=10, currency=null, method=null, requestId=null, externalReference=, "
                        + "customerId=, labels={}, unlessPending=false]",
                text);
    }

    private static PaymentFilter filter(ListPaymentsParams.Builder params) {
        return ((ListPaymentsRequest) sentRequest(client -> client.listPaymentsPage(params.build()))).getFilter();
    }

    private static Money money(String currency, long units, int nanos) {
        return Money.newBuilder()
                .setCurrencyCode(currency)
                .setUnits(units)
                .setNanos(nanos)
                .build();
    }

    @ParameterizedTest
    @ValueSource(longs = {Long.MAX_VALUE, Long.MIN_VALUE, 0})
    void everyParameterOfAChargeIsSent(long orderId) {
        ChargeParams params = ChargeParams.builder()
                .orderId(orderId)
                .amount(new BigDecimal("5.50"))
                .currency("USD")
                .method(PaymentMethod.COD)
                .requestId("order-1")
                .externalReference(" ORD-1 ")
                .customerId("customer 7")
                .labels(Map.of("channel", "web", "", ""))
                .paymentSource("pm_1")
                .unlessPending(true)
                .returnUrl("https://shop.example/paid?order=342")
                .build();
        ChargeRequest expected = ChargeRequest.newBuilder()
                .setOrderId(orderId)
                .setAmount(money("USD", 5, 500_000_000))
                .setMethod(payments.v1.PaymentMethod.PAYMENT_METHOD_COD)
                .setRequestId("order-1")
                .setExternalReference(" ORD-1 ")
                .setCustomerId("customer 7")
                .putLabels("channel", "web")
                .putLabels("", "")
                .setPaymentSource("pm_1")
                .setUnlessPending(true)
                .setReturnUrl("https://shop.example/paid?order=342")
                .build();
        assertEquals(expected, sentRequest(client -> client.charge(params)));
        assertEquals(
                BatchChargeRequest.newBuilder().addCharges(expected).build(),
                sentRequest(client -> client.batchCharge(List.of(params))));
    }

    @Test
    void aChargeNeedsNoOrderId() {
        ChargeParams params = ChargeParams.builder()
                .externalReference("ORD-1")
                .amount(BigDecimal.ONE)
                .requestId("order-1")
                .build();
        ChargeRequest expected = ChargeRequest.newBuilder()
                .setAmount(money("", 1, 0))
                .setRequestId("order-1")
                .setExternalReference("ORD-1")
                .build();
        assertEquals(expected, sentRequest(client -> client.charge(params)));
    }

    @Test
    void everyParameterOfARefundIsSent() {
        RefundParams params = RefundParams.builder()
                .paymentId(Long.MAX_VALUE)
                .amount(new BigDecimal("2.50"))
                .currency("USD")
                .reason("damaged")
                .requestId("refund-1")
                .build();
        RefundRequest expected = RefundRequest.newBuilder()
                .setPaymentId(Long.MAX_VALUE)
                .setAmount(money("USD", 2, 500_000_000))
                .setReason("damaged")
                .setRequestId("refund-1")
                .build();
        assertEquals(expected, sentRequest(client -> client.refund(params)));
    }

    @Test
    void aRefundWithoutAnAmountSendsNone() {
        RefundParams params =
                RefundParams.builder().paymentId(7).requestId("refund-1").build();
        assertEquals(
                RefundRequest.newBuilder()
                        .setPaymentId(7)
                        .setRequestId("refund-1")
                        .build(),
                sentRequest(client -> client.refund(params)));
    }

    @Test
    void aPaymentIsRequestedByItsIdItsReferenceOrItsRequestId() {
        assertEquals(
                GetPaymentRequest.newBuilder().setPaymentId(Long.MAX_VALUE).build(),
                sentRequest(client -> client.getPayment(Long.MAX_VALUE)));
        assertEquals(
                GetPaymentRequest.newBuilder().setReference("ECI20251124-1").build(),
                sentRequest(client -> client.getPaymentByReference("ECI20251124-1")));
        assertEquals(
                GetPaymentRequest.newBuilder().setRequestId("order-1").build(),
                sentRequest(client -> client.getPaymentByRequestId("order-1")));
        assertEquals(
                GetPaymentRequest.newBuilder()
                        .setRequestId("order-1")
                        .setCaller("shop")
                        .build(),
                sentRequest(client -> client.getPaymentByRequestId("order-1", "shop")));
    }

    @Test
    void everyConditionIsSent() {
        PaymentFilter expected = PaymentFilter.newBuilder()
                .setOrderId(Long.MIN_VALUE)
                .addMethodsValue(3)
                .addMethodsValue(1)
                .addMethodsValue(2)
                .addMethodsValue(4)
                .addStatusesValue(1)
                .addStatusesValue(2)
                .addStatusesValue(3)
                .addRefundStatesValue(1)
                .addRefundStatesValue(2)
                .addRefundStatesValue(3)
                .setReference("ECI20251124-1")
                .setMinAmount(money("USD", -1, 0))
                .setMaxAmount(money("USD", 2, 500_000_000))
                .setMinCreateTime(
                        Timestamp.newBuilder().setSeconds(1_763_954_155).setNanos(362_775_000))
                .setMaxCreateTime(Timestamp.newBuilder().setSeconds(-1).setNanos(999_999_000))
                .setRequestId("order-1")
                .setCaller("shop")
                .setProcessorReference("pi_1")
                .setExternalReference(" ORD-1 ")
                .setCustomerId("customer 7")
                .build();
        PaymentFilter sent = filter(ListPaymentsParams.builder()
                .orderId(Long.MIN_VALUE)
                .methods(List.of(PaymentMethod.COD, PaymentMethod.UPI, PaymentMethod.CARD, PaymentMethod.OTHER))
                .statuses(List.of(PaymentStatus.PENDING, PaymentStatus.SUCCEEDED, PaymentStatus.FAILED))
                .refundStates(List.of(RefundState.NONE, RefundState.PARTIAL, RefundState.FULL))
                .reference("ECI20251124-1")
                .minAmount(new BigDecimal("-1.00"))
                .maxAmount(new BigDecimal("2.50"))
                .currency("USD")
                .minCreateTime(Instant.parse("2025-11-24T03:15:55.362775Z"))
                .maxCreateTime(Instant.parse("1969-12-31T23:59:59.999999Z"))
                .requestId("order-1")
                .caller("shop")
                .processorReference("pi_1")
                .externalReference(" ORD-1 ")
                .customerId("customer 7"));
        assertEquals(expected, sent);
    }

    @Test
    void aConditionThatIsZeroOrEmptyIsSent() {
        PaymentFilter expected = PaymentFilter.newBuilder()
                .setOrderId(0)
                .setReference("")
                .setMinAmount(Money.getDefaultInstance())
                .setRequestId("")
                .setCaller("")
                .setProcessorReference("")
                .setExternalReference("")
                .setCustomerId("")
                .build();
        PaymentFilter sent = filter(ListPaymentsParams.builder()
                .orderId(0)
                .reference("")
                .minAmount(BigDecimal.ZERO)
                .requestId("")
                .caller("")
                .processorReference("")
                .externalReference("")
                .customerId(""));
        assertEquals(expected, sent);
    }

    @Test
    void withoutConditionsTheFilterIsEmpty() {
        assertEquals(PaymentFilter.getDefaultInstance(), filter(ListPaymentsParams.builder()));
    }
}
