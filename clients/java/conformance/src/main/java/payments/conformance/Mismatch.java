package payments.conformance;

/** An outcome differs from the expected one. The message says where and how. */
final class Mismatch extends RuntimeException {
    private static final long serialVersionUID = 1L;

    Mismatch(String message) {
        super(message);
    }
}
