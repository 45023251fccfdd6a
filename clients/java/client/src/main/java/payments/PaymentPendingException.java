package payments;

/** The payment cannot be refunded yet, because the outcome of its charge is not known. */
public class PaymentPendingException extends PaymentsException {
    private static final long serialVersionUID = 1L;

    /**
     * Creates an exception.
     *
     * @param details the details of the error
     */
    public PaymentPendingException(ErrorDetails details) {
        super(details);
    }
}
