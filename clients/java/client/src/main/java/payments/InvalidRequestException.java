package payments;

import java.util.List;

/** The request is invalid. */
public class InvalidRequestException extends PaymentsException {
    private static final long serialVersionUID = 1L;

    /**
     * Creates an exception.
     *
     * @param details the details of the error
     */
    public InvalidRequestException(ErrorDetails details) {
        super(details);
    }

    /** {@return the invalid fields, at most 20; empty if the service did not name them} */
    public List<FieldViolation> violations() {
        return details.violations();
    }
}
