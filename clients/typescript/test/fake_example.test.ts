import assert from "node:assert/strict";
import { test } from "node:test";

import { Decimal, PaymentsClient } from "@payments/client";
import { FakePayments } from "@payments/client/testing";

/** The code under test: charges an order, and returns the message to show. */
async function checkOut(client: PaymentsClient, orderId: number, amount: Decimal): Promise<string> {
  const payment = await client.charge({ orderId, amount, requestId: `order-${orderId}` });
  if (payment.status === "FAILED") {
    return payment.failure === "INSUFFICIENT_FUNDS" ? "Your account has too little money." : "Your payment failed.";
  }
  return payment.status === "PENDING" ? "We are waiting for your bank." : "Thank you!";
}

test("my checkout shows a message if the payment is declined", async () => {
  const payments = new FakePayments({ defaultSource: "sim_insufficient_funds" });
  const client = new PaymentsClient({ transport: payments.transport });
  const message = await checkOut(client, 342, new Decimal("561.00"));
  assert.equal(message, "Your account has too little money.");
});

test("my checkout shows the outcome of a payment that was pending at first", async () => {
  let time = new Date("2026-01-01T12:00:00Z");
  const payments = new FakePayments({ defaultSource: "sim_pending_5s", now: () => time });
  const client = new PaymentsClient({ transport: payments.transport });
  assert.equal(await checkOut(client, 342, new Decimal("561.00")), "We are waiting for your bank.");
  time = new Date("2026-01-01T12:00:05Z");
  assert.equal(await checkOut(client, 342, new Decimal("561.00")), "Thank you!");
});
