package payments.testing;

import payments.v1.ChargeRequest;

/**
 * A valid charge.
 *
 * @param parameters the parameters that a retry must repeat: the request, in a canonical form, without its request_id,
 *     {@code unless_pending} and {@code return_url}
 * @param requestId the request_id; empty if the caller gave none
 * @param amount what to charge
 * @param source decides the outcome
 * @param unlessPending whether a pending payment of the same order prevents the charge
 */
record NewCharge(
        ChargeRequest parameters, String requestId, Amount amount, PaymentSource source, boolean unlessPending) {

    /** {@return whether another charge is of the same order: that of its order_id, or else its external_reference} */
    boolean isOfSameOrder(NewCharge other) {
        return parameters.getOrderId() == other.parameters.getOrderId()
                && (parameters.getOrderId() != 0
                        || parameters.getExternalReference().equals(other.parameters.getExternalReference()));
    }
}
