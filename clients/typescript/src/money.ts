import { Decimal } from "decimal.js";

import type { Money } from "./generated/google/type/money.js";

const NANO_DIGITS = 9;

/** The maximum number of decimals in any currency. For currencies with fewer, the service checks the amount. */
const AMOUNT_DIGITS = 4;

/** The maximum number of whole units, because they are an int64 in `google.type.Money`. */
const UNITS_LIMIT = new Decimal("9223372036854775807");

/**
 * Converts an amount without rounding, whatever the precision setting of decimal.js.
 *
 * @throws TypeError if the amount is not a Decimal. A number is not exact, and a string or bigint could mean paise.
 * @throws RangeError if the amount is not finite, has more than four decimals, or does not fit into the message.
 */
export function moneyOf(name: string, amount: unknown, currency: string | undefined): Money {
  if (!Decimal.isDecimal(amount)) {
    throw new TypeError(`${name} must be a Decimal of decimal.js, not ${amount === null ? "null" : typeof amount}`);
  }
  if (!amount.isFinite()) {
    throw new RangeError(`${name} must be finite, not ${amount.toString()}`);
  }
  if (amount.decimalPlaces() > AMOUNT_DIGITS) {
    throw new RangeError(`${name} must have at most ${AMOUNT_DIGITS} decimals, not ${amount.toString()}`);
  }
  if (amount.abs().greaterThan(UNITS_LIMIT)) {
    throw new RangeError(`${name} must be at most ${UNITS_LIMIT.toFixed()}, not ${amount.toString()}`);
  }
  const [units = "0", decimals = ""] = amount.abs().toFixed().split(".");
  const sign = amount.isNegative() ? "-" : "";
  return {
    currencyCode: currency ?? "",
    units: BigInt(sign + units),
    nanos: Number(sign + decimals.padEnd(NANO_DIGITS, "0")),
  };
}

/** Converts an amount exactly. */
export function amountOf(money: Money): Decimal {
  const sign = money.units < 0n || money.nanos < 0 ? "-" : "";
  const units = money.units.toString().replace("-", "");
  const decimals = Math.abs(money.nanos).toString().padStart(NANO_DIGITS, "0");
  return new Decimal(`${sign}${units}.${decimals}`);
}
