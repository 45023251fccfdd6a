package payments.conformance;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import java.util.stream.Stream;
import payments.ChargeOutcome;
import payments.ChargeParams;
import payments.ListPaymentEventsParams;
import payments.ListPaymentsParams;
import payments.ListRefundsParams;
import payments.Payment;
import payments.PaymentDetails;
import payments.PaymentEvent;
import payments.PaymentEventPage;
import payments.PaymentPage;
import payments.PaymentUpdate;
import payments.PaymentsClient;
import payments.Refund;
import payments.RefundPage;
import payments.RefundParams;
import payments.RefundResult;
import payments.WatchPaymentsParams;

/** Makes the calls with {@link PaymentsClient}. */
final class BlockingClient implements Client {
    private final PaymentsClient client;

    BlockingClient(PaymentsClient client) {
        this.client = client;
    }

    @Override
    public Payment charge(ChargeParams params) {
        return client.charge(params);
    }

    @Override
    public List<ChargeOutcome> batchCharge(List<ChargeParams> charges) {
        return client.batchCharge(charges);
    }

    @Override
    public RefundResult refund(RefundParams params) {
        return client.refund(params);
    }

    @Override
    public PaymentDetails getPayment(long paymentId) {
        return client.getPayment(paymentId);
    }

    @Override
    public PaymentDetails getPaymentByReference(String reference) {
        return client.getPaymentByReference(reference);
    }

    @Override
    public PaymentDetails getPaymentByRequestId(String requestId) {
        return client.getPaymentByRequestId(requestId);
    }

    @Override
    public PaymentDetails getPaymentByRequestId(String requestId, String caller) {
        return client.getPaymentByRequestId(requestId, caller);
    }

    @Override
    public List<Refund> listRefunds(ListRefundsParams params) {
        return client.listRefunds(params).toList();
    }

    @Override
    public RefundPage listRefundsPage(ListRefundsParams params) {
        return client.listRefundsPage(params);
    }

    @Override
    public List<Payment> listPayments(ListPaymentsParams params) {
        return client.listPayments(params).toList();
    }

    @Override
    public PaymentPage listPaymentsPage(ListPaymentsParams params) {
        return client.listPaymentsPage(params);
    }

    @Override
    public List<PaymentEvent> listPaymentEvents(ListPaymentEventsParams params) {
        return client.listPaymentEvents(params).toList();
    }

    @Override
    public PaymentEventPage listPaymentEventsPage(ListPaymentEventsParams params) {
        return client.listPaymentEventsPage(params);
    }

    @Override
    public void watchPayments(WatchPaymentsParams params, Duration limit, Predicate<PaymentUpdate> isLast) {
        try (Stream<PaymentUpdate> updates = client.watchPayments(params)) {
            CompletableFuture.delayedExecutor(limit.toMillis(), TimeUnit.MILLISECONDS)
                    .execute(updates::close);
            updates.anyMatch(isLast);
        }
    }

    @Override
    public void close() {
        client.close();
    }
}
