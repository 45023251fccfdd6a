package payments;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static payments.Calls.FROM_NOW;
import static payments.Calls.REFUND;
import static payments.Handlers.respondWith;

import com.google.protobuf.Timestamp;
import com.google.type.Money;
import java.math.BigDecimal;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.EnumSource.Mode;
import org.junit.jupiter.params.provider.ValueSource;
import payments.v1.GetPaymentResponse;
import payments.v1.RefundResponse;
import payments.v1.WatchPaymentsResponse;

/** The results that calls return. */
class ResponsesTest {
    private static final Timestamp TIMESTAMP = Timestamp.newBuilder()
            .setSeconds(1_763_954_155)
            .setNanos(362_775_000)
            .build();
    private static final Instant TIME = Instant.parse("2025-11-24T03:15:55.362775Z");

    private static PaymentDetails receivedDetails(GetPaymentResponse response) {
        try (FakeService service = FakeService.start(respondWith(response));
                PaymentsClient client = service.client()) {
            return client.getPayment(7);
        }
    }

    private static Money rupees(long units, int nanos) {
        return Money.newBuilder()
                .setCurrencyCode("INR")
                .setUnits(units)
                .setNanos(nanos)
                .build();
    }

    @Test
    void aPaymentAndItsRefundsAreConvertedToJavaTypes() {
        PaymentDetails details = receivedDetails(GetPaymentResponse.newBuilder()
                .setPayment(payments.v1.Payment.newBuilder()
                        .setPaymentId(Long.MAX_VALUE)
                        .setOrderId(Long.MIN_VALUE)
                        .setAmount(rupees(561, 0))
                        .setMethod(payments.v1.PaymentMethod.PAYMENT_METHOD_OTHER)
                        .setOtherMethod("cheque")
                        .setStatus(payments.v1.PaymentStatus.PAYMENT_STATUS_SUCCEEDED)
                        .setReference("ECI20251124-1")
                        .setCreateTime(TIMESTAMP)
                        .setRefundedAmount(rupees(61, 500_000_000))
                        .setRefundState(payments.v1.RefundState.REFUND_STATE_PARTIAL)
                        .setCaller("shop")
                        .setRequestId("order-1")
                        .setProcessorReference("pi_1")
                        .setFailure(payments.v1.Failure.FAILURE_DECLINED)
                        .setFailureCode("do_not_honor")
                        .setExternalReference(" ORD-1 ")
                        .setCustomerId("customer 7")
                        .putLabels("channel", "web")
                        .setNextAction(payments.v1.NextAction.newBuilder()
                                .setType(payments.v1.NextActionType.NEXT_ACTION_TYPE_REDIRECT)
                                .setRedirectUrl("https://bank.example/approve")
                                .setExpireTime(TIMESTAMP))
                        .setDispute(payments.v1.Dispute.newBuilder()
                                .setStatus(payments.v1.DisputeStatus.DISPUTE_STATUS_WON)
                                .setAmount(rupees(60, 500_000_000))
                                .setReason("fraudulent")
                                .setOpenTime(TIMESTAMP)
                                .setCloseTime(Timestamp.newBuilder().setSeconds(TIMESTAMP.getSeconds() + 1))
                                .setProcessorReference("dp_1")))
                .addRefunds(payments.v1.Refund.newBuilder()
                        .setRefundId(19)
                        .setPaymentId(Long.MAX_VALUE)
                        .setAmount(rupees(61, 500_000_000))
                        .setStatus(payments.v1.RefundStatus.REFUND_STATUS_PENDING)
                        .setReason("damaged")
                        .setCreateTime(TIMESTAMP)
                        .setCaller("support")
                        .setRequestId("refund-1")
                        .setProcessorReference("re_1")
                        .setFailure(payments.v1.Failure.FAILURE_PROCESSOR_ERROR)
                        .setFailureCode("timeout"))
                .setNextRefundsPageToken("rest")
                .build());
        Payment payment = new Payment(
                Long.MAX_VALUE,
                Long.MIN_VALUE,
                new BigDecimal("561.00"),
                "INR",
                PaymentMethod.OTHER,
                "cheque",
                PaymentStatus.SUCCEEDED,
                "ECI20251124-1",
                TIME,
                new BigDecimal("61.50"),
                RefundState.PARTIAL,
                "shop",
                "order-1",
                "pi_1",
                Optional.of(Failure.DECLINED),
                "do_not_honor",
                " ORD-1 ",
                "customer 7",
                Map.of("channel", "web"),
                Optional.of(new NextAction(NextActionType.REDIRECT, "https://bank.example/approve", TIME)),
                Optional.of(new Dispute(
                        DisputeStatus.WON,
                        new BigDecimal("60.50"),
                        "INR",
                        "fraudulent",
                        TIME,
                        Optional.of(Instant.parse("2025-11-24T03:15:56Z")),
                        "dp_1")));
        Refund refund = new Refund(
                19,
                Long.MAX_VALUE,
                new BigDecimal("61.50"),
                "INR",
                RefundStatus.PENDING,
                "damaged",
                TIME,
                "support",
                "refund-1",
                "re_1",
                Optional.of(Failure.PROCESSOR_ERROR),
                "timeout");
        assertEquals(new PaymentDetails(payment, List.of(refund), "rest"), details);
        assertThrows(
                UnsupportedOperationException.class, () -> details.refunds().clear());
        assertThrows(
                UnsupportedOperationException.class,
                () -> details.payment().labels().clear());
    }

    @Test
    void missingFieldsOfAPaymentAndARefundAreEmpty() {
        PaymentDetails details = receivedDetails(GetPaymentResponse.newBuilder()
                .setPayment(payments.v1.Payment.newBuilder().setPaymentId(7))
                .addRefunds(payments.v1.Refund.newBuilder().setRefundId(19))
                .build());
        Payment payment = details.payment();
        assertEquals("", payment.caller());
        assertEquals("", payment.requestId());
        assertEquals("", payment.processorReference());
        assertEquals(Optional.empty(), payment.failure());
        assertEquals("", payment.failureCode());
        assertEquals("", payment.externalReference());
        assertEquals("", payment.customerId());
        assertEquals(Map.of(), payment.labels());
        assertEquals(Optional.empty(), payment.nextAction());
        assertEquals(Optional.empty(), payment.dispute());
        Refund refund = details.refunds().get(0);
        assertEquals("", refund.caller());
        assertEquals("", refund.requestId());
        assertEquals("", refund.processorReference());
        assertEquals(Optional.empty(), refund.failure());
        assertEquals("", refund.failureCode());
    }

    @Test
    void missingFieldsOfAnAdoptedPaymentAreNullNotZero() {
        Payment payment = receivedDetails(GetPaymentResponse.newBuilder()
                        .setPayment(payments.v1.Payment.newBuilder().setPaymentId(7))
                        .build())
                .payment();
        assertNull(payment.amount());
        assertNull(payment.currency());
        assertNull(payment.refundedAmount());
        assertNull(payment.createTime());
    }

    @Test
    void missingFieldsOfANextActionAndADisputeAreEmptyOrNull() {
        Payment payment = receivedDetails(GetPaymentResponse.newBuilder()
                        .setPayment(payments.v1.Payment.newBuilder()
                                .setNextAction(payments.v1.NextAction.getDefaultInstance())
                                .setDispute(payments.v1.Dispute.getDefaultInstance()))
                        .build())
                .payment();
        assertEquals(Optional.of(new NextAction(NextActionType.UNKNOWN, "", null)), payment.nextAction());
        assertEquals(
                Optional.of(new Dispute(DisputeStatus.UNKNOWN, null, null, "", null, Optional.empty(), "")),
                payment.dispute());
    }

    @Test
    void theTextOfANextActionLeavesItsUrlOut() {
        assertEquals(
                "NextAction[type=REDIRECT, expireTime=2025-11-24T03:15:55.362775Z]",
                new NextAction(NextActionType.REDIRECT, "https://bank.example/approve", TIME).toString());
    }

    @Test
    void aRefundReturnsTheUpdatedPayment() {
        RefundResponse response = RefundResponse.newBuilder()
                .setRefund(payments.v1.Refund.newBuilder().setRefundId(19).setAmount(rupees(1, 0)))
                .setPayment(payments.v1.Payment.newBuilder().setPaymentId(7))
                .build();
        try (FakeService service = FakeService.start(respondWith(response));
                PaymentsClient client = service.client()) {
            RefundResult result = client.refund(REFUND);
            assertEquals(19, result.refund().refundId());
            assertEquals(7, result.payment().paymentId());
        }
    }

    @Test
    void theRefundIsNullIfTheServiceReturnsNone() {
        RefundResponse response = RefundResponse.newBuilder()
                .setPayment(payments.v1.Payment.newBuilder().setPaymentId(7))
                .build();
        try (FakeService service = FakeService.start(respondWith(response));
                PaymentsClient client = service.client()) {
            assertNull(client.refund(REFUND).refund());
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 99, -1})
    void enumValuesFromANewerServiceAreUnknown(int number) {
        PaymentDetails details = receivedDetails(GetPaymentResponse.newBuilder()
                .setPayment(payments.v1.Payment.newBuilder()
                        .setMethodValue(number)
                        .setStatusValue(number)
                        .setRefundStateValue(number)
                        .setNextAction(payments.v1.NextAction.newBuilder().setTypeValue(number))
                        .setDispute(payments.v1.Dispute.newBuilder().setStatusValue(number)))
                .addRefunds(payments.v1.Refund.newBuilder().setStatusValue(number))
                .build());
        assertEquals(PaymentMethod.UNKNOWN, details.payment().method());
        assertEquals(PaymentStatus.UNKNOWN, details.payment().status());
        assertEquals(RefundState.UNKNOWN, details.payment().refundState());
        assertEquals(
                NextActionType.UNKNOWN,
                details.payment().nextAction().orElseThrow().type());
        assertEquals(
                DisputeStatus.UNKNOWN, details.payment().dispute().orElseThrow().status());
        assertEquals(RefundStatus.UNKNOWN, details.refunds().get(0).status());
    }

    @ParameterizedTest
    @ValueSource(ints = {99, -1})
    void aFailureFromANewerServiceIsUnknown(int number) {
        PaymentDetails details = receivedDetails(GetPaymentResponse.newBuilder()
                .setPayment(payments.v1.Payment.newBuilder().setFailureValue(number))
                .addRefunds(payments.v1.Refund.newBuilder().setFailureValue(number))
                .build());
        assertEquals(Optional.of(Failure.UNKNOWN), details.payment().failure());
        assertEquals(Optional.of(Failure.UNKNOWN), details.refunds().get(0).failure());
    }

    @ParameterizedTest
    @EnumSource(
            mode = Mode.EXCLUDE,
            names = {"FAILURE_UNSPECIFIED", "UNRECOGNIZED"})
    void everyFailureHasTheContractsName(payments.v1.Failure failure) {
        assertEquals(failure.name(), "FAILURE_" + Enums.fromContract(failure).orElseThrow());
    }

    @ParameterizedTest
    @EnumSource(
            mode = Mode.EXCLUDE,
            names = {"PAYMENT_METHOD_UNSPECIFIED", "UNRECOGNIZED"})
    void everyMethodHasTheContractsName(payments.v1.PaymentMethod method) {
        PaymentMethod ours = Enums.fromContract(method);
        assertEquals(method.name(), "PAYMENT_METHOD_" + ours);
        assertEquals(method, Enums.toContract(ours));
    }

    @ParameterizedTest
    @EnumSource(
            mode = Mode.EXCLUDE,
            names = {"PAYMENT_STATUS_UNSPECIFIED", "UNRECOGNIZED"})
    void everyStatusHasTheContractsName(payments.v1.PaymentStatus status) {
        PaymentStatus ours = Enums.fromContract(status);
        assertEquals(status.name(), "PAYMENT_STATUS_" + ours);
        assertEquals(status, Enums.toContract(ours));
    }

    @ParameterizedTest
    @EnumSource(
            mode = Mode.EXCLUDE,
            names = {"REFUND_STATE_UNSPECIFIED", "UNRECOGNIZED"})
    void everyRefundStateHasTheContractsName(payments.v1.RefundState state) {
        RefundState ours = Enums.fromContract(state);
        assertEquals(state.name(), "REFUND_STATE_" + ours);
        assertEquals(state, Enums.toContract(ours));
    }

    @ParameterizedTest
    @EnumSource(
            mode = Mode.EXCLUDE,
            names = {"REFUND_STATUS_UNSPECIFIED", "UNRECOGNIZED"})
    void everyRefundStatusHasTheContractsName(payments.v1.RefundStatus status) {
        assertEquals(status.name(), "REFUND_STATUS_" + Enums.fromContract(status));
    }

    @ParameterizedTest
    @EnumSource(
            mode = Mode.EXCLUDE,
            names = {"NEXT_ACTION_TYPE_UNSPECIFIED", "UNRECOGNIZED"})
    void everyNextActionTypeHasTheContractsName(payments.v1.NextActionType type) {
        assertEquals(type.name(), "NEXT_ACTION_TYPE_" + Enums.fromContract(type));
    }

    @ParameterizedTest
    @EnumSource(
            mode = Mode.EXCLUDE,
            names = {"DISPUTE_STATUS_UNSPECIFIED", "UNRECOGNIZED"})
    void everyDisputeStatusHasTheContractsName(payments.v1.DisputeStatus status) {
        assertEquals(status.name(), "DISPUTE_STATUS_" + Enums.fromContract(status));
    }

    private static PaymentUpdate update(WatchPaymentsResponse response) {
        try (FakeService service = FakeService.start(respondWith(response));
                PaymentsClient client = service.client();
                Stream<PaymentUpdate> updates = client.watchPayments(FROM_NOW)) {
            return updates.findFirst().orElseThrow();
        }
    }

    @Test
    void anEventHasAllItsFields() {
        PaymentUpdate update = update(WatchPaymentsResponse.newBuilder()
                .setEvent(payments.v1.PaymentEvent.newBuilder()
                        .setType(payments.v1.PaymentEventType.PAYMENT_EVENT_TYPE_REFUNDED)
                        .setEventTime(TIMESTAMP)
                        .setPayment(payments.v1.Payment.newBuilder()
                                .setPaymentId(7)
                                .setRefundedAmount(rupees(61, 500_000_000)))
                        .setRefund(
                                payments.v1.Refund.newBuilder().setRefundId(19).setAmount(rupees(61, 500_000_000)))
                        .setCaller("shop")
                        .setRequestId("refund-1"))
                .setResumeToken("token")
                .build());
        assertEquals("token", update.resumeToken());
        PaymentEvent event = update.event().orElseThrow();
        assertEquals(PaymentEventType.REFUNDED, event.type());
        assertEquals(TIME, event.eventTime());
        assertEquals(7, event.payment().paymentId());
        assertEquals(new BigDecimal("61.50"), event.payment().refundedAmount());
        assertEquals(19, event.refund().orElseThrow().refundId());
        assertEquals("shop", event.caller());
        assertEquals("refund-1", event.requestId());
    }

    @Test
    void missingFieldsOfAnUpdateOrEventAreEmpty() {
        WatchPaymentsResponse.Builder response =
                WatchPaymentsResponse.newBuilder().setResumeToken("token");
        assertEquals(new PaymentUpdate(Optional.empty(), "token"), update(response.build()));
        PaymentEvent event = update(response.setEvent(payments.v1.PaymentEvent.getDefaultInstance())
                        .build())
                .event()
                .orElseThrow();
        assertEquals(Optional.empty(), event.refund());
        assertNull(event.eventTime());
        assertEquals(PaymentEventType.UNKNOWN, event.type());
    }

    @ParameterizedTest
    @EnumSource(
            mode = Mode.EXCLUDE,
            names = {"PAYMENT_EVENT_TYPE_UNSPECIFIED", "UNRECOGNIZED"})
    void everyEventTypeHasTheContractsName(payments.v1.PaymentEventType type) {
        PaymentEventType ours = Enums.fromContract(type);
        assertEquals(type.name(), "PAYMENT_EVENT_TYPE_" + ours);
        assertEquals(type, Enums.toContract(ours));
    }
}
