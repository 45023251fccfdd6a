package payments;

/** The service failed; its log has the cause under {@link #callId}. */
public class InternalErrorException extends OutcomeUnknownException {
    private static final long serialVersionUID = 1L;

    /**
     * Makes an error of these details.
     *
     * @param details what is known of it
     */
    public InternalErrorException(ErrorDetails details) {
        super(details);
    }
}
