package payments;

/** The service had an internal error. Its log has the cause under {@link #callId}. */
public class InternalErrorException extends OutcomeUnknownException {
    private static final long serialVersionUID = 1L;

    /**
     * Creates an exception.
     *
     * @param details the details of the error
     */
    public InternalErrorException(ErrorDetails details) {
        super(details);
    }
}
