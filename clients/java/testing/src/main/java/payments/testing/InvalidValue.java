package payments.testing;

/** A field has a value that the contract does not allow. The message says what it must be. */
final class InvalidValue extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** The invalid part of the field, such as {@code nanos}; empty for the whole field. */
    private final String part;

    InvalidValue(String message) {
        this("", message);
    }

    InvalidValue(String part, String message) {
        super(message);
        this.part = part;
    }

    String part() {
        return part;
    }
}
