package payments;

/** What happened to a payment. */
public enum PaymentEventType {
    /** An event that this version of the client does not know. It cannot be sent. */
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
    /** The processor rejected a refund, or reported that one which had succeeded failed later. Nothing was refunded. */
    REFUND_FAILED,
    /** The payment or refund was imported, or changed by a later import. */
    IMPORTED,
    /** The customerId and the labels of the payment were erased. */
    FORGOTTEN,
    /** The payer must approve the payment: see {@link Payment#nextAction}. */
    ACTION_REQUIRED,
    /** The payer disputes the payment, or the amount or the reason of the open dispute has changed. */
    DISPUTE_OPENED,
    /** The dispute was decided for the merchant. */
    DISPUTE_WON,
    /** The dispute was decided for the payer. */
    DISPUTE_LOST
}
