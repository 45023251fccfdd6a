package payments;

import java.util.List;

/** The service refuses the request as it is. */
public class InvalidRequestException extends PaymentsException {
    private static final long serialVersionUID = 1L;

    /**
     * Makes an error of these details.
     *
     * @param details what is known of it
     */
    public InvalidRequestException(ErrorDetails details) {
        super(details);
    }

    /** {@return what is wrong with it, 20 things at most; empty when the service did not say} */
    public List<FieldViolation> violations() {
        return details.violations();
    }
}
