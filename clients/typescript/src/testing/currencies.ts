/** The currencies of ISO 4217, and exact amounts in them. */
import type { Money } from "../generated/google/type/money.js";
import { InvalidValue } from "./request_reader.js";

const CODES_BY_DIGITS: Readonly<Record<number, string>> = {
  0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
  2:
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF " +
    "CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG " +
    "HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR " +
    "MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD " +
    "SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD " +
    "XCG YER ZAR ZMW ZWG",
  3: "BHD IQD JOD KWD LYD OMR TND",
  4: "CLF UYW",
};

/** The number of decimals of each currency. */
const DIGITS: ReadonlyMap<string, number> = new Map(
  Object.entries(CODES_BY_DIGITS).flatMap(([digits, codes]) =>
    codes.split(" ").map((code): [string, number] => [code, Number(digits)]),
  ),
);

const MAX_MINOR = 10n ** 15n - 1n;
const NANO_DIGITS = 9;
const NANOS_PER_UNIT = 1_000_000_000n;

/** An exact amount: a number of minor units, such as the paise of INR. */
export interface Amount {
  readonly currency: string;
  readonly minor: bigint;
}

/** The currencies of a deployment. */
export class Currencies {
  readonly #default: string;
  readonly #allowed: ReadonlySet<string> | undefined;

  /**
   * Allows charges in all currencies if `allowed` is undefined.
   *
   * @throws RangeError if a currency is unknown, or the default is not allowed.
   */
  constructor(defaultCurrency: string, allowed: Iterable<string> | undefined) {
    this.#default = defaultCurrency;
    this.#allowed = allowed && new Set(allowed);
    for (const currency of [defaultCurrency, ...(this.#allowed ?? [])]) {
      if (!DIGITS.has(currency)) {
        throw new RangeError(`${currency} is not an ISO 4217 currency code of three upper-case letters`);
      }
    }
    if (this.#allowed?.has(defaultCurrency) === false) {
      throw new RangeError(`the default currency, ${defaultCurrency}, must be allowed`);
    }
  }

  /** Returns the amount of a charge. @throws InvalidValue if it is invalid, or its currency is not allowed. */
  chargeAmount(money: Money | undefined): Amount {
    if (money === undefined) {
      throw new InvalidValue("is required");
    }
    if (this.#allowed?.has(this.#codeOf(money)) === false) {
      const allowed = [...this.#allowed].sort().join(", ");
      throw new InvalidValue(`must be one of ${allowed}, or empty`, "currency_code");
    }
    return positive(this.amount(money));
  }

  /** Returns the amount of a refund. @throws InvalidValue if it is invalid. */
  refundAmount(money: Money): Amount {
    return positive(this.amount(money));
  }

  /** Returns an amount of any sign. @throws InvalidValue if it is invalid. */
  amount(money: Money): Amount {
    const { units, nanos } = money;
    const currency = this.#codeOf(money);
    const digits = DIGITS.get(currency);
    if (digits === undefined) {
      throw new InvalidValue("must be an ISO 4217 currency code of three upper-case letters", "currency_code");
    }
    const nanosPerMinor = 10n ** BigInt(NANO_DIGITS - digits);
    if (BigInt(nanos) % nanosPerMinor !== 0n) {
      throw new InvalidValue(
        `must be a multiple of ${nanosPerMinor.toLocaleString("en-US")}: ${currency} has ${digits} decimals`,
        "nanos",
      );
    }
    const minor = (units * NANOS_PER_UNIT + BigInt(nanos)) / nanosPerMinor;
    if (minor > MAX_MINOR || minor < -MAX_MINOR) {
      throw new InvalidValue(`must be at most ${decimalOf({ currency, minor: MAX_MINOR })}`, "units");
    }
    return { currency, minor };
  }

  #codeOf({ currencyCode }: Money): string {
    return currencyCode === "" ? this.#default : currencyCode;
  }
}

/** Returns the message of an amount. */
export function moneyOf({ currency, minor }: Amount): Money {
  const minorPerUnit = 10n ** BigInt(digitsOf(currency));
  const nanos = ((minor % minorPerUnit) * NANOS_PER_UNIT) / minorPerUnit;
  return { currencyCode: currency, units: minor / minorPerUnit, nanos: Number(nanos) };
}

/** Returns an amount, which must not be negative, with all decimals of its currency. */
export function decimalOf({ currency, minor }: Amount): string {
  const digits = digitsOf(currency);
  const text = minor.toString().padStart(digits + 1, "0");
  return digits === 0 ? text : `${text.slice(0, -digits)}.${text.slice(-digits)}`;
}

function digitsOf(currency: string): number {
  return DIGITS.get(currency) ?? 0;
}

function positive(amount: Amount): Amount {
  if (amount.minor <= 0n) {
    throw new InvalidValue("must be more than zero");
  }
  return amount;
}
