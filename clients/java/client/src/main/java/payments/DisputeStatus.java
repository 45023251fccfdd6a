package payments;

/** The state of a dispute. */
public enum DisputeStatus {
    /** A status that this version of the client does not know. */
    UNKNOWN,
    /** The payer demands the money back from the bank, which has not decided yet and holds the disputed amount. */
    OPEN,
    /** The bank decided for the merchant, who keeps the money. */
    WON,
    /** The bank decided for the payer, who got the disputed amount back. */
    LOST
}
