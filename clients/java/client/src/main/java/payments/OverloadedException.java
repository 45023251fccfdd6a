package payments;

/** The service had more to do than it takes on at once, or of this caller at a time, until the call's deadline. */
public class OverloadedException extends OutcomeUnknownException {
    private static final long serialVersionUID = 1L;

    /**
     * Makes an error of these details.
     *
     * @param details what is known of it
     */
    public OverloadedException(ErrorDetails details) {
        super(details);
    }
}
