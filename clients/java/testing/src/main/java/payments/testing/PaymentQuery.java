package payments.testing;

import com.google.type.Money;
import java.time.Instant;
import java.util.Comparator;
import payments.v1.Payment;
import payments.v1.PaymentFilter;

/**
 * Which payments to list, in which order.
 *
 * @param filter the conditions, in a canonical form
 * @param isNewestFirst whether the newest payment comes first
 */
record PaymentQuery(PaymentFilter filter, boolean isNewestFirst) {
    boolean matches(Payment payment) {
        return (!filter.hasOrderId() || filter.getOrderId() == payment.getOrderId())
                && (filter.getMethodsCount() == 0 || filter.getMethodsList().contains(payment.getMethod()))
                && (filter.getStatusesCount() == 0 || filter.getStatusesList().contains(payment.getStatus()))
                && (filter.getRefundStatesCount() == 0
                        || filter.getRefundStatesList().contains(payment.getRefundState()))
                && (!filter.hasReference() || filter.getReference().equals(payment.getReference()))
                && (!filter.hasRequestId() || filter.getRequestId().equals(payment.getRequestId()))
                && (!filter.hasCaller() || filter.getCaller().equals(payment.getCaller()))
                && (!filter.hasProcessorReference()
                        || filter.getProcessorReference().equals(payment.getProcessorReference()))
                && (!filter.hasExternalReference()
                        || filter.getExternalReference().equals(payment.getExternalReference()))
                && (!filter.hasCustomerId() || filter.getCustomerId().equals(payment.getCustomerId()))
                && hasMatchingAmount(payment)
                && hasMatchingTime(payment);
    }

    private boolean hasMatchingAmount(Payment payment) {
        Amount amount = amountOf(payment.getAmount());
        return (!filter.hasMinAmount() || isAtMost(amountOf(filter.getMinAmount()), amount))
                && (!filter.hasMaxAmount() || isAtMost(amount, amountOf(filter.getMaxAmount())));
    }

    private static Amount amountOf(Money money) {
        return Amount.of(money.getCurrencyCode(), money);
    }

    private static boolean isAtMost(Amount amount, Amount other) {
        return amount.currency().equals(other.currency()) && !other.isLessThan(amount);
    }

    private boolean hasMatchingTime(Payment payment) {
        Instant time = Times.toInstant(payment.getCreateTime());
        return (!filter.hasMinCreateTime() || !time.isBefore(Times.toInstant(filter.getMinCreateTime())))
                && (!filter.hasMaxCreateTime() || !time.isAfter(Times.toInstant(filter.getMaxCreateTime())));
    }

    /** {@return the order: by time, and by payment_id if times are equal} */
    Comparator<Payment> order() {
        Comparator<Payment> oldestFirst = Comparator.<Payment, Instant>comparing(
                        payment -> Times.toInstant(payment.getCreateTime()))
                .thenComparing(Payment::getPaymentId);
        return isNewestFirst ? oldestFirst.reversed() : oldestFirst;
    }
}
