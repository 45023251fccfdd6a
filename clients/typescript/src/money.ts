import { Decimal } from "decimal.js";

import type { Money } from "./generated/google/type/money.js";

const NANO_DIGITS = 9;

/** Decimals at most of any amount that the contract takes; a currency that has fewer is the service's to check. */
const AMOUNT_DIGITS = 2;

/** The whole units of google.type.Money are an int64. */
const UNITS_LIMIT = new Decimal("9223372036854775807");

/**
 * An amount as the contract has it, exactly, whatever the precision that decimal.js is set to.
 *
 * @throws TypeError it is no Decimal. A number is not exact; a string or bigint may have been meant as paise or cents.
 * @throws RangeError it is not finite, or has more than two decimals, or is over the contract's range by far.
 */
export function moneyOf(name: string, amount: unknown, currency: string | undefined): Money {
  if (!Decimal.isDecimal(amount)) {
    throw new TypeError(`${name} must be a Decimal of decimal.js, not ${amount === null ? "null" : typeof amount}`);
  }
  if (!amount.isFinite()) {
    throw new RangeError(`${name} must be a number, not ${amount.toString()}`);
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

/** The amount exactly. */
export function amountOf(money: Money): Decimal {
  const sign = money.units < 0n || money.nanos < 0 ? "-" : "";
  const units = money.units.toString().replace("-", "");
  const decimals = Math.abs(money.nanos).toString().padStart(NANO_DIGITS, "0");
  return new Decimal(`${sign}${units}.${decimals}`);
}
