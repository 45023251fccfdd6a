package payments;

/** The payment cannot be refunded because its charge failed: nothing was charged. */
public class PaymentFailedException extends PaymentsException {
    private static final long serialVersionUID = 1L;

    /**
     * Creates an exception.
     *
     * @param details the details of the error
     */
    public PaymentFailedException(ErrorDetails details) {
        super(details);
    }
}
