/** Converts filters to functions that return whether a payment or an event matches. */
import type { Timestamp } from "../generated/google/protobuf/timestamp.js";
import type { Money } from "../generated/google/type/money.js";
import { PaymentEventFilter, PaymentFilter } from "../generated/payments/v1/payments.js";
import { compareTimes } from "./clock.js";
import type { Amount, Currencies } from "./currencies.js";
import { CALLER, refundStateOf } from "./messages.js";
import type { EventRecord, PaymentRecord } from "./records.js";
import { InvalidValue, type RequestReader } from "./request_reader.js";
import { callerName, filterValues, nonEmptyText, requestIdText } from "./values.js";

const MAX_NAME_LENGTH = 100;
const MAX_PROCESSOR_REFERENCE_LENGTH = 255;
const MIN_SECONDS = -62_135_596_800n;
const MAX_SECONDS = 253_402_300_799n;

type Condition<Item> = (item: Item) => boolean;

/** Reads the filter of a list. Violations are recorded in `reader`. */
export function paymentCondition(
  reader: RequestReader,
  filter: PaymentFilter | undefined,
  currencies: Currencies,
): Condition<PaymentRecord> {
  const wanted = filter ?? PaymentFilter.create();
  const amountOf = (money: Money) => currencies.amount(money);
  const methods = reader.read("filter.methods", () => filterValues(wanted.methods));
  const statuses = reader.read("filter.statuses", () => filterValues(wanted.statuses));
  const refundStates = reader.read("filter.refund_states", () => filterValues(wanted.refundStates));
  const reference = read(reader, "reference", wanted.reference, name);
  const minAmount = read(reader, "min_amount", wanted.minAmount, amountOf);
  const maxAmount = read(reader, "max_amount", wanted.maxAmount, amountOf);
  const minTime = read(reader, "min_create_time", wanted.minCreateTime, validTime);
  const maxTime = read(reader, "max_create_time", wanted.maxCreateTime, validTime);
  const requestId = read(reader, "request_id", wanted.requestId, requestIdText);
  const caller = read(reader, "caller", wanted.caller, callerName);
  const processorReference = read(reader, "processor_reference", wanted.processorReference, processorName);
  const externalReference = read(reader, "external_reference", wanted.externalReference, name);
  const customerId = read(reader, "customer_id", wanted.customerId, name);
  reader.read("filter", () => {
    checkBounds(minAmount, maxAmount, minTime, maxTime);
  });
  return (payment) => {
    const { charge, createTime } = payment;
    return (
      isWanted(wanted.orderId, charge.orderId) &&
      isAmong(methods, payment.method) &&
      isAmong(statuses, payment.status) &&
      isAmong(refundStates, refundStateOf(payment)) &&
      isWanted(reference, payment.reference) &&
      (minAmount === undefined ||
        (hasCurrencyOf(minAmount, charge.amount) && charge.amount.minor >= minAmount.minor)) &&
      (maxAmount === undefined ||
        (hasCurrencyOf(maxAmount, charge.amount) && charge.amount.minor <= maxAmount.minor)) &&
      (minTime === undefined || compareTimes(createTime, minTime) >= 0) &&
      (maxTime === undefined || compareTimes(createTime, maxTime) <= 0) &&
      isWanted(requestId, charge.requestId) &&
      isWanted(caller, CALLER) &&
      // No simulated payment has one.
      processorReference === undefined &&
      isWanted(externalReference, charge.externalReference) &&
      isWanted(customerId, charge.customerId)
    );
  };
}

/** Reads the filter of a watch. Violations are recorded in `reader`. */
export function eventCondition(reader: RequestReader, filter: PaymentEventFilter | undefined): Condition<EventRecord> {
  const wanted = filter ?? PaymentEventFilter.create();
  const caller = read(reader, "caller", wanted.caller, callerName);
  const externalReference = read(reader, "external_reference", wanted.externalReference, name);
  const customerId = read(reader, "customer_id", wanted.customerId, name);
  const types = reader.read("filter.types", () => filterValues(wanted.types));
  return ({ type, payment: { charge } }) =>
    isWanted(caller, CALLER) &&
    isWanted(wanted.orderId, charge.orderId) &&
    isWanted(externalReference, charge.externalReference) &&
    isWanted(customerId, charge.customerId) &&
    isAmong(types, type);
}

/** Reads an optional field of a filter. */
function read<Value, Parsed>(
  reader: RequestReader,
  field: string,
  value: Value | undefined,
  parse: (value: Value) => Parsed,
): Parsed | undefined {
  return value === undefined ? undefined : reader.read(`filter.${field}`, () => parse(value));
}

function name(text: string): string {
  return nonEmptyText(text, MAX_NAME_LENGTH);
}

function processorName(text: string): string {
  return nonEmptyText(text, MAX_PROCESSOR_REFERENCE_LENGTH);
}

function validTime(time: Timestamp): Timestamp {
  if (time.seconds < MIN_SECONDS || time.seconds > MAX_SECONDS) {
    throw new InvalidValue("must be between 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999999999Z", "seconds");
  }
  return time;
}

/** @throws InvalidValue if a minimum is above its maximum, or the amounts have different currencies. */
function checkBounds(
  minAmount: Amount | undefined,
  maxAmount: Amount | undefined,
  minTime: Timestamp | undefined,
  maxTime: Timestamp | undefined,
): void {
  if (minAmount !== undefined && maxAmount !== undefined) {
    // The client gives both amounts the same currency.
    if (minAmount.minor > maxAmount.minor) {
      throw new InvalidValue("must not be less than min_amount", "max_amount");
    }
  }
  if (minTime !== undefined && maxTime !== undefined && compareTimes(minTime, maxTime) > 0) {
    throw new InvalidValue("must not be before min_create_time", "max_create_time");
  }
}

/** Returns whether a value is the wanted one, or any is wanted. */
function isWanted<Value>(wanted: Value | undefined, value: Value): boolean {
  return wanted === undefined || wanted === value;
}

/** Returns whether a value is one of those that are wanted, or any is wanted. */
function isAmong<Value>(wanted: readonly Value[], value: Value): boolean {
  return wanted.length === 0 || wanted.includes(value);
}

function hasCurrencyOf(one: Amount, other: Amount): boolean {
  return one.currency === other.currency;
}
