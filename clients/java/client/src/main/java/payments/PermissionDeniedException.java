package payments;

/** The caller lacks the role that the message names. */
public class PermissionDeniedException extends PaymentsException {
    private static final long serialVersionUID = 1L;

    /**
     * Creates an exception.
     *
     * @param details the details of the error
     */
    public PermissionDeniedException(ErrorDetails details) {
        super(details);
    }
}
