package payments;

/** The same request_id came before with other parameters. */
public class RequestIdReusedException extends PaymentsException {
    private static final long serialVersionUID = 1L;

    /**
     * Makes an error of these details.
     *
     * @param details what is known of it
     */
    public RequestIdReusedException(ErrorDetails details) {
        super(details);
    }
}
