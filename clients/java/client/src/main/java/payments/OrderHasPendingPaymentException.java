package payments;

import java.util.OptionalLong;

/**
 * Another payment of the same order is pending, and the charge had {@link ChargeParams.Builder#unlessPending}. Nothing
 * was charged.
 */
public class OrderHasPendingPaymentException extends PaymentsException {
    private static final long serialVersionUID = 1L;

    /**
     * Creates an exception.
     *
     * @param details the details of the error
     */
    public OrderHasPendingPaymentException(ErrorDetails details) {
        super(details);
    }

    /** {@return the pending payment; empty if the service did not name it} */
    public OptionalLong paymentId() {
        return details.paymentId() == null ? OptionalLong.empty() : OptionalLong.of(details.paymentId());
    }
}
