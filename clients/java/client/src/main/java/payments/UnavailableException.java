package payments;

/** The service, its database or its processor could not be reached until the call's deadline. */
public class UnavailableException extends OutcomeUnknownException {
    private static final long serialVersionUID = 1L;

    /**
     * Makes an error of these details.
     *
     * @param details what is known of it
     */
    public UnavailableException(ErrorDetails details) {
        super(details);
    }
}
