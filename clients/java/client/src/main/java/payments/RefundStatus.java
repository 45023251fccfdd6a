package payments;

/** The outcome of a refund. */
public enum RefundStatus {
    /** A status that this version of the client does not know. */
    UNKNOWN,
    /** The processor has not confirmed the refund yet. */
    PENDING,
    /** The amount was refunded. */
    SUCCEEDED,
    /** The processor rejected the refund, or reported later that it failed. Nothing was refunded. */
    FAILED
}
