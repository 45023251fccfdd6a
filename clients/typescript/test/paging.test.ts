import assert from "node:assert/strict";
import { test } from "node:test";

import { Decimal, grpc, PaymentNotFound } from "@payments/client";
import { type ListPaymentsRequest, ListPaymentsResponse } from "@payments/client/v1";

import { errorInfo, faultWith } from "./details.js";
import { type Handlers, clientOf, type Service, startService } from "./service.js";

const PAGES: Record<string, ListPaymentsResponse> = {
  "": page([1n, 2n], "two"),
  two: page([3n, 4n], "three"),
  // An empty page is not the last one: only an empty token marks the last page.
  three: page([], "four"),
  four: page([5n], ""),
};

const handlers: Handlers = {
  listPayments: (call) => PAGES[call.request.pageToken] ?? assert.fail(`no page ${call.request.pageToken}`),
};

function page(paymentIds: bigint[], nextPageToken: string): ListPaymentsResponse {
  return ListPaymentsResponse.fromPartial({ payments: paymentIds.map((paymentId) => ({ paymentId })), nextPageToken });
}

function tokens(service: Service): string[] {
  return service.calls.map((call) => (call.request as ListPaymentsRequest).pageToken);
}

test("an iteration yields the payments of all pages, in order", async (t) => {
  const service = await startService(t, handlers);
  const paymentIds = [];
  for await (const payment of clientOf(t, { target: service.target }).listPayments()) {
    paymentIds.push(payment.paymentId);
  }
  assert.deepEqual(paymentIds, ["1", "2", "3", "4", "5"]);
  assert.deepEqual(tokens(service), ["", "two", "three", "four"]);
});

test("a page is fetched only when the iteration reaches it", async (t) => {
  const service = await startService(t, handlers);
  const payments = clientOf(t, { target: service.target }).listPayments();
  const fetched = [service.calls.length];
  for (let step = 0; step < 3; step += 1) {
    await payments.next();
    fetched.push(service.calls.length);
  }
  assert.deepEqual(fetched, [0, 1, 1, 2]);
});

test("leaving an iteration stops fetching", async (t) => {
  const service = await startService(t, handlers);
  const payments = clientOf(t, { target: service.target }).listPayments();
  for await (const payment of payments) {
    if (payment.paymentId === "2") {
      break;
    }
  }
  assert.deepEqual(await payments.next(), { done: true, value: undefined });
  assert.deepEqual(tokens(service), [""]);
});

test("every page is requested with the same conditions, order and size", async (t) => {
  const service = await startService(t, handlers);
  const client = clientOf(t, { target: service.target });
  const payments = client.listPayments({ minAmount: new Decimal("1.50"), orderBy: "create_time asc", pageSize: 2 });
  for await (const payment of payments) {
    assert.ok(payment);
  }
  const [first, ...others] = service.calls.map((call) => call.request as ListPaymentsRequest);
  assert.equal(first?.filter?.minAmount?.nanos, 500_000_000);
  assert.deepEqual([first.orderBy, first.pageSize], ["create_time asc", 2]);
  assert.equal(others.length, 3);
  for (const other of others) {
    assert.deepEqual({ ...other, pageToken: "" }, first);
  }
});

test("the error of a later page is thrown when the iteration reaches that page", async (t) => {
  const service = await startService(t, {
    listPayments: (call) => {
      if (call.request.pageToken === "two") {
        throw faultWith(grpc.status.NOT_FOUND, [errorInfo("PAYMENT_NOT_FOUND")]);
      }
      return page([1n, 2n], "two");
    },
  });
  const payments = clientOf(t, { target: service.target }).listPayments();
  await payments.next();
  await payments.next();
  await assert.rejects(payments.next(), PaymentNotFound);
});
