package payments.conformance;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import payments.AsyncPaymentsClient;
import payments.ChargeOutcome;
import payments.ChargeParams;
import payments.ItemPublisher;
import payments.ListPaymentEventsParams;
import payments.ListPaymentsParams;
import payments.ListRefundsParams;
import payments.Payment;
import payments.PaymentDetails;
import payments.PaymentEvent;
import payments.PaymentEventPage;
import payments.PaymentPage;
import payments.PaymentUpdate;
import payments.PaymentsException;
import payments.Refund;
import payments.RefundPage;
import payments.RefundParams;
import payments.RefundResult;
import payments.WatchPaymentsParams;

/** Makes the calls with {@link AsyncPaymentsClient}. */
final class AsyncClient implements Client {
    private final AsyncPaymentsClient client;

    AsyncClient(AsyncPaymentsClient client) {
        this.client = client;
    }

    @Override
    public Payment charge(ChargeParams params) {
        return result(client.charge(params));
    }

    @Override
    public List<ChargeOutcome> batchCharge(List<ChargeParams> charges) {
        return result(client.batchCharge(charges));
    }

    @Override
    public RefundResult refund(RefundParams params) {
        return result(client.refund(params));
    }

    @Override
    public PaymentDetails getPayment(long paymentId) {
        return result(client.getPayment(paymentId));
    }

    @Override
    public PaymentDetails getPaymentByReference(String reference) {
        return result(client.getPaymentByReference(reference));
    }

    @Override
    public PaymentDetails getPaymentByRequestId(String requestId) {
        return result(client.getPaymentByRequestId(requestId));
    }

    @Override
    public PaymentDetails getPaymentByRequestId(String requestId, String caller) {
        return result(client.getPaymentByRequestId(requestId, caller));
    }

    @Override
    public List<Refund> listRefunds(ListRefundsParams params) {
        return all(client.listRefunds(params));
    }

    @Override
    public RefundPage listRefundsPage(ListRefundsParams params) {
        return result(client.listRefundsPage(params));
    }

    @Override
    public List<Payment> listPayments(ListPaymentsParams params) {
        return all(client.listPayments(params));
    }

    @Override
    public PaymentPage listPaymentsPage(ListPaymentsParams params) {
        return result(client.listPaymentsPage(params));
    }

    @Override
    public List<PaymentEvent> listPaymentEvents(ListPaymentEventsParams params) {
        return all(client.listPaymentEvents(params));
    }

    @Override
    public PaymentEventPage listPaymentEventsPage(ListPaymentEventsParams params) {
        return result(client.listPaymentEventsPage(params));
    }

    @Override
    public void watchPayments(WatchPaymentsParams params, Duration limit, Predicate<PaymentUpdate> isLast) {
        CompletableFuture<Void> found = new CompletableFuture<>();
        CompletableFuture<Void> watch = client.watchPayments(params).forEach(update -> {
            if (!found.isDone() && isLast.test(update)) {
                found.complete(null);
            }
        });
        found.completeOnTimeout(null, limit.toMillis(), TimeUnit.MILLISECONDS).thenRun(() -> watch.cancel(true));
        try {
            result(watch);
        } catch (CancellationException canceled) {
            // The last update was found, or the limit passed.
        }
    }

    @Override
    public void close() {
        client.close();
    }

    private static <T> List<T> all(ItemPublisher<T> publisher) {
        List<T> items = new ArrayList<>();
        result(publisher.forEach(items::add));
        return items;
    }

    private static <R> R result(CompletableFuture<R> call) {
        try {
            return call.join();
        } catch (CompletionException failed) {
            throw failed.getCause() instanceof PaymentsException error ? error : failed;
        }
    }
}
