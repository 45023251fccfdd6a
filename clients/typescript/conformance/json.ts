/** Converts between the JSON of the cases and the client's types. */
import { Decimal, PreciseDate } from "@payments/client";

export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };

const DATE_ARGUMENTS = new Set(["min_create_time", "max_create_time"]);
const ID_RESULTS = new Set(["paymentId", "orderId", "refundId"]);
const AMOUNT_ARGUMENTS = new Set(["amount", "min_amount", "max_amount"]);

/** Converts the arguments of a call to the client's names and types, such as a Decimal `minAmount`. */
export function argumentsFrom(args: Readonly<Record<string, Json>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(args).map(([name, value]) => [camelCase(name), argumentFrom(name, value)]));
}

function argumentFrom(name: string, value: Json): unknown {
  if (AMOUNT_ARGUMENTS.has(name)) {
    return new Decimal(value as string);
  }
  if (name === "charges") {
    return (value as Readonly<Record<string, Json>>[]).map(argumentsFrom);
  }
  return DATE_ARGUMENTS.has(name) ? new PreciseDate(value as string) : value;
}

/** Converts a result of the client to the format of `cases.json`. */
export function asJson(result: unknown): Json {
  if (result === undefined) {
    return null;
  }
  if (Decimal.isDecimal(result)) {
    return result.toFixed(Math.max(2, result.decimalPlaces()));
  }
  if (result instanceof Date) {
    return result.toISOString();
  }
  if (Array.isArray(result)) {
    return result.map(asJson);
  }
  if (typeof result === "object" && result !== null) {
    return Object.fromEntries(
      Object.entries(result).map(([name, value]) => [snakeCase(name), resultJson(name, value)]),
    );
  }
  return result as Json;
}

function resultJson(name: string, value: unknown): Json {
  if (name === "labels") {
    // Its names are the caller's own.
    return value as Json;
  }
  return ID_RESULTS.has(name) ? Number(value) : asJson(value);
}

function camelCase(name: string): string {
  return name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
