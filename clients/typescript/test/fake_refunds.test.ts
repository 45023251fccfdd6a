import assert from "node:assert/strict";
import { test } from "node:test";

import {
  Decimal,
  InvalidRequest,
  PaymentFailed,
  PaymentNotFound,
  PaymentPending,
  RefundExceedsPayment,
  RequestIdReused,
} from "@payments/client";

import { allOf, fakeClient, ManualClock } from "./fake_support.js";

const CHARGE = { orderId: 342, amount: new Decimal("100.00") };

test("refunds never exceed the charge, and a retry refunds nothing more", async () => {
  const client = fakeClient();
  const { paymentId } = await client.charge(CHARGE);
  const part = { paymentId, amount: new Decimal("30.50"), reason: "damaged", requestId: "r" };
  const first = await client.refund(part);
  assert.deepEqual([first.refund?.refundId, first.payment.refundedAmount?.toFixed(2)], ["1", "30.50"]);
  const again = await client.refund(part);
  assert.deepEqual([again.refund?.refundId, again.payment.refundedAmount?.toFixed(2)], ["1", "30.50"]);
  for (const change of [{ amount: new Decimal(1) }, { amount: undefined }, { reason: "" }, { paymentId: 2 }]) {
    await assert.rejects(client.refund({ ...part, ...change }), RequestIdReused, JSON.stringify(change));
  }
  await assert.rejects(client.refund({ paymentId, amount: new Decimal("69.51") }), {
    name: "RefundExceedsPayment",
    message: "only 69.50 INR is left to refund",
  });
  const { refund, payment } = await client.refund({ paymentId });
  assert.deepEqual([refund?.amount.toFixed(2), payment.refundState], ["69.50", "FULL"]);
  await assert.rejects(client.refund({ paymentId }), RefundExceedsPayment);
});

test("concurrent refunds do not exceed the charge", async () => {
  const client = fakeClient();
  const { paymentId } = await client.charge(CHARGE);
  const refunds = Array.from({ length: 5 }, () => client.refund({ paymentId, amount: new Decimal(30) }));
  const outcomes = await Promise.allSettled(refunds);
  assert.equal(outcomes.filter(({ status }) => status === "fulfilled").length, 3);
  assert.equal((await client.getPayment({ paymentId })).payment.refundedAmount?.toFixed(2), "90.00");
});

test("only a payment that succeeded can be refunded, in its currency", async () => {
  const client = fakeClient();
  const refundOf = async (paymentSource: string, currency = "INR") => {
    const { paymentId } = await client.charge({ ...CHARGE, paymentSource });
    return client.refund({ paymentId, amount: new Decimal(1), currency });
  };
  await assert.rejects(refundOf("sim_declined"), PaymentFailed);
  await assert.rejects(refundOf("sim_pending_5s"), PaymentPending);
  await assert.rejects(refundOf("sim_success", "EUR"), {
    name: "InvalidRequest",
    message: "amount.currency_code: must be the payment's currency, INR",
  });
  await assert.rejects(client.refund({ paymentId: 99 }), PaymentNotFound);
  await assert.rejects(client.refund({ paymentId: 1, amount: new Decimal(0) }), InvalidRequest);
  await assert.rejects(client.refund({ paymentId: 1, reason: "a\nb" }), InvalidRequest);
});

test("a refund that fails leaves its amount to be refunded again, and has two events", async () => {
  const client = fakeClient();
  const { paymentId } = await client.charge({ ...CHARGE, paymentSource: "sim_refund_fails" });
  const { refund, payment } = await client.refund({ paymentId });
  assert.deepEqual([refund?.status, refund?.failure, refund?.failureCode], ["FAILED", "DECLINED", "declined"]);
  assert.deepEqual([payment.refundedAmount?.toFixed(), payment.refundState], ["0", "NONE"]);
  const events = await allOf(client.listPaymentEvents({ paymentId }));
  assert.deepEqual(
    events.map((event) => [event.type, event.payment.refundState, event.refund?.status]),
    [
      ["CHARGED", "NONE", undefined],
      ["REFUND_PENDING", "FULL", "PENDING"],
      ["REFUND_FAILED", "NONE", "FAILED"],
    ],
  );
});

test("a refund that fails 5 seconds after it succeeded leaves its amount to be refunded again", async () => {
  const clock = new ManualClock("2026-01-01T12:00:00Z");
  const client = fakeClient({ now: clock.now });
  const { paymentId } = await client.charge({ ...CHARGE, paymentSource: "sim_refund_fails_after_5s" });
  const part = { paymentId, amount: new Decimal(60), requestId: "refund-1" };
  const first = await client.refund(part);
  assert.deepEqual([first.refund?.status, first.payment.refundedAmount?.toFixed()], ["SUCCEEDED", "60"]);
  await assert.rejects(client.refund({ paymentId, amount: new Decimal(41) }), RefundExceedsPayment);
  clock.advance(4.999);
  assert.equal((await client.refund(part)).refund?.status, "SUCCEEDED");
  clock.advance(0.001);
  const { refund, payment } = await client.refund(part);
  assert.deepEqual([refund?.status, refund?.failure, refund?.failureCode], ["FAILED", "DECLINED", "declined"]);
  assert.deepEqual(
    [payment.status, payment.refundedAmount?.toFixed(), payment.refundState],
    ["SUCCEEDED", "0", "NONE"],
  );
  const events = await allOf(client.listPaymentEvents({ paymentId }));
  assert.deepEqual(
    events.map((event) => [event.type, event.payment.refundState, event.refund?.status, event.eventTime?.getSeconds()]),
    [
      ["CHARGED", "NONE", undefined, 0],
      ["REFUND_PENDING", "PARTIAL", "PENDING", 0],
      ["REFUNDED", "PARTIAL", "SUCCEEDED", 0],
      ["REFUND_FAILED", "NONE", "FAILED", 5],
    ],
  );
  assert.equal((await client.refund({ paymentId })).refund?.amount.toFixed(), "100");
});

test("a pending refund counts as refunded, and succeeds once the clock is 5 seconds later", async () => {
  const clock = new ManualClock();
  const client = fakeClient({ now: clock.now });
  const { paymentId } = await client.charge({ ...CHARGE, paymentSource: "sim_refund_pending_5s" });
  const { refund, payment } = await client.refund({ paymentId, requestId: "refund-1" });
  assert.deepEqual([refund?.status, payment.refundState], ["PENDING", "FULL"]);
  await assert.rejects(client.refund({ paymentId }), RefundExceedsPayment);
  clock.advance(5);
  const { refunds } = await client.getPayment({ paymentId });
  assert.deepEqual(
    refunds.map(({ status, requestId }) => [status, requestId]),
    [["SUCCEEDED", "refund-1"]],
  );
  const events = await allOf(client.listPaymentEvents({ paymentId }));
  assert.deepEqual(
    events.map(({ type }) => type),
    ["CHARGED", "REFUND_PENDING", "REFUNDED"],
  );
  assert.equal(events.at(-1)?.requestId, "refund-1");
});
