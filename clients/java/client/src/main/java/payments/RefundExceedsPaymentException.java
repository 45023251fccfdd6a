package payments;

/** The amount exceeds the amount not yet refunded, or nothing is left to refund. */
public class RefundExceedsPaymentException extends PaymentsException {
    private static final long serialVersionUID = 1L;

    /**
     * Creates an exception.
     *
     * @param details the details of the error
     */
    public RefundExceedsPaymentException(ErrorDetails details) {
        super(details);
    }
}
