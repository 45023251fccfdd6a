package payments.testing;

import java.util.Optional;
import payments.v1.RefundRequest;

/**
 * A valid refund.
 *
 * @param parameters the parameters that a retry must repeat: the request, in a canonical form, without its request_id
 * @param requestId the request_id; empty if the caller gave none
 * @param amount what to refund; empty for everything that is left
 */
record NewRefund(RefundRequest parameters, String requestId, Optional<Amount> amount) {}
