package payments;

/** How a payment was made. */
public enum PaymentMethod {
    /** A method that this version of the client has no name for. It cannot be asked for. */
    UNKNOWN,
    /** Unified Payments Interface: a transfer from bank to bank. */
    UPI,
    /** A debit or credit card. */
    CARD,
    /** Cash on delivery. */
    COD,
    /** Named in {@link Payment#otherMethod}: only on payments from an earlier system, never accepted on a charge. */
    OTHER
}
