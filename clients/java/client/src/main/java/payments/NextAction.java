package payments;

import java.time.Instant;

/**
 * The action that a payer must take before a charge can succeed.
 *
 * @param type what to do
 * @param redirectUrl the page to open in the payer's browser, which redirects to {@link ChargeParams.Builder#returnUrl}
 *     when the payer is done; empty unless {@code type} is REDIRECT, and for other callers without the role
 *     {@code payments.audit}. Anyone who has it can approve the payment, so show it only to the payer.
 *     {@link #toString} leaves it out.
 * @param expireTime until when; after that, the service cancels the charge, which becomes FAILED with
 *     AUTHENTICATION_REQUIRED; null if the service sent none
 */
public record NextAction(NextActionType type, String redirectUrl, Instant expireTime) {
    /** {@return the action without its {@code redirectUrl}, which must not reach a log} */
    @Override
    public String toString() {
        return "NextAction[type=" + type + ", expireTime=" + expireTime + "]";
    }
}
