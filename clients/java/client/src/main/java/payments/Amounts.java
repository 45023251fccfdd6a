package payments;

import com.google.type.Money;
import java.math.BigDecimal;
import java.math.RoundingMode;

/** Converts between amounts and the contract's money without rounding. */
final class Amounts {
    /** The maximum number of decimals in any currency. For currencies with fewer, the service checks the amount. */
    private static final int MAX_DECIMALS = 4;

    /** The minimum number of decimals of an amount from the service. */
    private static final int MIN_SCALE = 2;

    /** A number with this many digits always fits into the contract's int64. */
    private static final int MAX_UNIT_DIGITS = 18;

    private static final int NANO_DIGITS = 9;

    private Amounts() {}

    /**
     * Checks the amount of an argument and returns it. The amount may be null.
     *
     * @param name the argument's name, for the message
     * @param amount the amount
     * @return the amount
     * @throws IllegalArgumentException if the amount has more than four decimals, like {@code new BigDecimal(0.1)}, or
     *     is too large for the contract
     */
    static BigDecimal check(String name, BigDecimal amount) {
        if (amount == null || amount.signum() == 0) {
            return amount;
        }
        // This comes first, because the next steps would create all the digits.
        if ((long) amount.precision() - amount.scale() > MAX_UNIT_DIGITS) {
            throw new IllegalArgumentException(
                    name + " must have at most " + MAX_UNIT_DIGITS + " digits before the decimal point, not " + amount);
        }
        if (amount.stripTrailingZeros().scale() > MAX_DECIMALS) {
            throw new IllegalArgumentException(
                    name + " must have at most " + MAX_DECIMALS + " decimals, not " + amount);
        }
        return amount;
    }

    /** {@return a checked amount as the contract's money; a null currency means the deployment's default} */
    static Money toMoney(BigDecimal amount, String currency) {
        BigDecimal units = amount.setScale(0, RoundingMode.DOWN);
        return Money.newBuilder()
                .setCurrencyCode(currency == null ? "" : currency)
                .setUnits(units.longValueExact())
                .setNanos(amount.subtract(units).movePointRight(NANO_DIGITS).intValueExact())
                .build();
    }

    /** {@return the exact amount, with at least two decimals} */
    static BigDecimal fromMoney(Money money) {
        BigDecimal amount = BigDecimal.valueOf(money.getUnits())
                .add(BigDecimal.valueOf(money.getNanos(), NANO_DIGITS))
                .stripTrailingZeros();
        return amount.scale() < MIN_SCALE ? amount.setScale(MIN_SCALE) : amount;
    }
}
