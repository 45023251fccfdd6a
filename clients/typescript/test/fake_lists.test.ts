import assert from "node:assert/strict";
import { test } from "node:test";

import { Decimal, type ListPaymentsParams, PreciseDate, type PaymentsClient } from "@payments/client";

import { allOf, fakeClient, ManualClock } from "./fake_support.js";

const amount = new Decimal("10.00");

async function idsOf(client: PaymentsClient, params: ListPaymentsParams): Promise<string[]> {
  return (await allOf(client.listPayments(params))).map(({ paymentId }) => paymentId);
}

test("payments are listed by time, then by id, newest first by default", async () => {
  const clock = new ManualClock();
  const client = fakeClient({ now: clock.now });
  for (const seconds of [0, 0, 10, -20]) {
    clock.advance(seconds);
    await client.charge({ orderId: 1, amount });
  }
  assert.deepEqual(await idsOf(client, { pageSize: 1 }), ["3", "2", "1", "4"]);
  assert.deepEqual(await idsOf(client, { pageSize: 3, orderBy: " create_time  asc" }), ["4", "1", "2", "3"]);
  assert.deepEqual(await idsOf(client, { orderBy: "create_time" }), ["4", "1", "2", "3"]);
});

test("a list continues after its last payment, even if that one no longer matches the filter", async () => {
  const clock = new ManualClock();
  const client = fakeClient({ now: clock.now });
  for (const paymentSource of ["sim_timeout", "sim_pending_5s", "sim_timeout"]) {
    await client.charge({ orderId: 1, amount, paymentSource });
  }
  const params = { statuses: ["PENDING"], pageSize: 2 } as const;
  const { nextPageToken: pageToken } = await client.listPaymentsPage(params);
  clock.advance(5);
  const page = await client.listPaymentsPage({ ...params, pageToken });
  assert.deepEqual([page.payments.map(({ paymentId }) => paymentId), page.nextPageToken], [["1"], ""]);
});

test("a page token works only for the same list, filter and order", async () => {
  const client = fakeClient();
  await client.batchCharge([1, 2].map((orderId) => ({ orderId, amount })));
  await client.refund({ paymentId: 1, amount: new Decimal(1) });
  const { nextPageToken: pageToken } = await client.listPaymentsPage({ pageSize: 1 });
  const { nextPageToken: eventToken } = await client.listPaymentEventsPage({ paymentId: 1, pageSize: 1 });
  assert.equal((await client.listPaymentsPage({ pageToken, orderBy: "create_time desc" })).payments.length, 1);
  for (const call of [
    () => client.listPaymentsPage({ pageToken, orderId: 1 }),
    () => client.listPaymentsPage({ pageToken, orderBy: "create_time asc" }),
    () => client.listPaymentsPage({ pageToken: `${pageToken}x` }),
    () => client.listPaymentEventsPage({ paymentId: 1, pageToken }),
    () => client.listPaymentEventsPage({ paymentId: 2, pageToken: eventToken }),
    () => client.listRefundsPage({ paymentId: 1, pageToken: eventToken }),
  ]) {
    await assert.rejects(call, { name: "InvalidRequest", message: /^page_token: must be an unaltered / });
  }
});

test("each condition selects its payments", async () => {
  const clock = new ManualClock("2026-01-01T00:00:00Z");
  const client = fakeClient({ now: clock.now });
  await client.charge({ orderId: 1, amount, requestId: "a", externalReference: "ORD-1", customerId: "c-1" });
  clock.advance(1);
  await client.charge({ orderId: 2, amount: new Decimal(20), method: "UPI", customerId: "c-1" });
  clock.advance(1);
  await client.charge({ orderId: 3, amount: new Decimal(30), currency: "EUR", paymentSource: "sim_declined" });
  await client.refund({ paymentId: 1, amount: new Decimal(1) });
  const time = new PreciseDate("2026-01-01T00:00:01Z");
  const later = new PreciseDate("2026-01-01T00:00:01.000000001Z");
  const conditions: [conditions: ListPaymentsParams, ids: string[]][] = [
    [{}, ["3", "2", "1"]],
    [{ orderId: 2 }, ["2"]],
    [{ methods: ["UPI", "COD"] }, ["2"]],
    [{ statuses: ["FAILED"] }, ["3"]],
    [{ refundStates: ["PARTIAL"] }, ["1"]],
    [{ reference: "FAKE-00000000000000000002" }, ["2"]],
    [{ minAmount: new Decimal("10.01") }, ["2"]],
    [{ minAmount: new Decimal(10), maxAmount: new Decimal(10) }, ["1"]],
    [{ maxAmount: new Decimal(100), currency: "EUR" }, ["3"]],
    [{ minCreateTime: time }, ["3", "2"]],
    [{ minCreateTime: later }, ["3"]],
    [{ maxCreateTime: time }, ["2", "1"]],
    [{ requestId: "a" }, ["1"]],
    [{ requestId: "a", caller: "anonymous" }, ["1"]],
    [{ caller: "anonymous", orderId: 3 }, ["3"]],
    [{ caller: "shop" }, []],
    [{ processorReference: "ch_1" }, []],
    [{ externalReference: "ORD-1" }, ["1"]],
    [{ customerId: "c-1" }, ["2", "1"]],
    [{ customerId: "c-1", orderId: 2 }, ["2"]],
  ];
  for (const [params, ids] of conditions) {
    assert.deepEqual(await idsOf(client, params), ids, JSON.stringify(params));
    const { totalSize } = await client.listPaymentsPage({ ...params, pageSize: 1, includeTotalSize: true });
    assert.equal(totalSize, ids.length);
  }
});

test("an invalid condition is named", async () => {
  const client = fakeClient();
  const invalid: [conditions: ListPaymentsParams, field: string][] = [
    [{ methods: Array.from({ length: 21 }, () => "UPI" as const) }, "filter.methods"],
    [{ reference: "" }, "filter.reference"],
    [{ minAmount: new Decimal("0.001") }, "filter.min_amount.nanos"],
    [{ minAmount: new Decimal(2), maxAmount: new Decimal(1) }, "filter.max_amount"],
    [{ minAmount: new Decimal(2), currency: "XYZ" }, "filter.min_amount.currency_code"],
    [{ minCreateTime: new Date(2), maxCreateTime: new Date(1) }, "filter.max_create_time"],
    [{ minCreateTime: new Date(8.64e15) }, "filter.min_create_time.seconds"],
    [{ requestId: "" }, "filter.request_id"],
    [{ caller: "a caller " }, "filter.caller"],
    [{ processorReference: "x".repeat(256) }, "filter.processor_reference"],
    [{ externalReference: "a\u0000b" }, "filter.external_reference"],
    [{ customerId: "" }, "filter.customer_id"],
  ];
  for (const [params, field] of invalid) {
    const violations = [{ field }];
    await assert.rejects(client.listPaymentsPage(params), (error: { violations: { field: string }[] }) => {
      assert.deepEqual(
        error.violations.map((violation) => ({ field: violation.field })),
        violations,
      );
      return true;
    });
  }
});

test("the largest page has 1000 payments, and a page without a size has 50", async () => {
  const client = fakeClient();
  await client.batchCharge(Array.from({ length: 1_000 }, () => ({ orderId: 1, amount })));
  await client.charge({ orderId: 1, amount });
  assert.equal((await client.listPaymentsPage({ pageSize: 2_000 })).payments.length, 1_000);
  assert.equal((await client.listPaymentsPage()).payments.length, 50);
});
