package payments.testing;

import com.google.type.Money;
import java.math.BigDecimal;
import java.math.RoundingMode;

/**
 * An exact amount of money.
 *
 * @param currency an ISO 4217 code
 * @param value the amount in units of the currency, with as many decimals as the currency has
 */
record Amount(String currency, BigDecimal value) {
    private static final int NANO_DIGITS = 9;
    private static final int NANOS_PER_UNIT = 1_000_000_000;

    /** An amount has fewer than this many digits: it is below 10^15 of the currency's smallest unit. */
    private static final int MAX_DIGITS = 15;

    /**
     * {@return the amount of a message in this currency}
     *
     * @throws InvalidValue if the currency does not exist or does not have such an amount
     */
    static Amount of(String currency, Money money) {
        int decimals = Currencies.decimalsOf(currency);
        int nanos = money.getNanos();
        if (Math.abs((long) nanos) >= NANOS_PER_UNIT) {
            throw new InvalidValue("nanos", "must be between -999,999,999 and +999,999,999");
        }
        if (Long.signum(money.getUnits()) * Integer.signum(nanos) < 0) {
            throw new InvalidValue("nanos", "must have the same sign as units");
        }
        int nanosPerMinorUnit =
                BigDecimal.ONE.movePointRight(NANO_DIGITS - decimals).intValueExact();
        if (nanos % nanosPerMinorUnit != 0) {
            String description = "must be a multiple of %,d: %s has %d decimals";
            throw new InvalidValue("nanos", String.format(description, nanosPerMinorUnit, currency, decimals));
        }
        BigDecimal value = BigDecimal.valueOf(money.getUnits())
                .add(BigDecimal.valueOf(nanos, NANO_DIGITS))
                .setScale(decimals, RoundingMode.UNNECESSARY);
        if (value.precision() > MAX_DIGITS) {
            BigDecimal max =
                    BigDecimal.TEN.pow(MAX_DIGITS).subtract(BigDecimal.ONE).movePointLeft(decimals);
            throw new InvalidValue("units", "must be at most " + max.toPlainString());
        }
        return new Amount(currency, value);
    }

    /** {@return nothing of this currency} */
    static Amount zero(String currency) {
        return new Amount(currency, BigDecimal.ZERO.setScale(Currencies.decimalsOf(currency)));
    }

    boolean isPositive() {
        return value.signum() > 0;
    }

    /** {@return the sum; both amounts are of the same currency} */
    Amount plus(Amount other) {
        return new Amount(currency, value.add(other.value));
    }

    /** {@return the difference; both amounts are of the same currency} */
    Amount minus(Amount other) {
        return new Amount(currency, value.subtract(other.value));
    }

    /** {@return whether this is less than an amount of the same currency} */
    boolean isLessThan(Amount other) {
        return value.compareTo(other.value) < 0;
    }

    Money toMoney() {
        return Money.newBuilder()
                .setCurrencyCode(currency)
                .setUnits(value.longValue())
                .setNanos(value.remainder(BigDecimal.ONE)
                        .movePointRight(NANO_DIGITS)
                        .intValueExact())
                .build();
    }

    /** {@return the amount for people, such as {@code 561.00 INR}} */
    @Override
    public String toString() {
        return value.toPlainString() + " " + currency;
    }
}
