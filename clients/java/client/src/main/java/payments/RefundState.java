package payments;

/** How much of a payment was given back. */
public enum RefundState {
    /** A state that this version of the client has no name for. It cannot be asked for. */
    UNKNOWN,
    /** Nothing. */
    NONE,
    /** Some of it. */
    PARTIAL,
    /** All of it. */
    FULL
}
