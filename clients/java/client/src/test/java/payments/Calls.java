package payments;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.params.provider.Arguments;

/** Calls with arbitrary parameters. */
final class Calls {
    static final ChargeParams CHARGE =
            ChargeParams.builder().orderId(342).amount(new BigDecimal("561.00")).build();
    static final RefundParams REFUND = RefundParams.builder().paymentId(7).build();
    static final ListRefundsParams REFUNDS =
            ListRefundsParams.builder().paymentId(7).build();
    static final ListPaymentsParams ALL = ListPaymentsParams.builder().build();
    static final ListPaymentEventsParams EVENTS =
            ListPaymentEventsParams.builder().paymentId(7).build();
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
                Named.of("getPaymentByRequestId", client -> client.getPaymentByRequestId("order-1")),
                Named.of("listRefunds", client -> client.listRefunds(REFUNDS).toList()),
                Named.of("listRefundsPage", client -> client.listRefundsPage(REFUNDS)),
                Named.of("listPayments", client -> client.listPayments(ALL).toList()),
                Named.of("listPaymentsPage", client -> client.listPaymentsPage(ALL)),
                Named.of(
                        "listPaymentEvents",
                        client -> client.listPaymentEvents(EVENTS).toList()),
                Named.of("listPaymentEventsPage", client -> client.listPaymentEventsPage(EVENTS)),
                Named.of("watchPayments", Calls::nextUpdate));
    }

    /** {@return each call of the asynchronous client, in the same order} */
    static Stream<Named<AsyncCall>> everyAsyncCall() {
        return Stream.of(
                Named.of("charge", client -> client.charge(CHARGE)),
                Named.of("batchCharge", client -> client.batchCharge(List.of(CHARGE, CHARGE))),
                Named.of("refund", client -> client.refund(REFUND)),
                Named.of("getPayment", client -> client.getPayment(7)),
                Named.of("getPaymentByReference", client -> client.getPaymentByReference("ECI20251124-1")),
                Named.of("getPaymentByRequestId", client -> client.getPaymentByRequestId("order-1")),
                Named.of("listRefunds", client -> all(client.listRefunds(REFUNDS))),
                Named.of("listRefundsPage", client -> client.listRefundsPage(REFUNDS)),
                Named.of("listPayments", client -> all(client.listPayments(ALL))),
                Named.of("listPaymentsPage", client -> client.listPaymentsPage(ALL)),
                Named.of("listPaymentEvents", client -> all(client.listPaymentEvents(EVENTS))),
                Named.of("listPaymentEventsPage", client -> client.listPaymentEventsPage(EVENTS)),
                Named.of("watchPayments", client -> first(client.watchPayments(FROM_NOW))));
    }

    /** {@return both clients' versions of each call} */
    static Stream<Arguments> everyCallOfBothClients() {
        Iterator<Named<AsyncCall>> asyncCalls = everyAsyncCall().iterator();
        return everyCall().map(call -> Arguments.of(call, asyncCalls.next().getPayload()));
    }

    static <T> CompletableFuture<List<T>> all(ItemPublisher<T> publisher) {
        List<T> items = new ArrayList<>();
        return publisher.forEach(items::add).thenApply(nothing -> items);
    }

    private static <T> CompletableFuture<T> first(ItemPublisher<T> publisher) {
        CompletableFuture<T> first = new CompletableFuture<>();
        CompletableFuture<Void> end = publisher.forEach(first::complete);
        end.exceptionally(failure -> {
            first.completeExceptionally(failure);
            return null;
        });
        first.whenComplete((item, failure) -> end.cancel(true));
        return first;
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

    /** One call of an asynchronous client. */
    @FunctionalInterface
    interface AsyncCall {
        /** Starts the call and returns its result. */
        CompletableFuture<?> on(AsyncPaymentsClient client);
    }
}
