package payments;

import com.google.type.Money;
import java.math.BigDecimal;
import java.math.RoundingMode;

/** Between amounts and the contract's money, exactly. */
final class Amounts {
    /** Decimals at most of any amount that the contract takes; a currency with fewer is the service's to check. */
    private static final int MAX_DECIMALS = 2;

    /** So many digits always fit the contract's int64. */
    private static final int MAX_UNIT_DIGITS = 18;

    private static final int NANO_DIGITS = 9;

    private Amounts() {}

    /**
     * {@return the amount of the argument {@code name}, which may be null}
     *
     * @throws IllegalArgumentException it has more than two decimals, as {@code new BigDecimal(0.1)} has, or is too
     *     large for the contract
     */
    static BigDecimal checked(String name, BigDecimal amount) {
        if (amount == null || amount.signum() == 0) {
            return amount;
        }
        // First, because what follows writes the digits out.
        if ((long) amount.precision() - amount.scale() > MAX_UNIT_DIGITS) {
            throw new IllegalArgumentException(
                    name + " must have at most " + MAX_UNIT_DIGITS + " digits before its decimals, not " + amount);
        }
        if (amount.stripTrailingZeros().scale() > MAX_DECIMALS) {
            throw new IllegalArgumentException(
                    name + " must have at most " + MAX_DECIMALS + " decimals, not " + amount);
        }
        return amount;
    }

    /** {@return the contract's money of a checked amount; a null currency means the deployment's default} */
    static Money toMoney(BigDecimal amount, String currency) {
        BigDecimal units = amount.setScale(0, RoundingMode.DOWN);
        return Money.newBuilder()
                .setCurrencyCode(currency == null ? "" : currency)
                .setUnits(units.longValueExact())
                .setNanos(amount.subtract(units).movePointRight(NANO_DIGITS).intValueExact())
                .build();
    }

    /** {@return the amount exactly, with two decimals, or more where it has more} */
    static BigDecimal fromMoney(Money money) {
        BigDecimal amount = BigDecimal.valueOf(money.getUnits())
                .add(BigDecimal.valueOf(money.getNanos(), NANO_DIGITS))
                .stripTrailingZeros();
        return amount.scale() < MAX_DECIMALS ? amount.setScale(MAX_DECIMALS) : amount;
    }
}
