package payments.testing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static payments.testing.Calls.START;
import static payments.testing.Calls.eventTypes;
import static payments.testing.Calls.hundred;
import static payments.testing.Calls.hundredFrom;
import static payments.testing.Calls.withStub;

import com.google.type.Money;
import java.math.BigDecimal;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import payments.AsyncPaymentsClient;
import payments.ChargeOutcome;
import payments.ChargeParams;
import payments.Dispute;
import payments.DisputeStatus;
import payments.Failure;
import payments.InvalidRequestException;
import payments.NextAction;
import payments.NextActionType;
import payments.OrderHasPendingPaymentException;
import payments.Payment;
import payments.PaymentEvent;
import payments.PaymentEventType;
import payments.PaymentMethod;
import payments.PaymentStatus;
import payments.PaymentsClient;
import payments.RequestIdReusedException;
import payments.v1.BatchChargeRequest;
import payments.v1.ChargeRequest;

@Timeout(60)
class ChargesTest {
    private final ManualClock clock = ManualClock.startingAt(START);
    private final FakePaymentService service =
            FakePaymentService.builder().clock(clock).build();
    private final PaymentsClient client = service.client();

    @AfterEach
    void close() {
        client.close();
        service.close();
    }

    private Payment current(Payment payment) {
        return client.getPayment(payment.paymentId()).payment();
    }

    @Test
    void aPaymentHasWhatTheChargeGives() {
        Payment payment = client.charge(hundred()
                .requestId("order-1")
                .externalReference(" ORD-1 ")
                .customerId("customer 7")
                .labels(Map.of("channel", "web"))
                .build());
        assertEquals(1, payment.paymentId());
        assertEquals(342, payment.orderId());
        assertEquals(new BigDecimal("100.00"), payment.amount());
        assertEquals("INR", payment.currency());
        assertEquals(PaymentMethod.CARD, payment.method());
        assertEquals(PaymentStatus.SUCCEEDED, payment.status());
        assertTrue(payment.reference().matches("ECI20260102-[0-9A-F]{20}"), payment.reference());
        assertEquals(START, payment.createTime());
        assertEquals(new BigDecimal("0.00"), payment.refundedAmount());
        assertEquals("anonymous", payment.caller());
        assertEquals("order-1", payment.requestId());
        assertEquals("", payment.processorReference());
        assertEquals(" ORD-1 ", payment.externalReference());
        assertEquals("customer 7", payment.customerId());
        assertEquals(Map.of("channel", "web"), payment.labels());
    }

    @Test
    void theAsynchronousClientSeesTheSamePayments() {
        try (AsyncPaymentsClient asyncClient = service.asyncClient()) {
            Payment payment = asyncClient.charge(hundredFrom("")).join();
            assertEquals(payment, current(payment));
        }
    }

    @ParameterizedTest
    @CsvSource({
        "sim_insufficient_funds, INSUFFICIENT_FUNDS, insufficient_funds",
        "sim_expired_method, EXPIRED_METHOD, expired_method",
        "sim_invalid_method, INVALID_METHOD, invalid_method",
        "sim_authentication_required, AUTHENTICATION_REQUIRED, authentication_required",
        "sim_fraud, SUSPECTED_FRAUD, suspected_fraud",
        "sim_limit_exceeded, LIMIT_EXCEEDED, limit_exceeded",
        "sim_declined, DECLINED, declined",
        "sim_processor_error, PROCESSOR_ERROR, processor_error",
    })
    void aFailingSourceFailsTheChargeAtOnce(String source, Failure failure, String code) {
        Payment payment = client.charge(hundredFrom(source));
        assertEquals(PaymentStatus.FAILED, payment.status());
        assertEquals(Optional.of(failure), payment.failure());
        assertEquals(code, payment.failureCode());
        assertEquals(List.of(PaymentEventType.FAILED), eventTypes(client, payment));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"", "sim_success", "sim_refund_fails", "sim_refund_pending_5s", "sim_refund_fails_after_5s"})
    void anyOtherSourceSucceedsAtOnce(String source) {
        Payment payment = client.charge(hundredFrom(source));
        assertEquals(PaymentStatus.SUCCEEDED, payment.status());
        assertEquals(Optional.empty(), payment.failure());
        assertEquals("", payment.failureCode());
        assertEquals(List.of(PaymentEventType.CHARGED), eventTypes(client, payment));
    }

    @ParameterizedTest
    @CsvSource({
        "sim_pending_5s, 5, SUCCEEDED, CHARGED, , ''",
        "sim_pending_5s_declined, 5, FAILED, FAILED, DECLINED, declined",
        "sim_timeout, 30, FAILED, FAILED, PROCESSOR_ERROR, timeout",
    })
    void aPendingChargeGetsItsOutcomeWhenTheClockReachesItsTime(
            String source, int seconds, PaymentStatus status, PaymentEventType type, Failure failure, String code) {
        Payment pending = client.charge(hundredFrom(source));
        assertEquals(PaymentStatus.PENDING, pending.status());
        assertEquals(Optional.empty(), pending.failure());
        assertEquals(List.of(PaymentEventType.PENDING), eventTypes(client, pending));
        clock.advance(Duration.ofSeconds(seconds).minusNanos(1000));
        assertEquals(PaymentStatus.PENDING, current(pending).status());
        clock.advance(Duration.ofHours(1));
        Payment settled = current(pending);
        assertEquals(status, settled.status());
        assertEquals(Optional.ofNullable(failure), settled.failure());
        assertEquals(code, settled.failureCode());
        List<PaymentEvent> events = Calls.events(client, pending);
        assertEquals(2, events.size());
        assertEquals(type, events.get(1).type());
        assertEquals(START.plusSeconds(seconds), events.get(1).eventTime());
        assertEquals(settled, events.get(1).payment());
        assertEquals(pending.requestId(), events.get(1).requestId());
    }

    @ParameterizedTest
    @CsvSource({
        "sim_approval_5s, SUCCEEDED, CHARGED, , ''",
        "sim_approval_5s_refused, FAILED, FAILED, AUTHENTICATION_REQUIRED, authentication_required",
    })
    void aChargeThatThePayerMustApproveHasANextActionUntilItsOutcome(
            String source, PaymentStatus status, PaymentEventType type, Failure failure, String code) {
        Payment pending = client.charge(hundred()
                .paymentSource(source)
                .returnUrl("https://shop.example/paid")
                .build());
        NextAction action = new NextAction(
                NextActionType.REDIRECT,
                "https://payments.example/approve/" + pending.reference(),
                START.plusSeconds(5));
        assertEquals(PaymentStatus.PENDING, pending.status());
        assertEquals(Optional.of(action), pending.nextAction());
        List<PaymentEvent> before = Calls.events(client, pending);
        assertEquals(
                List.of(PaymentEventType.PENDING, PaymentEventType.ACTION_REQUIRED),
                before.stream().map(PaymentEvent::type).toList());
        before.forEach(event -> assertEquals(pending, event.payment()));
        clock.advance(Duration.ofSeconds(5));
        Payment settled = current(pending);
        assertEquals(status, settled.status());
        assertEquals(Optional.ofNullable(failure), settled.failure());
        assertEquals(code, settled.failureCode());
        assertEquals(Optional.empty(), settled.nextAction());
        List<PaymentEvent> after = Calls.events(client, pending);
        assertEquals(
                List.of(PaymentEventType.PENDING, PaymentEventType.ACTION_REQUIRED, type),
                after.stream().map(PaymentEvent::type).toList());
        after.forEach(event -> assertEquals(Optional.empty(), event.payment().nextAction()));
        assertEquals(PaymentStatus.PENDING, after.get(1).payment().status());
        assertEquals(settled, after.get(2).payment());
    }

    @ParameterizedTest
    @CsvSource({"sim_dispute_5s_won, WON, DISPUTE_WON", "sim_dispute_5s_lost, LOST, DISPUTE_LOST"})
    void aDisputeOpensAfterTheChargeAndIsDecidedLater(String source, DisputeStatus decision, PaymentEventType type) {
        Payment payment = client.charge(hundredFrom(source));
        assertEquals(PaymentStatus.SUCCEEDED, payment.status());
        assertEquals(Optional.empty(), payment.dispute());
        Dispute open = new Dispute(
                DisputeStatus.OPEN,
                new BigDecimal("100.00"),
                "INR",
                "fraudulent",
                START.plusSeconds(5),
                Optional.empty(),
                "sim_dispute_" + payment.paymentId());
        Dispute decided = new Dispute(
                decision,
                open.amount(),
                open.currency(),
                open.reason(),
                open.openTime(),
                Optional.of(START.plusSeconds(10)),
                open.processorReference());
        clock.advance(Duration.ofSeconds(5));
        assertEquals(Optional.of(open), current(payment).dispute());
        clock.advance(Duration.ofHours(1));
        assertEquals(Optional.of(decided), current(payment).dispute());
        List<PaymentEvent> events = Calls.events(client, payment);
        assertEquals(
                List.of(PaymentEventType.PENDING, PaymentEventType.CHARGED, PaymentEventType.DISPUTE_OPENED, type),
                events.stream().map(PaymentEvent::type).toList());
        assertEquals(payment, events.get(1).payment());
        assertEquals(Optional.of(open), events.get(2).payment().dispute());
        assertEquals(START.plusSeconds(5), events.get(2).eventTime());
        assertEquals(Optional.of(decided), events.get(3).payment().dispute());
        assertEquals(START.plusSeconds(10), events.get(3).eventTime());
        for (PaymentEvent event : events.subList(2, 4)) {
            assertEquals("", event.caller());
            assertEquals("", event.requestId());
        }
    }

    @Test
    void aReturnUrlMustBeAnHttpsUrlAndNeedsAPaymentSource() {
        ChargeParams.Builder params = hundred().returnUrl("https://shop.example/paid");
        assertEquals("return_url: must be empty without a payment_source", messageFor(params));
        params.paymentSource("sim_success");
        String longest = "https://shop.example/" + "x".repeat(2048 - "https://shop.example/".length());
        client.charge(params.returnUrl(longest).build());
        for (String invalid : List.of(
                longest + "x",
                "http://shop.example/paid",
                "https://",
                "https://shop.example/a b",
                "https://shop.example/é",
                "/paid")) {
            assertEquals(
                    "return_url: must be an https URL of at most 2048 characters",
                    messageFor(params.returnUrl(invalid)),
                    invalid);
        }
    }

    private String messageFor(ChargeParams.Builder params) {
        ChargeParams built = params.build();
        return assertThrows(InvalidRequestException.class, () -> client.charge(built))
                .getMessage();
    }

    @Test
    void aTestChoosesTheOutcomeOfChargesWithoutASource() {
        try (FakePaymentService declining = FakePaymentService.builder()
                        .defaultPaymentSource("sim_declined")
                        .build();
                PaymentsClient other = declining.client()) {
            assertEquals(PaymentStatus.FAILED, other.charge(hundred().build()).status());
            assertEquals(
                    PaymentStatus.SUCCEEDED,
                    other.charge(hundredFrom("sim_success")).status());
        }
        FakePaymentService.Builder builder = FakePaymentService.builder();
        assertThrows(IllegalArgumentException.class, () -> builder.defaultPaymentSource("sim_unknown"));
    }

    @Test
    void aTestChoosesTheCurrencies() {
        try (FakePaymentService european = FakePaymentService.builder()
                        .defaultCurrency("EUR")
                        .currencies(List.of("CHF"))
                        .build();
                PaymentsClient other = european.client()) {
            assertEquals("EUR", other.charge(hundred().build()).currency());
            assertEquals("CHF", other.charge(hundred().currency("CHF").build()).currency());
            InvalidRequestException error = assertThrows(
                    InvalidRequestException.class,
                    () -> other.charge(hundred().currency("INR").build()));
            assertEquals("amount.currency_code: must be one of CHF, EUR, or empty", error.getMessage());
        }
        assertEquals("EUR", client.charge(hundred().currency("EUR").build()).currency());
        FakePaymentService.Builder builder = FakePaymentService.builder().defaultCurrency("XYZ");
        assertThrows(IllegalArgumentException.class, builder::build);
    }

    @Test
    void aRetryReturnsThePaymentInItsCurrentState() {
        ChargeParams params =
                hundred().requestId("order-1").paymentSource("sim_pending_5s").build();
        Payment pending = client.charge(params);
        clock.advance(Duration.ofSeconds(5));
        Payment again = client.charge(params);
        assertEquals(pending.paymentId(), again.paymentId());
        assertEquals(PaymentStatus.SUCCEEDED, again.status());
    }

    @Test
    void everyParameterOfARetryButTheReturnUrlIsCompared() {
        ChargeParams.Builder params = hundred()
                .requestId("order-1")
                .method(PaymentMethod.CARD)
                .externalReference("ORD-1")
                .customerId("customer 7")
                .labels(Map.of("channel", "web"))
                .paymentSource("sim_success");
        client.charge(params.build());
        client.charge(params.currency("INR").build());
        List<ChargeParams> others = List.of(
                params.orderId(343).build(),
                params.orderId(342).amount(new BigDecimal("100.01")).build(),
                params.amount(new BigDecimal("100")).currency("USD").build(),
                params.currency("INR").method(PaymentMethod.UPI).build(),
                params.method(PaymentMethod.CARD).externalReference("").build(),
                params.externalReference("ORD-1").customerId("customer 8").build(),
                params.customerId("customer 7").labels(Map.of()).build(),
                params.labels(Map.of("channel", "web")).paymentSource("").build());
        for (ChargeParams other : others) {
            RequestIdReusedException error =
                    assertThrows(RequestIdReusedException.class, () -> client.charge(other), other::toString);
            assertEquals(Optional.of("order-1"), error.requestId());
        }
        client.charge(params.paymentSource("sim_success")
                .returnUrl("https://shop.example/paid")
                .build());
    }

    @Test
    void aChargeAndABatchShareTheirRequestIds() {
        ChargeParams params = hundred().requestId("order-1").build();
        Payment first = client.charge(params);
        List<ChargeOutcome> outcomes = client.batchCharge(
                List.of(params, hundred().orderId(0).build(), hundred().build()));
        assertEquals(first, outcomes.get(0).orElseThrow());
        assertThrows(InvalidRequestException.class, outcomes.get(1)::orElseThrow);
        assertEquals(2, outcomes.get(2).orElseThrow().paymentId());
    }

    @Test
    void aBatchSaysWhichChargesWereReplayed() {
        ChargeRequest charge = ChargeRequest.newBuilder()
                .setOrderId(1)
                .setAmount(Money.newBuilder().setUnits(1))
                .setRequestId("order-1")
                .build();
        BatchChargeRequest batch = BatchChargeRequest.newBuilder()
                .addCharges(charge)
                .addCharges(charge)
                .build();
        var response = withStub(service, stub -> stub.batchCharge(batch));
        assertFalse(response.getResults(0).getReplayed());
        assertTrue(response.getResults(1).getReplayed());
    }

    @Test
    void withoutARequestIdEachChargeIsNew() {
        ChargeRequest charge = ChargeRequest.newBuilder()
                .setOrderId(1)
                .setAmount(Money.newBuilder().setUnits(1))
                .build();
        var first = withStub(service, stub -> stub.charge(charge)).getPayment();
        var second = withStub(service, stub -> stub.charge(charge)).getPayment();
        assertNotEquals(first.getPaymentId(), second.getPaymentId());
        assertNotEquals(first.getRequestId(), second.getRequestId());
        assertEquals(
                first.getPaymentId(),
                client.getPaymentByRequestId(first.getRequestId()).payment().paymentId());
    }

    @Test
    void concurrentChargesWithTheSameRequestIdMakeOnePayment() {
        ChargeParams params = hundred().requestId("order-1").build();
        List<CompletableFuture<Payment>> calls = new ArrayList<>();
        try (AsyncPaymentsClient asyncClient = service.asyncClient()) {
            for (int count = 0; count < 50; count++) {
                calls.add(asyncClient.charge(params));
            }
            calls.forEach(call -> assertEquals(1, call.join().paymentId()));
        }
    }

    @Test
    void anOrderWithAPendingPaymentIsNotChargedAgain() {
        Payment pending = client.charge(hundredFrom("sim_pending_5s"));
        ChargeParams.Builder again = hundred().unlessPending(true);
        OrderHasPendingPaymentException error =
                assertThrows(OrderHasPendingPaymentException.class, () -> client.charge(again.build()));
        assertEquals(OptionalLong.of(pending.paymentId()), error.paymentId());
        client.charge(hundred().build());
        client.charge(hundred().orderId(343).unlessPending(true).build());
        clock.advance(Duration.ofSeconds(5));
        client.charge(again.build());
    }

    @Test
    void anOrderWithoutANumberIsKnownByItsExternalReference() {
        ChargeParams.Builder named =
                ChargeParams.builder().externalReference("ORD-1").amount(BigDecimal.ONE);
        Payment pending = client.charge(named.paymentSource("sim_timeout").build());
        assertEquals(0, pending.orderId());
        ChargeParams.Builder again = named.paymentSource("").unlessPending(true);
        assertThrows(OrderHasPendingPaymentException.class, () -> client.charge(again.build()));
        client.charge(again.externalReference("ORD-2").build());
        client.charge(again.externalReference("ORD-1").orderId(7).build());
        assertThrows(
                OrderHasPendingPaymentException.class,
                () -> client.charge(again.orderId(0).build()));
    }
}
