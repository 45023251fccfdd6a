package payments;

/** What the payer must do. */
public enum NextActionType {
    /** An action that this version of the client does not know. */
    UNKNOWN,
    /** Open {@link NextAction#redirectUrl} in a browser, and approve the payment there (3-D Secure, for example). */
    REDIRECT,
    /** Approve the payment in an app on the phone, which has notified the payer (UPI, for example). */
    APPROVE_ON_PHONE
}
