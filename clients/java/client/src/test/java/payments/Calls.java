package payments;

import java.math.BigDecimal;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Named;

/** Calls with arbitrary parameters. */
final class Calls {
    static final ChargeParams CHARGE =
            ChargeParams.builder().orderId(342).amount(new BigDecimal("561.00")).build();
    static final RefundParams REFUND = RefundParams.builder().paymentId(7).build();
    static final ListRefundsParams REFUNDS =
            ListRefundsParams.builder().paymentId(7).build();
    static final ListPaymentsParams ALL = ListPaymentsParams.builder().build();
    static final WatchPaymentsParams FROM_NOW = WatchPaymentsParams.builder().build();

    private Calls() {}

    /** {@return each call of the client} */
    static Stream<Named<Call>> everyCall() {
        return Stream.of(
                Named.of("charge", client -> client.charge(CHARGE)),
                Named.of("batchCharge", client -> client.batchCharge(List.of(CHARGE, CHARGE))),
                Named.of("refund", client -> client.refund(REFUND)),
                Named.of("getPayment", client -> client.getPayment(7)),
                Named.of("getPaymentByReference", client -> client.getPaymentByReference("ECI20251124-1")),
                Named.of("listRefunds", client -> client.listRefunds(REFUNDS).toList()),
                Named.of("listRefundsPage", client -> client.listRefundsPage(REFUNDS)),
                Named.of("listPayments", client -> client.listPayments(ALL).toList()),
                Named.of("listPaymentsPage", client -> client.listPaymentsPage(ALL)),
                Named.of("watchPayments", Calls::nextUpdate));
    }

    private static PaymentUpdate nextUpdate(PaymentsClient client) {
        try (Stream<PaymentUpdate> updates = client.watchPayments(FROM_NOW)) {
            return updates.findFirst().orElseThrow();
        }
    }

    /** One call of a client. */
    @FunctionalInterface
    interface Call {
        /** Makes the call and returns its result. */
        Object on(PaymentsClient client);
    }
}
