package payments;

/** It is not known yet whether the payment to refund succeeds. */
public class PaymentPendingException extends PaymentsException {
    private static final long serialVersionUID = 1L;

    /**
     * Makes an error of these details.
     *
     * @param details what is known of it
     */
    public PaymentPendingException(ErrorDetails details) {
        super(details);
    }
}
