package payments;

/** More was asked back than what remains of the payment, or nothing remains. */
public class RefundExceedsPaymentException extends PaymentsException {
    private static final long serialVersionUID = 1L;

    /**
     * Makes an error of these details.
     *
     * @param details what is known of it
     */
    public RefundExceedsPaymentException(ErrorDetails details) {
        super(details);
    }
}
