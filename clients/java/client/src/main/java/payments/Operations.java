package payments;

import static java.util.Objects.requireNonNull;

import java.util.List;
import payments.v1.BatchChargeRequest;
import payments.v1.ChargeRequest;
import payments.v1.GetPaymentRequest;
import payments.v1.ListPaymentEventsRequest;
import payments.v1.ListPaymentsRequest;
import payments.v1.ListRefundsRequest;
import payments.v1.PaymentServiceGrpc;
import payments.v1.RefundRequest;

/** The operations of both clients. Creating one checks its arguments and sends nothing. */
final class Operations {
    private Operations() {}

    static Operation<?, ?, Payment> charge(ChargeParams params) {
        ChargeRequest request = Requests.charge(requireNonNull(params, "params"));
        return new Operation<>(
                PaymentServiceGrpc.getChargeMethod(),
                request,
                request.getRequestId(),
                response -> Responses.payment(response.getPayment()));
    }

    static Operation<?, ?, List<ChargeOutcome>> batchCharge(List<ChargeParams> charges) {
        BatchChargeRequest request = Requests.batchCharge(requireNonNull(charges, "charges"));
        return new Operation<>(
                PaymentServiceGrpc.getBatchChargeMethod(),
                request,
                null,
                response -> Responses.chargeOutcomes(request, response));
    }

    static Operation<?, ?, RefundResult> refund(RefundParams params) {
        RefundRequest request = Requests.refund(requireNonNull(params, "params"));
        return new Operation<>(
                PaymentServiceGrpc.getRefundMethod(), request, request.getRequestId(), Responses::refundResult);
    }

    static Operation<?, ?, PaymentDetails> getPayment(long paymentId) {
        return getPayment(Requests.payment(paymentId));
    }

    static Operation<?, ?, PaymentDetails> getPaymentByReference(String reference) {
        return getPayment(Requests.payment(requireNonNull(reference, "reference")));
    }

    static Operation<?, ?, PaymentDetails> getPaymentByRequestId(String requestId, String caller) {
        return getPayment(Requests.payment(requireNonNull(requestId, "requestId"), requireNonNull(caller, "caller")));
    }

    private static Operation<?, ?, PaymentDetails> getPayment(GetPaymentRequest request) {
        return new Operation<>(PaymentServiceGrpc.getGetPaymentMethod(), request, null, Responses::paymentDetails);
    }

    static Operation<?, ?, RefundPage> listRefundsPage(ListRefundsParams params) {
        return listRefundsPage(Requests.refunds(requireNonNull(params, "params")));
    }

    private static Operation<?, ?, RefundPage> listRefundsPage(ListRefundsRequest request) {
        return new Operation<>(PaymentServiceGrpc.getListRefundsMethod(), request, null, Responses::refundPage);
    }

    static Listing<RefundPage, Refund> listRefunds(ListRefundsParams params) {
        ListRefundsRequest first = Requests.refunds(requireNonNull(params, "params"));
        return new Listing<>(
                first.getPageToken(),
                token -> listRefundsPage(first.toBuilder().setPageToken(token).build()),
                RefundPage::refunds,
                RefundPage::nextPageToken);
    }

    static Operation<?, ?, PaymentPage> listPaymentsPage(ListPaymentsParams params) {
        return listPaymentsPage(Requests.payments(requireNonNull(params, "params")));
    }

    private static Operation<?, ?, PaymentPage> listPaymentsPage(ListPaymentsRequest request) {
        return new Operation<>(PaymentServiceGrpc.getListPaymentsMethod(), request, null, Responses::paymentPage);
    }

    static Listing<PaymentPage, Payment> listPayments(ListPaymentsParams params) {
        ListPaymentsRequest first = Requests.payments(requireNonNull(params, "params"));
        return new Listing<>(
                first.getPageToken(),
                token -> listPaymentsPage(first.toBuilder().setPageToken(token).build()),
                PaymentPage::payments,
                PaymentPage::nextPageToken);
    }

    static Operation<?, ?, PaymentEventPage> listPaymentEventsPage(ListPaymentEventsParams params) {
        return listPaymentEventsPage(Requests.events(requireNonNull(params, "params")));
    }

    private static Operation<?, ?, PaymentEventPage> listPaymentEventsPage(ListPaymentEventsRequest request) {
        return new Operation<>(PaymentServiceGrpc.getListPaymentEventsMethod(), request, null, Responses::eventPage);
    }

    static Listing<PaymentEventPage, PaymentEvent> listPaymentEvents(ListPaymentEventsParams params) {
        ListPaymentEventsRequest first = Requests.events(requireNonNull(params, "params"));
        return new Listing<>(
                first.getPageToken(),
                token -> listPaymentEventsPage(
                        first.toBuilder().setPageToken(token).build()),
                PaymentEventPage::events,
                PaymentEventPage::nextPageToken);
    }
}
