package payments;

/** The payment to refund had failed: nothing was charged. */
public class PaymentFailedException extends PaymentsException {
    private static final long serialVersionUID = 1L;

    /**
     * Makes an error of these details.
     *
     * @param details what is known of it
     */
    public PaymentFailedException(ErrorDetails details) {
        super(details);
    }
}
