package payments;

/** There is no such payment. */
public class PaymentNotFoundException extends PaymentsException {
    private static final long serialVersionUID = 1L;

    /**
     * Makes an error of these details.
     *
     * @param details what is known of it
     */
    public PaymentNotFoundException(ErrorDetails details) {
        super(details);
    }
}
