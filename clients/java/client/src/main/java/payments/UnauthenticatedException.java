package payments;

/** The credentials are missing or invalid, for example an unknown, revoked or expired API key. */
public class UnauthenticatedException extends PaymentsException {
    private static final long serialVersionUID = 1L;

    /**
     * Creates an exception.
     *
     * @param details the details of the error
     */
    public UnauthenticatedException(ErrorDetails details) {
        super(details);
    }
}
