package payments;

/** The payment is archived. An operator must unarchive it before it can be refunded. */
public class PaymentArchivedException extends PaymentsException {
    private static final long serialVersionUID = 1L;

    /**
     * Creates an exception.
     *
     * @param details the details of the error
     */
    public PaymentArchivedException(ErrorDetails details) {
        super(details);
    }
}
