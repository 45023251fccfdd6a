package payments.testing;

import io.grpc.ManagedChannel;
import java.math.BigDecimal;
import java.time.Instant;
import java.util.List;
import java.util.function.Function;
import payments.ChargeParams;
import payments.ListPaymentEventsParams;
import payments.Payment;
import payments.PaymentEvent;
import payments.PaymentEventType;
import payments.PaymentsClient;
import payments.RefundParams;
import payments.v1.PaymentServiceGrpc;
import payments.v1.PaymentServiceGrpc.PaymentServiceBlockingStub;

/** Calls and parameters for the tests. */
final class Calls {
    static final Instant START = Instant.parse("2026-01-02T03:04:05.678901Z");

    private Calls() {}

    /** {@return a charge of 100.00 of order 342} */
    static ChargeParams.Builder hundred() {
        return ChargeParams.builder().orderId(342).amount(new BigDecimal("100.00"));
    }

    /** {@return a charge of 100.00 from this source} */
    static ChargeParams hundredFrom(String paymentSource) {
        return hundred().paymentSource(paymentSource).build();
    }

    static RefundParams refundOf(Payment payment, String amount) {
        return RefundParams.builder()
                .paymentId(payment.paymentId())
                .amount(new BigDecimal(amount))
                .build();
    }

    static List<PaymentEvent> events(PaymentsClient client, Payment payment) {
        return client.listPaymentEvents(ListPaymentEventsParams.builder()
                        .paymentId(payment.paymentId())
                        .build())
                .toList();
    }

    static List<PaymentEventType> eventTypes(PaymentsClient client, Payment payment) {
        return events(client, payment).stream().map(PaymentEvent::type).toList();
    }

    /** {@return what a call of the generated stub returns; it can send requests that the client cannot} */
    static <R> R withStub(FakePaymentService service, Function<PaymentServiceBlockingStub, R> call) {
        ManagedChannel channel = service.channelBuilder().build();
        try {
            return call.apply(PaymentServiceGrpc.newBlockingStub(channel));
        } finally {
            channel.shutdownNow();
        }
    }
}
