package payments;

/** How much of a payment has been refunded. */
public enum RefundState {
    /** A state that this version of the client does not know. It cannot be sent. */
    UNKNOWN,
    /** Nothing. */
    NONE,
    /** A part of the amount. */
    PARTIAL,
    /** The full amount. */
    FULL
}
