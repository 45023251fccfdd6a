package payments;

/** What happened to a payment. */
public enum PaymentEventType {
    /** Something that this version of the client has no name for. */
    UNKNOWN,
    /** It was asked for; the processor has not answered yet. */
    PENDING,
    /** The amount was charged. */
    CHARGED,
    /** The processor declined; nothing was charged. */
    FAILED,
    /** A refund was asked for; the processor has not answered yet. */
    REFUND_PENDING,
    /** Some of it, or all, was given back. */
    REFUNDED,
    /** The processor refused a refund; nothing was given back. */
    REFUND_FAILED,
    /** It was taken over from an earlier system, as it was there. */
    IMPORTED
}
