package payments;

import io.grpc.Status;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.stream.IntStream;
import payments.v1.BatchChargeRequest;
import payments.v1.BatchChargeResponse;
import payments.v1.BatchChargeResult;
import payments.v1.ChargeRequest;
import payments.v1.GetPaymentResponse;
import payments.v1.ListPaymentEventsResponse;
import payments.v1.ListPaymentsResponse;
import payments.v1.ListRefundsResponse;
import payments.v1.RefundResponse;
import payments.v1.WatchPaymentsResponse;

/** Converts the contract's responses to the client's records. */
final class Responses {
    private Responses() {}

    static Payment payment(payments.v1.Payment message) {
        return new Payment(
                message.getPaymentId(),
                message.getOrderId(),
                message.hasAmount() ? Amounts.fromMoney(message.getAmount()) : null,
                message.hasAmount() ? message.getAmount().getCurrencyCode() : null,
                Enums.fromContract(message.getMethod()),
                message.getOtherMethod(),
                Enums.fromContract(message.getStatus()),
                message.getReference(),
                message.hasCreateTime() ? Times.fromTimestamp(message.getCreateTime()) : null,
                message.hasRefundedAmount() ? Amounts.fromMoney(message.getRefundedAmount()) : null,
                Enums.fromContract(message.getRefundState()),
                message.getCaller(),
                message.getRequestId(),
                message.getProcessorReference(),
                Enums.fromContract(message.getFailure()),
                message.getFailureCode(),
                message.getExternalReference(),
                message.getCustomerId(),
                message.getLabelsMap(),
                message.hasNextAction() ? Optional.of(nextAction(message.getNextAction())) : Optional.empty(),
                message.hasDispute() ? Optional.of(dispute(message.getDispute())) : Optional.empty());
    }

    private static NextAction nextAction(payments.v1.NextAction message) {
        return new NextAction(
                Enums.fromContract(message.getType()),
                message.getRedirectUrl(),
                message.hasExpireTime() ? Times.fromTimestamp(message.getExpireTime()) : null);
    }

    private static Dispute dispute(payments.v1.Dispute message) {
        return new Dispute(
                Enums.fromContract(message.getStatus()),
                message.hasAmount() ? Amounts.fromMoney(message.getAmount()) : null,
                message.hasAmount() ? message.getAmount().getCurrencyCode() : null,
                message.getReason(),
                message.hasOpenTime() ? Times.fromTimestamp(message.getOpenTime()) : null,
                message.hasCloseTime() ? Optional.of(Times.fromTimestamp(message.getCloseTime())) : Optional.empty(),
                message.getProcessorReference());
    }

    static List<ChargeOutcome> chargeOutcomes(BatchChargeRequest request, BatchChargeResponse response) {
        if (response.getResultsCount() != request.getChargesCount()) {
            throw new InternalErrorException(ErrorDetails.of(
                    Status.Code.INTERNAL,
                    "the response has " + response.getResultsCount() + " results for " + request.getChargesCount()
                            + " charges"));
        }
        return IntStream.range(0, response.getResultsCount())
                .mapToObj(index -> chargeOutcome(request.getCharges(index), response.getResults(index)))
                .toList();
    }

    private static ChargeOutcome chargeOutcome(ChargeRequest charge, BatchChargeResult result) {
        return result.hasPayment()
                ? new ChargeOutcome(Optional.of(payment(result.getPayment())), Optional.empty())
                : new ChargeOutcome(
                        Optional.empty(), Optional.of(Errors.fromStatus(result.getError(), charge.getRequestId())));
    }

    static Refund refund(payments.v1.Refund message) {
        return new Refund(
                message.getRefundId(),
                message.getPaymentId(),
                Amounts.fromMoney(message.getAmount()),
                message.getAmount().getCurrencyCode(),
                Enums.fromContract(message.getStatus()),
                message.getReason(),
                Times.fromTimestamp(message.getCreateTime()),
                message.getCaller(),
                message.getRequestId(),
                message.getProcessorReference(),
                Enums.fromContract(message.getFailure()),
                message.getFailureCode());
    }

    static RefundResult refundResult(RefundResponse response) {
        return new RefundResult(
                response.hasRefund() ? refund(response.getRefund()) : null, payment(response.getPayment()));
    }

    static PaymentDetails paymentDetails(GetPaymentResponse response) {
        return new PaymentDetails(
                payment(response.getPayment()),
                response.getRefundsList().stream().map(Responses::refund).toList(),
                response.getNextRefundsPageToken());
    }

    static RefundPage refundPage(ListRefundsResponse response) {
        return new RefundPage(
                response.getRefundsList().stream().map(Responses::refund).toList(), response.getNextPageToken());
    }

    static PaymentPage paymentPage(ListPaymentsResponse response) {
        return new PaymentPage(
                response.getPaymentsList().stream().map(Responses::payment).toList(),
                response.getNextPageToken(),
                response.hasTotalSize() ? OptionalLong.of(response.getTotalSize()) : OptionalLong.empty());
    }

    static PaymentEventPage eventPage(ListPaymentEventsResponse response) {
        return new PaymentEventPage(
                response.getEventsList().stream().map(Responses::event).toList(), response.getNextPageToken());
    }

    static PaymentUpdate paymentUpdate(WatchPaymentsResponse response) {
        return new PaymentUpdate(
                response.hasEvent() ? Optional.of(event(response.getEvent())) : Optional.empty(),
                response.getResumeToken());
    }

    private static PaymentEvent event(payments.v1.PaymentEvent message) {
        return new PaymentEvent(
                Enums.fromContract(message.getType()),
                message.hasEventTime() ? Times.fromTimestamp(message.getEventTime()) : null,
                payment(message.getPayment()),
                message.hasRefund() ? Optional.of(refund(message.getRefund())) : Optional.empty(),
                message.getCaller(),
                message.getRequestId());
    }
}
