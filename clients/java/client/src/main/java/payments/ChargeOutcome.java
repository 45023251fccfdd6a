package payments;

import static java.util.Objects.requireNonNull;

import java.util.Optional;

/**
 * The outcome of one charge of a batch: a payment, or the error that {@link PaymentsClient#charge} would have thrown.
 *
 * @param payment the payment; empty if there is an error
 * @param error the error; empty if there is a payment
 */
public record ChargeOutcome(Optional<Payment> payment, Optional<PaymentsException> error) {
    /** Checks that exactly one of the two is present. */
    public ChargeOutcome {
        if (requireNonNull(payment).isPresent() == requireNonNull(error).isPresent()) {
            throw new IllegalArgumentException("an outcome is either a payment or an error");
        }
    }

    /**
     * {@return the payment}
     *
     * @throws PaymentsException if there is none
     */
    public Payment orElseThrow() {
        return payment.orElseThrow(error::get);
    }
}
