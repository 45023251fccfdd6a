import assert from "node:assert/strict";
import { test } from "node:test";

import {
  type CallOptions,
  Decimal,
  type GetPaymentParams,
  type ListPaymentEventsParams,
  type ListRefundsParams,
  type PaymentsClient,
  type WatchOptions,
} from "@payments/client";

import { clientOf, startService } from "./service.js";

// The parameters are untyped, as in a JavaScript program.
const charge = (params: object, options?: CallOptions) => (client: PaymentsClient) =>
  client.charge({ orderId: 1, amount: new Decimal(1), ...params }, options);
const batch = (params: object) => (client: PaymentsClient) =>
  client.batchCharge([
    { orderId: 1, amount: new Decimal(1) },
    { orderId: 1, amount: new Decimal(1), ...params },
  ]);
const refund = (params: object) => (client: PaymentsClient) => client.refund({ paymentId: 1, ...params });
const get = (params: object) => (client: PaymentsClient) => client.getPayment(params as GetPaymentParams);
const refunds = (params: object) => async (client: PaymentsClient) =>
  client.listRefunds(params as ListRefundsParams).next();
const refundPage = (params: object) => (client: PaymentsClient) => client.listRefundsPage(params as ListRefundsParams);
const page = (params: object) => (client: PaymentsClient) => client.listPaymentsPage(params);
const list = (params: object) => async (client: PaymentsClient) => client.listPayments(params).next();
const events = (params: object) => async (client: PaymentsClient) =>
  client.listPaymentEvents(params as ListPaymentEventsParams).next();
const eventPage = (params: object) => (client: PaymentsClient) =>
  client.listPaymentEventsPage(params as ListPaymentEventsParams);
const watch = (params: object, options?: WatchOptions) => async (client: PaymentsClient) =>
  client.watchPayments(params, options).next();

type RejectedCall = [
  description: string,
  call: (client: PaymentsClient) => Promise<unknown>,
  error: "TypeError" | "RangeError",
  message: RegExp,
];

const REJECTED_CALLS: RejectedCall[] = [
  ["an amount that is a number", charge({ amount: 5.5 }), "TypeError", /^amount .*number/],
  ["an amount that is a string", charge({ amount: "5.50" }), "TypeError", /^amount .*string/],
  ["an amount that is a bigint", charge({ amount: 550n }), "TypeError", /^amount .*bigint/],
  ["an amount that is null", charge({ amount: null }), "TypeError", /^amount .*null/],
  ["a charge without an amount", charge({ amount: undefined }), "TypeError", /^amount .*undefined/],
  ["an amount with five decimals", charge({ amount: new Decimal("5.00001") }), "RangeError", /^amount .*5\.00001/],
  ["an amount that is a tiny fraction", charge({ amount: new Decimal("1e-30") }), "RangeError", /^amount .*1e-30/],
  ["an amount that is NaN", charge({ amount: new Decimal(NaN) }), "RangeError", /^amount .*NaN/],
  ["an amount that is infinite", charge({ amount: new Decimal(-Infinity) }), "RangeError", /^amount .*-Infinity/],
  ["an amount beyond int64", charge({ amount: new Decimal("1e5000") }), "RangeError", /^amount .*1e\+5000/],
  [
    "a batch with an amount with five decimals",
    batch({ amount: new Decimal("1.00001") }),
    "RangeError",
    /^amount .*1\.00001/,
  ],
  ["a batch with the method UNKNOWN", batch({ method: "UNKNOWN" }), "RangeError", /^method .*UNKNOWN/],
  ["a refund with five decimals", refund({ amount: new Decimal("0.99999") }), "RangeError", /^amount .*0\.99999/],
  ["a refund of an amount that is a number", refund({ amount: 1 }), "TypeError", /^amount /],
  ["a refund's currency without an amount", refund({ currency: "INR" }), "TypeError", /^currency /],
  ["a currency that is not a string", charge({ currency: 356 }), "TypeError", /^currency .*number/],
  ["an order_id that is not a safe integer", charge({ orderId: 2 ** 53 }), "RangeError", /^orderId .*9007199254740992/],
  ["an order_id that is a fraction", charge({ orderId: 1.5 }), "RangeError", /^orderId .*1\.5/],
  ["an order_id that is NaN", charge({ orderId: NaN }), "RangeError", /^orderId .*NaN/],
  ["an order_id that is a string of letters", charge({ orderId: "ECI-1" }), "RangeError", /^orderId .*"ECI-1"/],
  ["an order_id that is an empty string", charge({ orderId: "" }), "RangeError", /^orderId .*""/],
  ["an order_id with leading zeros", charge({ orderId: "007" }), "RangeError", /^orderId .*"007"/],
  ["an order_id with decimals", charge({ orderId: "7.0" }), "RangeError", /^orderId .*"7\.0"/],
  ["an order_id that is a string above int64", charge({ orderId: `${2n ** 63n}` }), "RangeError", /^orderId .*5808/],
  ["an order_id that is null", charge({ orderId: null }), "TypeError", /^orderId .*null/],
  ["an order_id above int64", charge({ orderId: 2n ** 63n }), "RangeError", /^orderId .*9223372036854775808/],
  ["an order_id below int64", charge({ orderId: -(2n ** 63n) - 1n }), "RangeError", /^orderId .*-9223372036854775809/],
  ["a payment_id that is not a safe integer", refund({ paymentId: 2 ** 60 }), "RangeError", /^paymentId /],
  ["getting a payment_id that is a fraction", get({ paymentId: 0.5 }), "RangeError", /^paymentId /],
  [
    "getting a payment by both id and reference",
    get({ paymentId: 1, reference: "r" }),
    "TypeError",
    /paymentId, reference and requestId/,
  ],
  [
    "getting a payment by both reference and request_id",
    get({ reference: "r", requestId: "q" }),
    "TypeError",
    /paymentId, reference and requestId/,
  ],
  ["getting a payment by no key", get({ caller: "shop" }), "TypeError", /paymentId, reference and requestId/],
  ["getting a request_id that is not a string", get({ requestId: 7 }), "TypeError", /^requestId .*number/],
  ["a caller that is not a string", get({ requestId: "q", caller: 7 }), "TypeError", /^caller .*number/],
  ["an external_reference that is not a string", charge({ externalReference: 7 }), "TypeError", /^externalReference /],
  ["a customer_id that is not a string", batch({ customerId: 7n }), "TypeError", /^customerId .*bigint/],
  ["a payment_source that is null", charge({ paymentSource: null }), "TypeError", /^paymentSource .*null/],
  [
    "a return_url that is a URL object",
    charge({ returnUrl: new URL("https://a.b") }),
    "TypeError",
    /^returnUrl .*object/,
  ],
  ["labels that are not an object", charge({ labels: "web" }), "TypeError", /^labels must be an object/],
  ["labels that are null", charge({ labels: null }), "TypeError", /^labels must be an object/],
  ["labels that are a Map", batch({ labels: new Map([["a", "b"]]) }), "TypeError", /^labels must be an object/],
  ["labels that are a list", charge({ labels: ["a"] }), "TypeError", /^labels must be an object/],
  ["a label that is not a string", charge({ labels: { size: 42 } }), "TypeError", /^labels\.size .*number/],
  ["a condition that is not a string", page({ processorReference: 7 }), "TypeError", /^processorReference .*number/],
  ["a reference that is not a string", get({ reference: 7 }), "TypeError", /^reference .*number/],
  ["listing refunds without a payment_id", refunds({}), "TypeError", /^paymentId .*undefined/],
  [
    "listing refunds of a payment_id that is a reference",
    refundPage({ paymentId: "ECI-1" }),
    "RangeError",
    /^paymentId .*"ECI-1"/,
  ],
  ["a page_size of refunds that is a fraction", refunds({ paymentId: 1, pageSize: 0.5 }), "RangeError", /^pageSize /],
  [
    "a page_token of refunds that is not a string",
    refundPage({ paymentId: 1, pageToken: 2 }),
    "TypeError",
    /^pageToken /,
  ],
  ["a request_id that is not a string", charge({ requestId: 7 }), "TypeError", /^requestId .*number/],
  ["a request_id that is null", refund({ requestId: null }), "TypeError", /^requestId .*null/],
  ["a reason that is not a string", refund({ reason: {} }), "TypeError", /^reason .*object/],
  ["the method UNKNOWN", charge({ method: "UNKNOWN" }), "RangeError", /^method .*UNKNOWN/],
  ["a method that does not exist", charge({ method: "upi" }), "RangeError", /^method must be one of UPI, CARD/],
  ["the method UNKNOWN in a list", page({ methods: ["UPI", "UNKNOWN"] }), "RangeError", /^methods .*UNKNOWN/],
  ["the status UNKNOWN in a list", page({ statuses: ["UNKNOWN"] }), "RangeError", /^statuses .*UNKNOWN/],
  ["the refund state UNKNOWN in a list", page({ refundStates: ["UNKNOWN"] }), "RangeError", /^refundStates .*UNKNOWN/],
  ["a bound with five decimals", list({ minAmount: new Decimal("1.23456") }), "RangeError", /^minAmount /],
  ["a bound that is a number", page({ maxAmount: 1.5 }), "TypeError", /^maxAmount /],
  ["a list's currency without amounts", page({ currency: "INR" }), "TypeError", /^currency /],
  ["an Invalid Date", page({ minCreateTime: new Date("nonsense") }), "RangeError", /^minCreateTime .*Invalid Date/],
  ["a time that is a string", list({ maxCreateTime: "2026-01-01T00:00:00Z" }), "TypeError", /^maxCreateTime .*string/],
  ["a page_size that is a fraction", page({ pageSize: 1.5 }), "RangeError", /^pageSize .*1\.5/],
  ["a page_size above int32", page({ pageSize: 2 ** 31 }), "RangeError", /^pageSize .*2147483648/],
  ["a page_token that is not a string", page({ pageToken: 1 }), "TypeError", /^pageToken /],
  ["listing events without a payment_id", events({}), "TypeError", /^paymentId .*undefined/],
  [
    "listing events of a payment_id that is a reference",
    eventPage({ paymentId: "ECI-1" }),
    "RangeError",
    /^paymentId .*"ECI-1"/,
  ],
  ["a page_size of events that is a fraction", events({ paymentId: 1, pageSize: 0.5 }), "RangeError", /^pageSize /],
  [
    "a page_token of events that is not a string",
    eventPage({ paymentId: 1, pageToken: 2 }),
    "TypeError",
    /^pageToken /,
  ],
  ["a resume_token that is not a string", watch({ resumeToken: 7 }), "TypeError", /^resumeToken .*number/],
  ["a watch's caller that is not a string", watch({ caller: 7 }), "TypeError", /^caller .*number/],
  ["a watch's order_id that is a fraction", watch({ orderId: 0.5 }), "RangeError", /^orderId .*0\.5/],
  ["the event type UNKNOWN in a watch", watch({ types: ["CHARGED", "UNKNOWN"] }), "RangeError", /^types .*UNKNOWN/],
  ["a watch's timeout that is NaN", watch({}, { timeoutSeconds: NaN }), "RangeError", /^timeoutSeconds .*NaN/],
  ["an order_by that is not a string", page({ orderBy: ["create_time"] }), "TypeError", /^orderBy /],
  ["a timeout that is NaN", charge({}, { timeoutSeconds: NaN }), "RangeError", /^timeoutSeconds .*NaN/],
  ["a timeout that is infinite", charge({}, { timeoutSeconds: Infinity }), "RangeError", /^timeoutSeconds .*Infinity/],
];

for (const [description, call, name, message] of REJECTED_CALLS) {
  test(`${description} is rejected before anything is sent`, async (t) => {
    const service = await startService(t);
    const client = clientOf(t, { target: service.target });
    await assert.rejects(async () => call(client), { name, message });
    assert.equal(service.calls.length, 0);
  });
}

test("a timeout that is NaN is rejected when the client is created", () => {
  assert.throws(() => clientOf({ after: () => undefined } as never, { timeoutSeconds: NaN }), RangeError);
});
