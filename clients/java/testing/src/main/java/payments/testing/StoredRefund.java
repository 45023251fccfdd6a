package payments.testing;

import java.time.Instant;
import payments.v1.Refund;
import payments.v1.RefundStatus;

/** A refund of a payment. The {@link Ledger} guards it with its lock. */
final class StoredRefund {
    private final StoredPayment payment;
    private final NewRefund request;
    private final Amount amount;
    private Refund refund;

    /** Stores a refund whose outcome is not known yet. */
    StoredRefund(long refundId, StoredPayment payment, NewRefund request, Amount amount, Instant createTime) {
        this.payment = payment;
        this.request = request;
        this.amount = amount;
        refund = Refund.newBuilder()
                .setRefundId(refundId)
                .setPaymentId(payment.payment().getPaymentId())
                .setAmount(amount.toMoney())
                .setStatus(RefundStatus.REFUND_STATUS_PENDING)
                .setReason(request.parameters().getReason())
                .setCreateTime(Times.toTimestamp(createTime))
                .setCaller(Ledger.CALLER)
                .setRequestId(StoredPayment.requestIdOrNew(request.requestId()))
                .build();
    }

    StoredPayment payment() {
        return payment;
    }

    NewRefund request() {
        return request;
    }

    Amount amount() {
        return amount;
    }

    /** {@return the refund in its current state} */
    Refund refund() {
        return refund;
    }

    /** Stores the outcome of the refund. */
    void finish(Outcome outcome) {
        refund = refund.toBuilder()
                .setStatus(
                        outcome.isSuccess() ? RefundStatus.REFUND_STATUS_SUCCEEDED : RefundStatus.REFUND_STATUS_FAILED)
                .setFailure(outcome.failure())
                .setFailureCode(outcome.failureCode())
                .build();
        if (!outcome.isSuccess()) {
            payment.undoRefund(amount);
        }
    }
}
