package payments.testing;

import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.UUID;
import payments.v1.Dispute;
import payments.v1.DisputeStatus;
import payments.v1.NextAction;
import payments.v1.NextActionType;
import payments.v1.Payment;
import payments.v1.PaymentMethod;
import payments.v1.PaymentStatus;
import payments.v1.Refund;
import payments.v1.RefundState;
import payments.v1.RefundStatus;

/** A payment with its refunds. The {@link Ledger} guards it with its lock. */
final class StoredPayment {
    private static final DateTimeFormatter DAY = DateTimeFormatter.BASIC_ISO_DATE.withZone(ZoneOffset.UTC);

    private final NewCharge charge;
    private final List<StoredRefund> refunds = new ArrayList<>();
    private Payment payment;
    private Amount refundedAmount;

    /** Stores a payment whose outcome is not known yet. */
    StoredPayment(long paymentId, NewCharge charge, Instant createTime) {
        this.charge = charge;
        refundedAmount = Amount.zero(charge.amount().currency());
        PaymentMethod method = charge.parameters().getMethod();
        payment = Payment.newBuilder()
                .setPaymentId(paymentId)
                .setOrderId(charge.parameters().getOrderId())
                .setAmount(charge.amount().toMoney())
                .setMethod(
                        method == PaymentMethod.PAYMENT_METHOD_UNSPECIFIED ? PaymentMethod.PAYMENT_METHOD_CARD : method)
                .setStatus(PaymentStatus.PAYMENT_STATUS_PENDING)
                .setReference(reference(paymentId, createTime))
                .setCreateTime(Times.toTimestamp(createTime))
                .setRefundedAmount(refundedAmount.toMoney())
                .setRefundState(RefundState.REFUND_STATE_NONE)
                .setCaller(Ledger.CALLER)
                .setRequestId(requestIdOrNew(charge.requestId()))
                .setExternalReference(charge.parameters().getExternalReference())
                .setCustomerId(charge.parameters().getCustomerId())
                .putAllLabels(charge.parameters().getLabelsMap())
                .build();
    }

    /** {@return a unique reference, such as {@code ECI20250910-00000000000000000007}} */
    private static String reference(long paymentId, Instant createTime) {
        return String.format(Locale.ROOT, "ECI%s-%020X", DAY.format(createTime).substring(0, 8), paymentId);
    }

    /** {@return the caller's request_id, or a new one if it is empty} */
    static String requestIdOrNew(String requestId) {
        return requestId.isEmpty() ? UUID.randomUUID().toString() : requestId;
    }

    NewCharge charge() {
        return charge;
    }

    /** {@return the payment in its current state} */
    Payment payment() {
        return payment;
    }

    /** {@return the refunds in their current state, oldest first} */
    List<Refund> refunds() {
        return refunds.stream().map(StoredRefund::refund).toList();
    }

    /** Stores that the payer must approve the payment. */
    void requireApproval(Instant expireTime) {
        payment = payment.toBuilder()
                .setNextAction(NextAction.newBuilder()
                        .setType(NextActionType.NEXT_ACTION_TYPE_REDIRECT)
                        .setRedirectUrl("https://payments.example/approve/" + payment.getReference())
                        .setExpireTime(Times.toTimestamp(expireTime)))
                .build();
    }

    /** Stores the outcome of the charge. */
    void finishCharge(Outcome outcome) {
        payment = payment.toBuilder()
                .clearNextAction()
                .setStatus(
                        outcome.isSuccess()
                                ? PaymentStatus.PAYMENT_STATUS_SUCCEEDED
                                : PaymentStatus.PAYMENT_STATUS_FAILED)
                .setFailure(outcome.failure())
                .setFailureCode(outcome.failureCode())
                .build();
    }

    /** Stores that the payer disputes the whole amount. */
    void openDispute(Instant openTime) {
        payment = payment.toBuilder()
                .setDispute(Dispute.newBuilder()
                        .setStatus(DisputeStatus.DISPUTE_STATUS_OPEN)
                        .setAmount(payment.getAmount())
                        .setReason("fraudulent")
                        .setOpenTime(Times.toTimestamp(openTime))
                        .setProcessorReference("sim_dispute_" + payment.getPaymentId()))
                .build();
    }

    /** Stores how the open dispute was decided. */
    void closeDispute(DisputeStatus decision, Instant closeTime) {
        Dispute dispute = payment.getDispute().toBuilder()
                .setStatus(decision)
                .setCloseTime(Times.toTimestamp(closeTime))
                .build();
        payment = payment.toBuilder().setDispute(dispute).build();
    }

    /** {@return whether the request, without a request_id of the caller, repeats the full refund of this payment} */
    boolean isFullRefundRepeatedBy(NewRefund request) {
        return payment.getRefundState() == RefundState.REFUND_STATE_FULL
                && request.requestId().isEmpty()
                && request.amount().map(charge.amount()::equals).orElse(true);
    }

    /** {@return the last refund that did not fail; there is one} */
    Refund lastRefund() {
        return refunds().stream()
                .filter(refund -> refund.getStatus() != RefundStatus.REFUND_STATUS_FAILED)
                .reduce((earlier, later) -> later)
                .orElseThrow();
    }

    /**
     * Stores a refund whose outcome is not known yet, and which counts as refunded until it fails.
     *
     * @throws ServiceError if the payment cannot be refunded, or not by so much
     */
    StoredRefund startRefund(long refundId, NewRefund request, Instant createTime) {
        StoredRefund refund = new StoredRefund(refundId, this, request, amountToRefund(request), createTime);
        refunds.add(refund);
        setRefundedAmount(refundedAmount.plus(refund.amount()));
        return refund;
    }

    /** Makes the amount of a refund that failed refundable again. */
    void undoRefund(Amount amount) {
        setRefundedAmount(refundedAmount.minus(amount));
    }

    private Amount amountToRefund(NewRefund request) {
        if (payment.getStatus() == PaymentStatus.PAYMENT_STATUS_FAILED) {
            throw ServiceError.paymentFailed();
        }
        if (payment.getStatus() == PaymentStatus.PAYMENT_STATUS_PENDING) {
            throw ServiceError.paymentPending();
        }
        Amount remaining = charge.amount().minus(refundedAmount);
        if (!remaining.isPositive()) {
            throw ServiceError.refundExceedsPayment(remaining);
        }
        checkNotDisputed();
        Amount requested = request.amount().orElse(remaining);
        if (!requested.currency().equals(remaining.currency())) {
            throw ServiceError.invalidRequest(
                    "amount.currency_code", "must be the payment's currency, " + remaining.currency());
        }
        if (remaining.isLessThan(requested)) {
            throw ServiceError.refundExceedsPayment(remaining);
        }
        return requested;
    }

    private void checkNotDisputed() {
        switch (payment.getDispute().getStatus()) {
            case DISPUTE_STATUS_OPEN -> throw ServiceError.paymentDisputed();
            case DISPUTE_STATUS_LOST -> throw ServiceError.disputeLost();
            default -> {}
        }
    }

    private void setRefundedAmount(Amount amount) {
        refundedAmount = amount;
        payment = payment.toBuilder()
                .setRefundedAmount(amount.toMoney())
                .setRefundState(refundState())
                .build();
    }

    private RefundState refundState() {
        if (!refundedAmount.isPositive()) {
            return RefundState.REFUND_STATE_NONE;
        }
        return refundedAmount.equals(charge.amount())
                ? RefundState.REFUND_STATE_FULL
                : RefundState.REFUND_STATE_PARTIAL;
    }
}
