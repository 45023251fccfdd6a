package payments;

/** Why a payment or a refund failed. */
public enum Failure {
    /** A reason that this version of the client does not know. */
    UNKNOWN,
    /** The account has too little money. */
    INSUFFICIENT_FUNDS,
    /** The card or another means of payment has expired. */
    EXPIRED_METHOD,
    /** The means of payment does not exist, is closed or blocked, or cannot be used for this payment. */
    INVALID_METHOD,
    /** The payer must approve the payment, or failed to. */
    AUTHENTICATION_REQUIRED,
    /** The processor or the bank suspects fraud. Do not tell the payer. */
    SUSPECTED_FRAUD,
    /** The amount or the number of payments exceeds a limit of the account. */
    LIMIT_EXCEEDED,
    /** The bank or the processor declined, without one of the reasons above. */
    DECLINED,
    /** The processor failed, or never carried out the request. A new attempt may succeed. */
    PROCESSOR_ERROR
}
