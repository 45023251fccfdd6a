package payments;

/** The call's deadline passed before its answer came. */
public class DeadlineExceededException extends OutcomeUnknownException {
    private static final long serialVersionUID = 1L;

    /**
     * Makes an error of these details.
     *
     * @param details what is known of it
     */
    public DeadlineExceededException(ErrorDetails details) {
        super(details);
    }
}
