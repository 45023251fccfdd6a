package payments;

/** The payment does not exist. */
public class PaymentNotFoundException extends PaymentsException {
    private static final long serialVersionUID = 1L;

    /**
     * Creates an exception.
     *
     * @param details the details of the error
     */
    public PaymentNotFoundException(ErrorDetails details) {
        super(details);
    }
}
