import assert from "node:assert/strict";
import { test } from "node:test";

import { Decimal, grpc, PaymentDisputed, type PaymentsClient, RefundExceedsPayment } from "@payments/client";

import { allOf, fakeClient, ManualClock } from "./fake_support.js";

const CHARGE = { orderId: 342, amount: new Decimal("100.00") };

/** Returns a client, its clock, and the id of a new payment with this source. */
async function disputed(paymentSource: string): Promise<{
  client: PaymentsClient;
  clock: ManualClock;
  paymentId: string;
}> {
  const clock = new ManualClock("2026-01-01T12:00:00Z");
  const client = fakeClient({ now: clock.now });
  const { paymentId, status, dispute } = await client.charge({ ...CHARGE, paymentSource });
  assert.deepEqual([status, dispute], ["SUCCEEDED", undefined]);
  return { client, clock, paymentId };
}

const disputeOf = async (client: PaymentsClient, paymentId: string) =>
  JSON.parse(JSON.stringify((await client.getPayment({ paymentId })).payment.dispute ?? null)) as unknown;

for (const [source, status] of [
  ["sim_dispute_5s_won", "WON"],
  ["sim_dispute_5s_lost", "LOST"],
] as const) {
  test(`a payment with ${source} is disputed 5 seconds later, and the dispute is ${status} after 5 more`, async () => {
    const { client, clock, paymentId } = await disputed(source);
    clock.advance(4.999);
    assert.equal(await disputeOf(client, paymentId), null);
    clock.advance(0.001);
    const open = {
      status: "OPEN",
      amount: "100",
      currency: "INR",
      reason: "fraudulent",
      openTime: "2026-01-01T12:00:05.000000000Z",
      processorReference: `sim_dispute_${paymentId}`,
    };
    assert.deepEqual(await disputeOf(client, paymentId), open);
    clock.advance(4.999);
    assert.deepEqual(await disputeOf(client, paymentId), open);
    clock.advance(0.001);
    assert.deepEqual(await disputeOf(client, paymentId), {
      ...open,
      status,
      closeTime: "2026-01-01T12:00:10.000000000Z",
    });
    assert.equal((await client.getPayment({ paymentId })).payment.refundState, "NONE");
  });

  // The clock may jump over the time at which the dispute opens.
  test(`each event of a payment with ${source} has the dispute as it was then`, async () => {
    const { client, clock, paymentId } = await disputed(source);
    clock.advance(60);
    const events = await allOf(client.listPaymentEvents({ paymentId }));
    assert.deepEqual(
      events.map((event) => [event.type, event.eventTime?.getSeconds(), event.payment.dispute?.status]),
      [
        ["PENDING", 0, undefined],
        ["CHARGED", 0, undefined],
        ["DISPUTE_OPENED", 5, "OPEN"],
        [`DISPUTE_${status}`, 10, status],
      ],
    );
    assert.deepEqual(
      events.map((event) => [event.payment.status, event.refund]),
      [["PENDING", undefined], ...Array.from({ length: 3 }, () => ["SUCCEEDED", undefined])],
    );
  });
}

test("no caller requested the events of a dispute, but a watch finds them by the caller of the payment", async () => {
  const { client, clock } = await disputed("sim_dispute_5s_won");
  const updates = client.watchPayments({ caller: "anonymous", orderId: CHARGE.orderId });
  await updates.next();
  clock.advance(10);
  for (const type of ["DISPUTE_OPENED", "DISPUTE_WON"]) {
    const { value } = await updates.next();
    assert.deepEqual([value?.event?.type, value?.event?.caller, value?.event?.requestId], [type, "", ""]);
    assert.equal(value?.event?.payment.caller, "anonymous");
  }
  await updates.return();
});

test("a payment cannot be refunded while its dispute is open, and can be once the dispute is won", async () => {
  const { client, clock, paymentId } = await disputed("sim_dispute_5s_won");
  const early = { paymentId, amount: new Decimal(10), requestId: "early" };
  await client.refund(early);
  clock.advance(5);
  await assert.rejects(client.refund({ paymentId, requestId: "refund-1" }), (error) => {
    assert.ok(error instanceof PaymentDisputed);
    assert.deepEqual([error.code, error.reason], [grpc.status.FAILED_PRECONDITION, "PAYMENT_DISPUTED"]);
    assert.equal(error.message, "the payer disputes this payment; it cannot be refunded while the dispute is open");
    assert.equal(error.requestId, "refund-1");
    return true;
  });
  assert.equal((await client.refund(early)).refund?.status, "SUCCEEDED");
  clock.advance(5);
  const { refund, payment } = await client.refund({ paymentId, requestId: "refund-1" });
  assert.deepEqual([refund?.amount.toFixed(), payment.refundState, payment.dispute?.status], ["90", "FULL", "WON"]);
});

test("a payment cannot be refunded once its dispute is lost", async () => {
  const { client, clock, paymentId } = await disputed("sim_dispute_5s_lost");
  clock.advance(10);
  await assert.rejects(client.refund({ paymentId, amount: new Decimal(1) }), {
    name: "PaymentDisputed",
    message: "the payer got the money back by a dispute; it cannot be refunded",
  });
});

test("a payment that is already fully refunded has nothing left to refund, disputed or not", async () => {
  const { client, clock, paymentId } = await disputed("sim_dispute_5s_lost");
  await client.refund({ paymentId });
  clock.advance(10);
  await assert.rejects(client.refund({ paymentId }), RefundExceedsPayment);
});

test("a waiting watch gets a dispute and its decision when they are due", async () => {
  const clock = new ManualClock();
  const client = fakeClient({ now: clock.now });
  const updates = client.watchPayments({ types: ["DISPUTE_OPENED", "DISPUTE_LOST"] });
  await updates.next();
  const { paymentId } = await client.charge({ ...CHARGE, paymentSource: "sim_dispute_5s_lost" });
  const statuses = [];
  for (const seconds of [5, 5]) {
    const waiting = updates.next();
    clock.advance(seconds);
    await client.getPayment({ paymentId });
    statuses.push((await waiting).value?.event?.payment.dispute?.status);
  }
  assert.deepEqual(statuses, ["OPEN", "LOST"]);
  await updates.return();
});
