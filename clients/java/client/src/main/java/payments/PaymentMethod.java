package payments;

/** How a payment was made. */
public enum PaymentMethod {
    /** A method that this version of the client does not know. It cannot be sent. */
    UNKNOWN,
    /** Unified Payments Interface: a bank-to-bank transfer. */
    UPI,
    /** A debit or credit card. */
    CARD,
    /** Cash on delivery. */
    COD,
    /** Another method, named in {@link Payment#otherMethod}. Only on adopted payments; rejected in a charge. */
    OTHER
}
