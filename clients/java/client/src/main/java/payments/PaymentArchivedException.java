package payments;

/** The payment to refund is so old that it was archived: an operator must bring it back first. */
public class PaymentArchivedException extends PaymentsException {
    private static final long serialVersionUID = 1L;

    /**
     * Makes an error of these details.
     *
     * @param details what is known of it
     */
    public PaymentArchivedException(ErrorDetails details) {
        super(details);
    }
}
