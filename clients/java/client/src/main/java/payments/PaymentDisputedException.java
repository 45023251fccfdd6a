package payments;

/**
 * The payment cannot be refunded because the payer disputes it, or got the money back through a dispute.
 * {@link Payment#dispute} says which.
 */
public class PaymentDisputedException extends PaymentsException {
    private static final long serialVersionUID = 1L;

    /**
     * Creates an exception.
     *
     * @param details the details of the error
     */
    public PaymentDisputedException(ErrorDetails details) {
        super(details);
    }
}
