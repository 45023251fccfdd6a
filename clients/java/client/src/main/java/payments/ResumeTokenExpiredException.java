package payments;

/**
 * Events after the resume token have been archived, or the database was restored to a time before it. Start without a
 * token, and list the payments to find the missed changes.
 */
public class ResumeTokenExpiredException extends PaymentsException {
    private static final long serialVersionUID = 1L;

    /**
     * Creates an exception.
     *
     * @param details the details of the error
     */
    public ResumeTokenExpiredException(ErrorDetails details) {
        super(details);
    }
}
