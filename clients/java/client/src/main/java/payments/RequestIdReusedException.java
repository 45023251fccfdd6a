package payments;

/** An earlier call used the same request_id with different parameters. */
public class RequestIdReusedException extends PaymentsException {
    private static final long serialVersionUID = 1L;

    /**
     * Creates an exception.
     *
     * @param details the details of the error
     */
    public RequestIdReusedException(ErrorDetails details) {
        super(details);
    }
}
