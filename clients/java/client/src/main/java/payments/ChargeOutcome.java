package payments;

import static java.util.Objects.requireNonNull;

import java.util.Optional;

/**
 * What became of one charge of many: a payment, or the error that {@link PaymentsClient#charge} would have raised.
 *
 * @param payment the payment; empty where there is an error
 * @param error why there is none; empty where there is a payment
 */
public record ChargeOutcome(Optional<Payment> payment, Optional<PaymentsException> error) {
    /** Checks that there is one of the two. */
    public ChargeOutcome {
        if (requireNonNull(payment).isPresent() == requireNonNull(error).isPresent()) {
            throw new IllegalArgumentException("an outcome is either a payment or an error");
        }
    }

    /**
     * {@return the payment}
     *
     * @throws PaymentsException there is none
     */
    public Payment orElseThrow() {
        return payment.orElseThrow(error::get);
    }
}
