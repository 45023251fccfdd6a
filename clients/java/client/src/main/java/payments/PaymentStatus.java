package payments;

/** The outcome of a charge. */
public enum PaymentStatus {
    /** A status that this version of the client does not know. It cannot be sent. */
    UNKNOWN,
    /** The processor has not reported an outcome yet, perhaps because the payer must approve the payment first. */
    PENDING,
    /** The amount was charged. */
    SUCCEEDED,
    /** The processor declined the charge. Nothing was charged. */
    FAILED
}
