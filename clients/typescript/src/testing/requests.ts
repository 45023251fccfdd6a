/** Converts the requests of the contract, and rejects invalid ones with all their violations. */
import {
  type BatchChargeRequest,
  type ChargeRequest,
  type GetPaymentRequest,
  PaymentMethod,
  type RefundRequest,
} from "../generated/payments/v1/payments.js";
import { invalidRequest } from "./call_errors.js";
import type { Currencies } from "./currencies.js";
import { CALLER } from "./messages.js";
import type { Charge, RefundOrder } from "./records.js";
import { InvalidValue, RequestReader } from "./request_reader.js";
import { isSource, SOURCE_NAMES, type SimulatedSource } from "./sources.js";
import { boundedText, callerName, nonEmptyText, positiveId, requestIdText } from "./values.js";

const MAX_BATCH = 1_000;
const MAX_NAME_LENGTH = 100;
const MAX_REASON_LENGTH = 255;
const MAX_LABELS = 16;
const MAX_LABEL_KEY_LENGTH = 40;
const MAX_RETURN_URL_LENGTH = 2_048;
const CHARGEABLE_METHODS = ["UPI", "CARD", "COD"] as const;

/** The key of a payment to get. */
export type PaymentKey = { paymentId: bigint } | { reference: string } | { requestId: string; caller: string };

/** @throws CallError if the charge is invalid. */
export function chargeOf(request: ChargeRequest, currencies: Currencies): Charge {
  const reader = new RequestReader();
  const charge = {
    orderId: reader.read("order_id", () => orderIdOf(request)),
    amount: reader.read("amount", () => currencies.chargeAmount(request.amount)),
    method: reader.read("method", () => chargeableMethod(request.method)),
    requestId: reader.read("request_id", () => requestIdText(request.requestId)),
    externalReference: reader.read("external_reference", () => optionalName(request.externalReference)),
    customerId: reader.read("customer_id", () => optionalName(request.customerId)),
    labels: reader.read("labels", () => validLabels(request.labels)),
    source: reader.read("payment_source", () => sourceNamed(request.paymentSource)),
    unlessPending: request.unlessPending,
  };
  // The fake sends no payer anywhere, so it only checks the URL.
  reader.read("return_url", () => {
    checkReturnUrl(request);
  });
  reader.finish();
  return charge;
}

/** @throws CallError if the batch is empty or too large. Its charges are not checked. */
export function chargesOf({ charges }: BatchChargeRequest): readonly ChargeRequest[] {
  if (charges.length === 0 || charges.length > MAX_BATCH) {
    throw invalidRequest({
      field: "charges",
      description: `must have 1 to ${MAX_BATCH.toLocaleString("en-US")} charges`,
    });
  }
  return charges;
}

/** @throws CallError if the refund is invalid. */
export function refundOrderOf(request: RefundRequest, currencies: Currencies): RefundOrder {
  const { amount } = request;
  const reader = new RequestReader();
  const order = {
    paymentId: reader.read("payment_id", () => positiveId(request.paymentId)),
    amount: amount && reader.read("amount", () => currencies.refundAmount(amount)),
    reason: reader.read("reason", () => boundedText(request.reason, MAX_REASON_LENGTH)),
    requestId: reader.read("request_id", () => requestIdText(request.requestId)),
  };
  reader.finish();
  return order;
}

/** @throws CallError if the key is missing or invalid. */
export function paymentKeyOf({ paymentId, reference, requestId, caller }: GetPaymentRequest): PaymentKey {
  const reader = new RequestReader();
  let key: PaymentKey;
  if (paymentId !== undefined) {
    key = { paymentId: reader.read("payment_id", () => positiveId(paymentId)) };
  } else if (reference !== undefined) {
    key = { reference: reader.read("reference", () => nonEmptyText(reference, MAX_NAME_LENGTH)) };
  } else {
    key = {
      caller: caller === "" ? CALLER : reader.read("caller", () => callerName(caller)),
      requestId: reader.read("request_id", () => requestIdText(requestId)),
    };
  }
  if (caller !== "" && requestId === undefined) {
    reader.reject("caller", "must be empty, unless the key is a request_id");
  }
  reader.finish();
  return key;
}

function orderIdOf({ orderId, externalReference }: ChargeRequest): bigint {
  if (orderId < 1n && !(orderId === 0n && externalReference !== "")) {
    throw new InvalidValue("must be 1 or more, or left out if there is an external_reference");
  }
  return orderId;
}

function optionalName(text: string): string {
  return text === "" ? text : nonEmptyText(text, MAX_NAME_LENGTH);
}

function chargeableMethod(method: PaymentMethod): PaymentMethod {
  const allowed = [PaymentMethod.UNSPECIFIED, ...CHARGEABLE_METHODS.map((name) => PaymentMethod[name])];
  if (!allowed.includes(method)) {
    const names = CHARGEABLE_METHODS.map((name) => `PAYMENT_METHOD_${name}`);
    throw new InvalidValue(`must be one of ${names.join(", ")}`);
  }
  return method;
}

function validLabels(labels: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const entries = Object.entries(labels);
  if (entries.length > MAX_LABELS) {
    throw new InvalidValue(`must have at most ${MAX_LABELS} labels`);
  }
  for (const [key, value] of entries) {
    nonEmptyText(key, MAX_LABEL_KEY_LENGTH, "keys");
    boundedText(value, MAX_NAME_LENGTH, "values");
  }
  return labels;
}

function sourceNamed(name: string): SimulatedSource | undefined {
  if (name === "") {
    return undefined;
  }
  if (!isSource(name)) {
    throw new InvalidValue(`must be one of ${SOURCE_NAMES.join(", ")}, or empty`);
  }
  return name;
}

function checkReturnUrl({ returnUrl, paymentSource }: ChargeRequest): void {
  if (returnUrl === "") {
    return;
  }
  if (paymentSource === "") {
    throw new InvalidValue("must be empty without a payment_source");
  }
  if (returnUrl.length > MAX_RETURN_URL_LENGTH || !/^https:\/\/[!-~]+$/.test(returnUrl)) {
    throw new InvalidValue(`must be an https URL of at most ${MAX_RETURN_URL_LENGTH} characters`);
  }
}
