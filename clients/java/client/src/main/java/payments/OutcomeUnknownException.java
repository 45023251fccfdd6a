package payments;

/**
 * The call failed without a response that says whether it took effect.
 *
 * <p>A charge or refund may have been made, by any of the attempts. Retry the call with the same {@link #requestId} to
 * get the outcome; the charge or refund is made only once.
 */
public class OutcomeUnknownException extends PaymentsException {
    private static final long serialVersionUID = 1L;

    /**
     * Creates an exception.
     *
     * @param details the details of the error
     */
    public OutcomeUnknownException(ErrorDetails details) {
        super(details);
    }
}
