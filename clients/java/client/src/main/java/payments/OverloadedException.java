package payments;

/** The service was overloaded, or the caller exceeded its limits, until the call's deadline. */
public class OverloadedException extends OutcomeUnknownException {
    private static final long serialVersionUID = 1L;

    /**
     * Creates an exception.
     *
     * @param details the details of the error
     */
    public OverloadedException(ErrorDetails details) {
        super(details);
    }
}
