package payments;

/** It is not said who calls, or not in a way that is believed: a key is missing, unknown, revoked or expired. */
public class UnauthenticatedException extends PaymentsException {
    private static final long serialVersionUID = 1L;

    /**
     * Makes an error of these details.
     *
     * @param details what is known of it
     */
    public UnauthenticatedException(ErrorDetails details) {
        super(details);
    }
}
