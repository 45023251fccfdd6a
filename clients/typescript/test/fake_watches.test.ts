import assert from "node:assert/strict";
import { test } from "node:test";

import { Decimal, type PaymentsClient, type PaymentUpdate } from "@payments/client";

import { fakeClient, ManualClock } from "./fake_support.js";

const amount = new Decimal("10.00");

async function next(updates: AsyncIterator<PaymentUpdate, void, undefined>): Promise<PaymentUpdate> {
  const { value } = await updates.next();
  return value ?? assert.fail("the iteration is over");
}

/** Returns a client, and a clock that the test moves. */
function manual(): { client: PaymentsClient; clock: ManualClock } {
  const clock = new ManualClock();
  return { client: fakeClient({ now: clock.now }), clock };
}

test("a watch starts now, waits for events, and resumes after a token", async () => {
  const { client } = manual();
  await client.charge({ orderId: 1, amount });
  const updates = client.watchPayments();
  const start = await next(updates);
  assert.equal(start.event, undefined);
  const waiting = next(updates);
  await client.charge({ orderId: 2, amount, requestId: "two" });
  const { event, resumeToken } = await waiting;
  assert.deepEqual([event?.type, event?.payment.orderId, event?.caller], ["CHARGED", "2", "anonymous"]);
  assert.equal(event?.requestId, "two");
  await client.charge({ orderId: 3, amount });
  await updates.return();
  const resumed = client.watchPayments({ resumeToken });
  await next(resumed);
  assert.equal((await next(resumed)).event?.payment.orderId, "3");
  await resumed.return();
});

test("a waiting watch gets the outcome of a pending charge when the next call finds it due", async () => {
  const { client, clock } = manual();
  const updates = client.watchPayments({ types: ["CHARGED"] });
  await next(updates);
  const waiting = next(updates);
  const { paymentId } = await client.charge({ orderId: 1, amount, paymentSource: "sim_pending_5s" });
  clock.advance(5);
  await client.getPayment({ paymentId });
  assert.equal((await waiting).event?.payment.status, "SUCCEEDED");
  await updates.return();
});

test("a watch has only the events that match all its conditions", async () => {
  const { client } = manual();
  const { resumeToken } = await next(client.watchPayments());
  const names = { externalReference: "ORD-1", customerId: "c-1" };
  await client.charge({ orderId: 1, amount, ...names });
  await client.charge({ orderId: 2, amount, customerId: "c-1", paymentSource: "sim_declined" });
  await client.charge({ orderId: 3, amount });
  await client.refund({ paymentId: 1 });
  for (const [conditions, expected] of [
    [{ orderId: 1 }, ["CHARGED", "REFUNDED"]],
    [{ externalReference: "ORD-1", types: ["REFUNDED"] }, ["REFUNDED"]],
    [{ customerId: "c-1" }, ["CHARGED", "FAILED", "REFUNDED"]],
    [{ caller: "anonymous" }, ["CHARGED", "FAILED", "CHARGED", "REFUNDED"]],
  ] as const) {
    const updates = client.watchPayments({ resumeToken, ...conditions });
    await next(updates);
    for (const type of expected) {
      assert.equal((await next(updates)).event?.type, type);
    }
    await updates.return();
  }
});

test("a watch ends when its signal is aborted, when it is left, and when its client is closed", async () => {
  const { client } = manual();
  await client.charge({ orderId: 1, amount, paymentSource: "sim_timeout" });
  const controller = new AbortController();
  const aborted = client.watchPayments({}, { signal: controller.signal });
  const left = client.watchPayments();
  const closed = client.watchPayments();
  for (const updates of [aborted, left, closed]) {
    await next(updates);
  }
  const waiting = [aborted, left, closed].map((updates) => updates.next());
  controller.abort(new Error("enough"));
  await left.return();
  client.close();
  const [ofAborted, ofLeft, ofClosed] = await Promise.allSettled(waiting);
  assert.deepEqual(
    [ofAborted?.status, (ofAborted as PromiseRejectedResult).reason],
    ["rejected", controller.signal.reason],
  );
  assert.deepEqual(ofLeft, { status: "fulfilled", value: { done: true, value: undefined } });
  assert.match(String((ofClosed as PromiseRejectedResult).reason), /OutcomeUnknown/);
});
