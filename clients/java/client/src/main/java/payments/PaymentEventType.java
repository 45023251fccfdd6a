package payments;

/** What happened to a payment. */
public enum PaymentEventType {
    /** An event that this version of the client does not know. */
    UNKNOWN,
    /** A charge was requested. The processor has not answered yet. */
    PENDING,
    /** The amount was charged. */
    CHARGED,
    /** The processor declined the charge. Nothing was charged. */
    FAILED,
    /** A refund was requested. The processor has not answered yet. */
    REFUND_PENDING,
    /** The payment was refunded in full or in part. */
    REFUNDED,
    /** The processor rejected a refund. Nothing was refunded. */
    REFUND_FAILED,
    /** The payment or refund was imported, or changed by a later import. */
    IMPORTED
}
