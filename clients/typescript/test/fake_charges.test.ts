import assert from "node:assert/strict";
import { test } from "node:test";

import {
  Decimal,
  grpc,
  InternalError,
  InvalidRequest,
  OrderHasPendingPayment,
  OutcomeUnknown,
  type Payment,
  PaymentsClient,
  PaymentsError,
  PermissionDenied,
  PreciseDate,
  RequestIdReused,
} from "@payments/client";
import { FakePayments, type FakePaymentsOptions, type SimulatedSource } from "@payments/client/testing";

import { allOf, fakeClient, ManualClock } from "./fake_support.js";

const CHARGE = { orderId: 342, amount: new Decimal("561.00") };

test("a charge succeeds by default, by card, in INR, of the caller anonymous", async () => {
  const clock = new ManualClock("2026-01-01T12:00:00Z");
  const payment = await fakeClient({ now: clock.now }).charge({ ...CHARGE, requestId: "order-342" });
  assert.deepEqual(JSON.parse(JSON.stringify(payment)), {
    paymentId: "1",
    orderId: "342",
    amount: "561",
    currency: "INR",
    method: "CARD",
    otherMethod: "",
    status: "SUCCEEDED",
    reference: "FAKE-00000000000000000001",
    createTime: "2026-01-01T12:00:00.000000000Z",
    refundedAmount: "0",
    refundState: "NONE",
    caller: "anonymous",
    requestId: "order-342",
    processorReference: "",
    failureCode: "",
    externalReference: "",
    customerId: "",
    labels: {},
  });
});

const FAILURE_CODES: Partial<Record<SimulatedSource, string>> = {
  sim_insufficient_funds: "insufficient_funds",
  sim_expired_method: "expired_method",
  sim_invalid_method: "invalid_method",
  sim_authentication_required: "authentication_required",
  sim_fraud: "suspected_fraud",
  sim_limit_exceeded: "limit_exceeded",
  sim_declined: "declined",
  sim_processor_error: "processor_error",
};

for (const [source, code] of Object.entries(FAILURE_CODES)) {
  test(`a charge fails with the code ${code} by default if the fake has the source ${source}`, async () => {
    const client = fakeClient({ defaultSource: source as SimulatedSource });
    const payment = await client.charge(CHARGE);
    assert.deepEqual([payment.status, payment.failure, payment.failureCode], ["FAILED", code.toUpperCase(), code]);
    assert.equal((await client.charge({ ...CHARGE, paymentSource: "sim_success" })).status, "SUCCEEDED");
  });
}

for (const [source, seconds, status, failure, code] of [
  ["sim_pending_5s", 5, "SUCCEEDED", undefined, ""],
  ["sim_pending_5s_declined", 5, "FAILED", "DECLINED", "declined"],
  ["sim_timeout", 30, "FAILED", "PROCESSOR_ERROR", "timeout"],
] as const) {
  test(`a charge with ${source} is pending at first, and ${status} once the clock is ${seconds} s later`, async () => {
    const clock = new ManualClock("2026-01-01T12:00:00.250Z");
    const client = fakeClient({ now: clock.now });
    const { paymentId, ...pending } = await client.charge({ ...CHARGE, paymentSource: source });
    assert.deepEqual([pending.status, pending.failure, pending.failureCode], ["PENDING", undefined, ""]);
    clock.advance(seconds - 0.001);
    assert.equal((await client.getPayment({ paymentId })).payment.status, "PENDING");
    clock.advance(0.001);
    const { payment } = await client.getPayment({ paymentId });
    assert.deepEqual([payment.status, payment.failure, payment.failureCode], [status, failure, code]);
    const events = await allOf(client.listPaymentEvents({ paymentId }));
    assert.deepEqual(
      events.map(({ type, eventTime }) => [type, eventTime?.getTime()]),
      [
        ["PENDING", Date.parse("2026-01-01T12:00:00.250Z")],
        [status === "FAILED" ? "FAILED" : "CHARGED", Date.parse("2026-01-01T12:00:00.250Z") + seconds * 1_000],
      ],
    );
  });
}

test("with the system's clock, a pending charge has an outcome after 5 seconds", async () => {
  const client = fakeClient({ defaultSource: "sim_pending_5s" });
  const start = performance.now();
  const updates = client.watchPayments({ types: ["CHARGED"] });
  await updates.next();
  await client.charge(CHARGE);
  const { value } = await updates.next();
  assert.equal(value?.event?.payment.status, "SUCCEEDED");
  assert.ok(performance.now() - start >= 4_900);
  await updates.return();
});

test("a retry returns the payment as it is now, and a changed parameter is rejected", async () => {
  const clock = new ManualClock();
  const client = fakeClient({ now: clock.now });
  const params = { ...CHARGE, requestId: "r", labels: { a: "1", b: "2" }, paymentSource: "sim_pending_5s" };
  const { paymentId } = await client.charge(params);
  clock.advance(5);
  const again = await client.charge({ ...params, labels: { b: "2", a: "1" }, currency: "INR", unlessPending: true });
  assert.deepEqual([again.paymentId, again.status], [paymentId, "SUCCEEDED"]);
  for (const change of [
    { orderId: 1 },
    { amount: new Decimal("561.01") },
    { currency: "EUR" },
    { method: "CARD" },
    { externalReference: "x" },
    { customerId: "x" },
    { labels: { a: "1" } },
    { paymentSource: "sim_success" },
    { paymentSource: "" },
  ] as const) {
    await assert.rejects(client.charge({ ...params, ...change }), RequestIdReused, JSON.stringify(change));
  }
  assert.equal((await allOf(client.listPayments())).length, 1);
});

test("unless_pending rejects a charge only while a payment of the same order is pending", async () => {
  const clock = new ManualClock();
  const client = fakeClient({ now: clock.now });
  const { paymentId } = await client.charge({ ...CHARGE, paymentSource: "sim_pending_5s_declined" });
  const again = { ...CHARGE, unlessPending: true, requestId: "again" };
  await assert.rejects(client.charge(again), (error) => {
    assert.ok(error instanceof OrderHasPendingPayment);
    assert.deepEqual([error.paymentId, error.requestId], [paymentId, "again"]);
    assert.deepEqual([error.code, error.reason], [grpc.status.FAILED_PRECONDITION, "ORDER_HAS_PENDING_PAYMENT"]);
    return true;
  });
  assert.equal((await client.charge({ ...again, orderId: 343, requestId: "another order" })).status, "SUCCEEDED");
  assert.equal((await client.charge({ ...again, unlessPending: false, requestId: "b" })).status, "SUCCEEDED");
  clock.advance(5);
  assert.equal((await client.charge(again)).status, "SUCCEEDED");
});

test("a batch has the outcome of each charge, and charges a repeated request_id once", async () => {
  const client = fakeClient();
  const [first, invalid, again] = await client.batchCharge([
    { ...CHARGE, requestId: "r" },
    { orderId: 0, amount: new Decimal("-1"), requestId: "invalid" },
    { ...CHARGE, requestId: "r" },
  ]);
  assert.ok(invalid instanceof InvalidRequest);
  assert.deepEqual(
    [invalid.requestId, invalid.violations.map(({ field }) => field)],
    ["invalid", ["order_id", "amount"]],
  );
  assert.match(String(invalid.callId), /^fake-call-/);
  assert.equal((first as Payment).paymentId, (again as Payment).paymentId);
  const tooMany = Array.from({ length: 1_001 }, () => CHARGE);
  await assert.rejects(client.batchCharge(tooMany), { message: "charges: must have 1 to 1,000 charges" });
});

test("the error of an invalid request says what is wrong, as that of the service does", async () => {
  const client = fakeClient();
  const charge = client.charge({ ...CHARGE, amount: new Decimal("5.001"), requestId: "é" });
  await assert.rejects(charge, (error) => {
    assert.ok(error instanceof InvalidRequest);
    assert.equal(error.message, "amount.nanos: must be a multiple of 10,000,000: INR has 2 decimals (and 1 more)");
    assert.deepEqual(
      error.violations.map(({ field }) => field),
      ["amount.nanos", "request_id"],
    );
    return true;
  });
});

test("another caller's request_id requires a role that the caller of the fake does not have", async () => {
  const client = fakeClient();
  await client.charge({ ...CHARGE, requestId: "r" });
  assert.equal((await client.getPayment({ requestId: "r", caller: "anonymous" })).payment.requestId, "r");
  await assert.rejects(client.getPayment({ requestId: "r", caller: "shop" }), PermissionDenied);
  await assert.rejects(client.listPaymentsPage({ requestId: "r", caller: "shop" }), PermissionDenied);
  await assert.rejects(client.getPayment({ requestId: "r", caller: " " }), { name: "InvalidRequest" });
  assert.equal((await client.listPaymentsPage({ caller: "shop" })).payments.length, 0);
});

test("characters are counted, not units of a JavaScript string", async () => {
  const client = fakeClient();
  const payment = await client.charge({ ...CHARGE, customerId: "👟".repeat(100) });
  assert.equal(payment.customerId, "👟".repeat(100));
  await assert.rejects(client.charge({ ...CHARGE, customerId: "👟".repeat(101) }), InvalidRequest);
});

test("only the allowed currencies can be charged, the default one if none is named", async () => {
  const client = fakeClient({ defaultCurrency: "JPY", allowedCurrencies: ["JPY", "EUR"] });
  assert.equal((await client.charge(CHARGE)).currency, "JPY");
  assert.equal((await client.charge({ ...CHARGE, currency: "EUR" })).currency, "EUR");
  await assert.rejects(client.charge({ ...CHARGE, currency: "INR" }), {
    name: "InvalidRequest",
    message: "amount.currency_code: must be one of EUR, JPY, or empty",
  });
});

const INVALID_OPTIONS: [description: string, options: FakePaymentsOptions][] = [
  ["an unknown default currency", { defaultCurrency: "XYZ" }],
  ["an unknown allowed currency", { allowedCurrencies: ["INR", "inr"] }],
  ["a default currency that is not allowed", { allowedCurrencies: ["EUR"] }],
  ["an unknown source", { defaultSource: "sim_nothing" as never }],
];

for (const [description, options] of INVALID_OPTIONS) {
  test(`a fake with ${description} is rejected`, () => {
    assert.throws(() => new FakePayments(options), RangeError);
  });
}

test("times have microseconds, as those of the service do", async () => {
  const client = fakeClient({ now: () => new PreciseDate("2026-01-01T12:00:00.123456789Z") });
  assert.equal((await client.charge(CHARGE)).createTime?.toISOString(), "2026-01-01T12:00:00.123456000Z");
});

test("a fake whose clock fails reports that", async () => {
  const client = fakeClient({ now: () => new Date(NaN) });
  await assert.rejects(client.charge(CHARGE), (error) => {
    assert.ok(error instanceof InternalError);
    assert.match(error.message, /now\(\) must be a valid Date/);
    return true;
  });
  await assert.rejects(client.watchPayments().next(), InternalError);
});

test("the clients of a fake share its payments, and closing one leaves the others open", async () => {
  const { transport } = new FakePayments();
  const [one, other] = [new PaymentsClient({ transport }), new PaymentsClient({ transport })];
  const { paymentId } = await one.charge(CHARGE);
  const unfinished = one.charge(CHARGE);
  one.close();
  await assert.rejects(unfinished, OutcomeUnknown);
  await assert.rejects(one.charge(CHARGE), /closed/);
  assert.equal((await other.getPayment({ paymentId })).payment.paymentId, paymentId);
  await assert.rejects(fakeClient().getPayment({ paymentId }), PaymentsError);
});

test("a test can replace a call of the client, to see what a program does when the outcome is unknown", async (t) => {
  const client: PaymentsClient = fakeClient();
  t.mock.method(client, "charge", () => Promise.reject(new OutcomeUnknown("no response", { requestId: "r" })));
  await assert.rejects(client.charge(CHARGE), { name: "OutcomeUnknown", requestId: "r" });
});

test("a caller's change to a result does not change the payment", async () => {
  const client = fakeClient();
  const labels: Record<string, string> = { channel: "web" };
  const { paymentId, ...payment } = await client.charge({ ...CHARGE, labels });
  (payment.labels as Record<string, string>)["channel"] = "changed";
  labels["channel"] = "changed";
  assert.deepEqual((await client.getPayment({ paymentId })).payment.labels, { channel: "web" });
});
