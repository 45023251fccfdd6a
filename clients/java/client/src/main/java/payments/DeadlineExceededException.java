package payments;

/** The call's deadline passed before the response arrived. */
public class DeadlineExceededException extends OutcomeUnknownException {
    private static final long serialVersionUID = 1L;

    /**
     * Creates an exception.
     *
     * @param details the details of the error
     */
    public DeadlineExceededException(ErrorDetails details) {
        super(details);
    }
}
