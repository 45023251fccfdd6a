package payments;

/** What became of a charge. */
public enum PaymentStatus {
    /** A status that this version of the client has no name for. It cannot be asked for. */
    UNKNOWN,
    /** The outcome is not known yet. */
    PENDING,
    /** The amount was charged. */
    SUCCEEDED,
    /** The processor declined; nothing was charged. */
    FAILED
}
