package payments;

/**
 * What came after the token of a watch is no longer kept, or the token is of another database. Begin without one, and
 * list the payments for what was missed.
 */
public class ResumeTokenExpiredException extends PaymentsException {
    private static final long serialVersionUID = 1L;

    /**
     * Makes an error of these details.
     *
     * @param details what is known of it
     */
    public ResumeTokenExpiredException(ErrorDetails details) {
        super(details);
    }
}
