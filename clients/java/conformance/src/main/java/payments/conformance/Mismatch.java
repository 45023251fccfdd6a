package payments.conformance;

/** An outcome is another than the expected; the message says where and how. */
final class Mismatch extends RuntimeException {
    private static final long serialVersionUID = 1L;

    Mismatch(String message) {
        super(message);
    }
}
