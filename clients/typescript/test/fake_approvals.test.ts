import assert from "node:assert/strict";
import { test } from "node:test";

import { Decimal, OrderHasPendingPayment, PaymentPending } from "@payments/client";

import { allOf, fakeClient, ManualClock } from "./fake_support.js";

const CHARGE = { orderId: 342, amount: new Decimal("561.00") };
const RETURN_URL = "https://shop.example/orders/342";

for (const [source, status, failure, code] of [
  ["sim_approval_5s", "SUCCEEDED", undefined, ""],
  ["sim_approval_5s_refused", "FAILED", "AUTHENTICATION_REQUIRED", "authentication_required"],
] as const) {
  test(`a charge with ${source} waits for the payer's approval, and is ${status} 5 seconds later`, async () => {
    const clock = new ManualClock("2026-01-01T12:00:00.250Z");
    const client = fakeClient({ now: clock.now });
    const charged = await client.charge({ ...CHARGE, paymentSource: source, returnUrl: RETURN_URL });
    const { paymentId } = charged;
    assert.deepEqual([charged.status, charged.failure, charged.dispute], ["PENDING", undefined, undefined]);
    assert.equal(charged.nextAction?.type, "REDIRECT");
    assert.equal(charged.nextAction.redirectUrl, `https://payments.example/approve/${charged.reference}`);
    assert.equal(charged.nextAction.expireTime.getTime(), Date.parse("2026-01-01T12:00:05.250Z"));
    await assert.rejects(client.refund({ paymentId }), PaymentPending);
    await assert.rejects(client.charge({ ...CHARGE, unlessPending: true }), OrderHasPendingPayment);
    clock.advance(4.999);
    assert.deepEqual((await client.getPayment({ paymentId })).payment.nextAction, charged.nextAction);
    clock.advance(0.001);
    const { payment } = await client.getPayment({ paymentId });
    assert.deepEqual([payment.status, payment.failure, payment.failureCode], [status, failure, code]);
    assert.equal(payment.nextAction, undefined);
    assert.equal("nextAction" in (JSON.parse(JSON.stringify(payment)) as object), false);
  });

  test(`the events of a charge with ${source} have its current next action`, async () => {
    const clock = new ManualClock();
    const client = fakeClient({ now: clock.now });
    const { paymentId } = await client.charge({ ...CHARGE, paymentSource: source });
    const events = async () =>
      (await allOf(client.listPaymentEvents({ paymentId }))).map((event) => [
        event.type,
        event.payment.status,
        event.payment.nextAction?.type,
        event.refund,
      ]);
    assert.deepEqual(await events(), [
      ["PENDING", "PENDING", "REDIRECT", undefined],
      ["ACTION_REQUIRED", "PENDING", "REDIRECT", undefined],
    ]);
    clock.advance(5);
    assert.deepEqual(await events(), [
      ["PENDING", "PENDING", undefined, undefined],
      ["ACTION_REQUIRED", "PENDING", undefined, undefined],
      [status === "FAILED" ? "FAILED" : "CHARGED", status, undefined, undefined],
    ]);
  });
}

test("a watch gets the next action of a payment", async () => {
  const client = fakeClient({ defaultSource: "sim_approval_5s", now: new ManualClock().now });
  const updates = client.watchPayments({ types: ["ACTION_REQUIRED"] });
  await updates.next();
  const { reference } = await client.charge(CHARGE);
  const { value } = await updates.next();
  assert.equal(value?.event?.payment.nextAction?.redirectUrl, `https://payments.example/approve/${reference}`);
  await updates.return();
});

test("only a charge that waits for an approval has a next action", async () => {
  const client = fakeClient();
  for (const paymentSource of ["sim_success", "sim_declined", "sim_pending_5s", "sim_dispute_5s_won"]) {
    const payment = await client.charge({ ...CHARGE, paymentSource, returnUrl: RETURN_URL });
    assert.equal(payment.nextAction, undefined, paymentSource);
  }
});

test("a retry may have another return_url, or none", async () => {
  const client = fakeClient({ now: new ManualClock().now });
  const params = { ...CHARGE, requestId: "r", paymentSource: "sim_approval_5s" };
  const first = await client.charge({ ...params, returnUrl: RETURN_URL });
  for (const returnUrl of [undefined, "", "https://shop.example/"]) {
    const again = await client.charge({ ...params, returnUrl });
    assert.deepEqual([again.paymentId, again.nextAction], [first.paymentId, first.nextAction]);
  }
});

const longest = `https://shop.example/${"a".repeat(2_027)}`;

test("a return_url has at most 2048 characters", async () => {
  assert.equal(longest.length, 2_048);
  const payment = await fakeClient().charge({ ...CHARGE, paymentSource: "sim_success", returnUrl: longest });
  assert.equal(payment.status, "SUCCEEDED");
});

for (const returnUrl of [
  `${longest}a`,
  "http://shop.example/",
  "https://",
  "shop",
  "https://a b",
  "https://größe.example",
]) {
  test(`the return_url ${returnUrl.slice(0, 30)} of ${returnUrl.length} characters is rejected`, async () => {
    await assert.rejects(fakeClient().charge({ ...CHARGE, paymentSource: "sim_success", returnUrl }), {
      name: "InvalidRequest",
      message: "return_url: must be an https URL of at most 2048 characters",
    });
  });
}

test("a return_url without a payment_source is rejected, even if the fake has a default source", async () => {
  const client = fakeClient({ defaultSource: "sim_approval_5s" });
  await assert.rejects(client.charge({ ...CHARGE, returnUrl: RETURN_URL }), {
    name: "InvalidRequest",
    message: "return_url: must be empty without a payment_source",
  });
});
