/** Converts arguments to the contract's messages, and rejects arguments that the contract cannot express. */
import { paymentEventTypes, paymentMethods, paymentStatuses, refundStates } from "./enums.js";
import {
  type BatchChargeRequest,
  type ChargeRequest,
  type GetPaymentRequest,
  type ListPaymentEventsRequest,
  type ListPaymentsRequest,
  type ListRefundsRequest,
  type PaymentEventFilter,
  type PaymentFilter,
  PaymentMethod,
  type RefundRequest,
  type WatchPaymentsRequest,
} from "./generated/payments/v1/payments.js";
import { exactId } from "./ids.js";
import { moneyOf } from "./money.js";
import type {
  ChargeParams,
  GetPaymentParams,
  ListPaymentEventsParams,
  ListPaymentsPageParams,
  ListRefundsParams,
  PaymentConditions,
  PaymentEventConditions,
  RefundParams,
  WatchPaymentsParams,
} from "./params.js";
import { timestampOf } from "./times.js";

const MAX_INT32 = 2 ** 31 - 1;

/** A request with a request_id. */
export type Identified<Request> = Request & { requestId: string };

/** Returns the request for a charge, with a new `requestId` if none is given (AIP-155). */
export function chargeRequest(params: ChargeParams): Identified<ChargeRequest> {
  return {
    orderId: optional(exactId, "orderId", params.orderId) ?? 0n,
    amount: moneyOf("amount", params.amount, optional(text, "currency", params.currency)),
    method: params.method === undefined ? PaymentMethod.UNSPECIFIED : paymentMethods.value("method", params.method),
    requestId: optional(text, "requestId", params.requestId) ?? crypto.randomUUID(),
    externalReference: optional(text, "externalReference", params.externalReference) ?? "",
    customerId: optional(text, "customerId", params.customerId) ?? "",
    labels: optional(texts, "labels", params.labels) ?? {},
    paymentSource: optional(text, "paymentSource", params.paymentSource) ?? "",
    returnUrl: optional(text, "returnUrl", params.returnUrl) ?? "",
    unlessPending: params.unlessPending ?? false,
  };
}

/** Returns the request for a batch of charges. */
export function batchChargeRequest(charges: readonly ChargeParams[]): BatchChargeRequest {
  return { charges: charges.map((charge) => chargeRequest(charge)) };
}

/** Returns the request for a refund, with a new `requestId` if none is given (AIP-155). */
export function refundRequest(params: RefundParams): Identified<RefundRequest> {
  const { amount, currency } = params;
  if (amount === undefined && currency !== undefined) {
    throw new TypeError("currency needs an amount");
  }
  return {
    paymentId: exactId("paymentId", params.paymentId),
    amount: amount === undefined ? undefined : moneyOf("amount", amount, optional(text, "currency", currency)),
    reason: optional(text, "reason", params.reason) ?? "",
    requestId: optional(text, "requestId", params.requestId) ?? crypto.randomUUID(),
  };
}

/** Returns the request for one payment. */
export function getRequest(params: GetPaymentParams): GetPaymentRequest {
  const { paymentId, reference, requestId, caller } = params;
  if ([paymentId, reference, requestId].filter((key) => key !== undefined).length !== 1) {
    throw new TypeError("getPayment() takes exactly one of paymentId, reference and requestId");
  }
  return {
    paymentId: optional(exactId, "paymentId", paymentId),
    reference: optional(text, "reference", reference),
    requestId: optional(text, "requestId", requestId),
    caller: optional(text, "caller", caller) ?? "",
  };
}

/** Returns the request for a page of the refunds of a payment. */
export function listRefundsRequest(params: ListRefundsParams): ListRefundsRequest {
  return { paymentId: exactId("paymentId", params.paymentId), ...pageOf(params) };
}

/** Returns the request for a page of payments. */
export function listRequest(params: ListPaymentsPageParams): ListPaymentsRequest {
  return {
    filter: filterOf(params),
    orderBy: optional(text, "orderBy", params.orderBy) ?? "",
    ...pageOf(params),
    includeTotalSize: params.includeTotalSize ?? false,
  };
}

/** Returns the request for a page of the events of a payment. */
export function listPaymentEventsRequest(params: ListPaymentEventsParams): ListPaymentEventsRequest {
  return { paymentId: exactId("paymentId", params.paymentId), ...pageOf(params) };
}

/** Returns the request for a stream of events. */
export function watchRequest(params: WatchPaymentsParams): WatchPaymentsRequest {
  return { resumeToken: optional(text, "resumeToken", params.resumeToken) ?? "", filter: eventFilterOf(params) };
}

/** Selects one page of a list. An empty token means the first page, and a size of 0 lets the service choose. */
function pageOf({ pageSize, pageToken }: Pick<ListPaymentsPageParams, "pageSize" | "pageToken">) {
  return {
    pageSize: optional(int32, "pageSize", pageSize) ?? 0,
    pageToken: optional(text, "pageToken", pageToken) ?? "",
  };
}

function filterOf(conditions: PaymentConditions): PaymentFilter {
  const { minAmount, maxAmount } = conditions;
  const currency = optional(text, "currency", conditions.currency);
  if (currency !== undefined && minAmount === undefined && maxAmount === undefined) {
    throw new TypeError("currency needs minAmount or maxAmount");
  }
  return {
    orderId: optional(exactId, "orderId", conditions.orderId),
    methods: Array.from(conditions.methods ?? [], (method) => paymentMethods.value("methods", method)),
    statuses: Array.from(conditions.statuses ?? [], (status) => paymentStatuses.value("statuses", status)),
    refundStates: Array.from(conditions.refundStates ?? [], (state) => refundStates.value("refundStates", state)),
    reference: optional(text, "reference", conditions.reference),
    minAmount: minAmount === undefined ? undefined : moneyOf("minAmount", minAmount, currency),
    maxAmount: maxAmount === undefined ? undefined : moneyOf("maxAmount", maxAmount, currency),
    minCreateTime: optional(timestampOf, "minCreateTime", conditions.minCreateTime),
    maxCreateTime: optional(timestampOf, "maxCreateTime", conditions.maxCreateTime),
    requestId: optional(text, "requestId", conditions.requestId),
    caller: optional(text, "caller", conditions.caller),
    processorReference: optional(text, "processorReference", conditions.processorReference),
    externalReference: optional(text, "externalReference", conditions.externalReference),
    customerId: optional(text, "customerId", conditions.customerId),
  };
}

function eventFilterOf(conditions: PaymentEventConditions): PaymentEventFilter {
  return {
    caller: optional(text, "caller", conditions.caller),
    orderId: optional(exactId, "orderId", conditions.orderId),
    externalReference: optional(text, "externalReference", conditions.externalReference),
    customerId: optional(text, "customerId", conditions.customerId),
    types: Array.from(conditions.types ?? [], (type) => paymentEventTypes.value("types", type)),
  };
}

/** Converts an argument with `convert`, unless it is undefined. */
function optional<Value>(
  convert: (name: string, value: unknown) => Value,
  name: string,
  value: unknown,
): Value | undefined {
  return value === undefined ? undefined : convert(name, value);
}

function text(name: string, value: unknown): string {
  if (typeof value !== "string") {
    throw new TypeError(`${name} must be a string, not ${value === null ? "null" : typeof value}`);
  }
  return value;
}

/** Converts an object with text in its properties. A Map has none, so it is rejected instead of ignored. */
function texts(name: string, value: unknown): Record<string, string> {
  if (typeof value !== "object" || value === null || Symbol.iterator in value) {
    throw new TypeError(`${name} must be an object whose values are strings`);
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, text(`${name}.${key}`, item)]));
}

function int32(name: string, value: unknown): number {
  if (typeof value !== "number" || !Number.isInteger(value) || Math.abs(value) > MAX_INT32) {
    throw new RangeError(`${name} must be a 32-bit integer, not ${String(value)}`);
  }
  return value;
}
