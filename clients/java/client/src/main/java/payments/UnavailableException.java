package payments;

/** The service, its database or its payment processor could not be reached before the call's deadline. */
public class UnavailableException extends OutcomeUnknownException {
    private static final long serialVersionUID = 1L;

    /**
     * Creates an exception.
     *
     * @param details the details of the error
     */
    public UnavailableException(ErrorDetails details) {
        super(details);
    }
}
