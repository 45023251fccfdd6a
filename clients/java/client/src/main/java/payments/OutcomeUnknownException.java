package payments;

/**
 * The call ended without an answer that tells whether it was done.
 *
 * <p>A charge or refund may have been done all the same, also by an attempt before the last: repeat it with the same
 * {@link #requestId} to find out, and to have it done once.
 */
public class OutcomeUnknownException extends PaymentsException {
    private static final long serialVersionUID = 1L;

    /**
     * Makes an error of these details.
     *
     * @param details what is known of it
     */
    public OutcomeUnknownException(ErrorDetails details) {
        super(details);
    }
}
