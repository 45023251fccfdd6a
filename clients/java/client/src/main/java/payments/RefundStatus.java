package payments;

/** What became of a refund. */
public enum RefundStatus {
    /** A status that this version of the client has no name for. */
    UNKNOWN,
    /** The processor has not confirmed it yet. */
    PENDING,
    /** The amount was given back. */
    SUCCEEDED,
    /** The processor refused it; nothing was given back. */
    FAILED
}
