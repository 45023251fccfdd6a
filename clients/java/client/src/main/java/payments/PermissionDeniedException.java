package payments;

/** The caller does not have the role that the call needs, which the message names. */
public class PermissionDeniedException extends PaymentsException {
    private static final long serialVersionUID = 1L;

    /**
     * Makes an error of these details.
     *
     * @param details what is known of it
     */
    public PermissionDeniedException(ErrorDetails details) {
        super(details);
    }
}
