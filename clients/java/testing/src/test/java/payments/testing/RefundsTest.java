package payments.testing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static payments.testing.Calls.START;
import static payments.testing.Calls.eventTypes;
import static payments.testing.Calls.hundred;
import static payments.testing.Calls.hundredFrom;
import static payments.testing.Calls.refundOf;
import static payments.testing.Calls.withStub;

import java.math.BigDecimal;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import payments.AsyncPaymentsClient;
import payments.Failure;
import payments.InvalidRequestException;
import payments.Payment;
import payments.PaymentDisputedException;
import payments.PaymentEvent;
import payments.PaymentEventType;
import payments.PaymentFailedException;
import payments.PaymentNotFoundException;
import payments.PaymentPendingException;
import payments.PaymentsClient;
import payments.Refund;
import payments.RefundExceedsPaymentException;
import payments.RefundParams;
import payments.RefundResult;
import payments.RefundState;
import payments.RefundStatus;
import payments.RequestIdReusedException;
import payments.v1.RefundRequest;

@Timeout(60)
class RefundsTest {
    private final ManualClock clock = ManualClock.startingAt(START);
    private final FakePaymentService service =
            FakePaymentService.builder().clock(clock).build();
    private final PaymentsClient client = service.client();

    @AfterEach
    void close() {
        client.close();
        service.close();
    }

    @Test
    void aPaymentIsRefundedInPartAndThenInFull() {
        Payment payment = client.charge(hundred().build());
        RefundResult part = client.refund(RefundParams.builder()
                .paymentId(payment.paymentId())
                .amount(new BigDecimal("30.50"))
                .reason("damaged")
                .requestId("refund-1")
                .build());
        assertEquals(
                new Refund(
                        1,
                        payment.paymentId(),
                        new BigDecimal("30.50"),
                        "INR",
                        RefundStatus.SUCCEEDED,
                        "damaged",
                        START,
                        "anonymous",
                        "refund-1",
                        "",
                        Optional.empty(),
                        ""),
                part.refund());
        assertEquals(RefundState.PARTIAL, part.payment().refundState());
        RefundResult rest = client.refund(
                RefundParams.builder().paymentId(payment.paymentId()).build());
        assertEquals(new BigDecimal("69.50"), rest.refund().amount());
        assertEquals(new BigDecimal("100.00"), rest.payment().refundedAmount());
        assertEquals(RefundState.FULL, rest.payment().refundState());
        assertEquals(
                List.of(PaymentEventType.CHARGED, PaymentEventType.REFUNDED, PaymentEventType.REFUNDED),
                eventTypes(client, payment));
        assertEquals(
                List.of(part.refund(), rest.refund()),
                client.getPayment(payment.paymentId()).refunds());
    }

    @Test
    void aRefundThatFailsIsPendingFirstAndItsAmountCanBeRefundedAgain() {
        Payment payment = client.charge(hundredFrom("sim_refund_fails"));
        for (int count = 0; count < 2; count++) {
            RefundResult result = client.refund(refundOf(payment, "80.00"));
            assertEquals(RefundStatus.FAILED, result.refund().status());
            assertEquals(Optional.of(Failure.DECLINED), result.refund().failure());
            assertEquals("declined", result.refund().failureCode());
            assertEquals(payment, result.payment());
        }
        List<PaymentEvent> events = Calls.events(client, payment);
        assertEquals(
                List.of(PaymentEventType.REFUND_PENDING, PaymentEventType.REFUND_FAILED),
                eventTypes(client, payment).subList(1, 3));
        assertEquals(new BigDecimal("80.00"), events.get(1).payment().refundedAmount());
        assertEquals(RefundStatus.PENDING, events.get(1).refund().orElseThrow().status());
        assertEquals(payment, events.get(2).payment());
    }

    @Test
    void aPendingRefundCountsAsRefundedAndSucceedsLater() {
        Payment payment = client.charge(hundredFrom("sim_refund_pending_5s"));
        RefundResult result = client.refund(refundOf(payment, "80.00"));
        assertEquals(RefundStatus.PENDING, result.refund().status());
        assertEquals(new BigDecimal("80.00"), result.payment().refundedAmount());
        assertThrows(RefundExceedsPaymentException.class, () -> client.refund(refundOf(payment, "20.01")));
        clock.advance(Duration.ofSeconds(5));
        Refund settled = client.getPayment(payment.paymentId()).refunds().get(0);
        assertEquals(RefundStatus.SUCCEEDED, settled.status());
        assertEquals(
                List.of(PaymentEventType.CHARGED, PaymentEventType.REFUND_PENDING, PaymentEventType.REFUNDED),
                eventTypes(client, payment));
    }

    @Test
    void aRefundCanFailAfterItSucceededAndThenItsAmountCanBeRefundedAgain() {
        Payment payment = client.charge(hundredFrom("sim_refund_fails_after_5s"));
        RefundParams full = RefundParams.builder()
                .paymentId(payment.paymentId())
                .requestId("refund-1")
                .build();
        RefundResult result = client.refund(full);
        assertEquals(RefundStatus.SUCCEEDED, result.refund().status());
        assertEquals(RefundState.FULL, result.payment().refundState());
        clock.advance(Duration.ofSeconds(5));
        RefundResult failed = client.refund(full);
        assertEquals(result.refund().refundId(), failed.refund().refundId());
        assertEquals(RefundStatus.FAILED, failed.refund().status());
        assertEquals(Optional.of(Failure.DECLINED), failed.refund().failure());
        assertEquals("declined", failed.refund().failureCode());
        assertEquals(payment, failed.payment());
        List<PaymentEvent> events = Calls.events(client, payment);
        assertEquals(
                List.of(
                        PaymentEventType.CHARGED,
                        PaymentEventType.REFUND_PENDING,
                        PaymentEventType.REFUNDED,
                        PaymentEventType.REFUND_FAILED),
                events.stream().map(PaymentEvent::type).toList());
        assertEquals(result.payment(), events.get(2).payment());
        assertEquals(START.plusSeconds(5), events.get(3).eventTime());
        assertEquals(Optional.of(failed.refund()), events.get(3).refund());
        assertEquals("refund-1", events.get(3).requestId());
        assertEquals(
                RefundStatus.SUCCEEDED,
                client.refund(refundOf(payment, "100.00")).refund().status());
    }

    @Test
    void aDisputedPaymentCanBeRefundedOnceTheDisputeIsWonButNotIfItIsLost() {
        Payment won = client.charge(hundredFrom("sim_dispute_5s_won"));
        Payment lost = client.charge(hundredFrom("sim_dispute_5s_lost"));
        client.refund(refundOf(lost, "1.00"));
        clock.advance(Duration.ofSeconds(5));
        for (Payment payment : List.of(won, lost)) {
            assertEquals(
                    "the payer disputes this payment; it cannot be refunded while the dispute is open",
                    disputedMessage(payment));
        }
        clock.advance(Duration.ofSeconds(5));
        client.refund(refundOf(won, "100.00"));
        assertThrows(RefundExceedsPaymentException.class, () -> client.refund(refundOf(won, "1.00")));
        assertEquals("the payer got the money back by a dispute; it cannot be refunded", disputedMessage(lost));
    }

    private String disputedMessage(Payment payment) {
        return assertThrows(PaymentDisputedException.class, () -> client.refund(refundOf(payment, "1.00")))
                .getMessage();
    }

    @Test
    void whatCannotBeRefundedIsRejected() {
        assertThrows(
                PaymentNotFoundException.class,
                () -> client.refund(RefundParams.builder().paymentId(7).build()));
        Payment failed = client.charge(hundredFrom("sim_fraud"));
        assertThrows(PaymentFailedException.class, () -> client.refund(refundOf(failed, "1.00")));
        Payment pending = client.charge(hundredFrom("sim_pending_5s"));
        assertThrows(PaymentPendingException.class, () -> client.refund(refundOf(pending, "1.00")));
        clock.advance(Duration.ofSeconds(5));
        client.refund(refundOf(pending, "1.00"));
        Payment dollars = client.charge(hundred().currency("USD").build());
        InvalidRequestException error =
                assertThrows(InvalidRequestException.class, () -> client.refund(refundOf(dollars, "1.00")));
        assertEquals("amount.currency_code", error.violations().get(0).field());
    }

    @Test
    void concurrentRefundsNeverExceedTheCharge() {
        Payment payment = client.charge(hundred().build());
        List<CompletableFuture<RefundResult>> calls = new ArrayList<>();
        try (AsyncPaymentsClient asyncClient = service.asyncClient()) {
            for (int count = 0; count < 50; count++) {
                calls.add(asyncClient.refund(refundOf(payment, "3.00")));
            }
            long succeeded = calls.stream()
                    .filter(call ->
                            call.handle((result, failure) -> failure == null).join())
                    .count();
            assertEquals(33, succeeded);
        }
        assertEquals(
                new BigDecimal("99.00"),
                client.getPayment(payment.paymentId()).payment().refundedAmount());
    }

    @Test
    void aRetryReturnsTheFirstRefundAndEveryParameterIsCompared() {
        Payment payment = client.charge(hundred().requestId("1").build());
        RefundParams.Builder params = RefundParams.builder()
                .paymentId(payment.paymentId())
                .amount(new BigDecimal("10.00"))
                .reason("damaged")
                .requestId("1"); // not a retry of the charge, because refunds have request_ids of their own
        RefundResult first = client.refund(params.build());
        assertEquals(first, client.refund(params.currency("INR").build()));
        assertThrows(
                RequestIdReusedException.class,
                () -> client.refund(params.reason("").build()));
        assertThrows(
                RequestIdReusedException.class,
                () -> client.refund(
                        params.reason("damaged").amount(BigDecimal.ONE).build()));
        assertThrows(
                RequestIdReusedException.class,
                () -> client.refund(RefundParams.builder()
                        .paymentId(payment.paymentId())
                        .reason("damaged")
                        .requestId("1")
                        .build()));
    }

    @Test
    void withoutARequestIdAFullRefundIsNotRepeated() {
        Payment payment = client.charge(hundred().build());
        RefundRequest request =
                RefundRequest.newBuilder().setPaymentId(payment.paymentId()).build();
        var first = withStub(service, stub -> stub.refund(request));
        assertTrue(first.hasRefund());
        assertEquals(first, withStub(service, stub -> stub.refund(request)));
        assertThrows(
                RefundExceedsPaymentException.class,
                () -> client.refund(
                        RefundParams.builder().paymentId(payment.paymentId()).build()));
    }
}
