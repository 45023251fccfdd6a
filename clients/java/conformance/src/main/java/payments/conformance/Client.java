package payments.conformance;

import java.time.Duration;
import java.util.List;
import java.util.function.Predicate;
import payments.AsyncPaymentsClient;
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
import payments.testing.FakePaymentService;

/** The calls that the blocking and the asynchronous client have in common. Each waits for its result. */
interface Client extends AutoCloseable {
    /** {@return a new client for the service at {@code target}} */
    static Client connect(boolean isAsync, String target, Duration timeout) {
        return isAsync
                ? new AsyncClient(AsyncPaymentsClient.builder()
                        .target(target)
                        .timeout(timeout)
                        .build())
                : new BlockingClient(
                        PaymentsClient.builder().target(target).timeout(timeout).build());
    }

    /** {@return a new client of the fake service} */
    static Client of(boolean isAsync, FakePaymentService service) {
        return isAsync ? new AsyncClient(service.asyncClient()) : new BlockingClient(service.client());
    }

    Payment charge(ChargeParams params);

    List<ChargeOutcome> batchCharge(List<ChargeParams> charges);

    RefundResult refund(RefundParams params);

    PaymentDetails getPayment(long paymentId);

    PaymentDetails getPaymentByReference(String reference);

    PaymentDetails getPaymentByRequestId(String requestId);

    PaymentDetails getPaymentByRequestId(String requestId, String caller);

    List<Refund> listRefunds(ListRefundsParams params);

    RefundPage listRefundsPage(ListRefundsParams params);

    List<Payment> listPayments(ListPaymentsParams params);

    PaymentPage listPaymentsPage(ListPaymentsParams params);

    List<PaymentEvent> listPaymentEvents(ListPaymentEventsParams params);

    PaymentEventPage listPaymentEventsPage(ListPaymentEventsParams params);

    /** Watches until {@code isLast} accepts an update, or for {@code limit}. */
    void watchPayments(WatchPaymentsParams params, Duration limit, Predicate<PaymentUpdate> isLast);

    @Override
    void close();
}
