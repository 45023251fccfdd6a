import assert from "node:assert/strict";
import { test } from "node:test";

import { grpc, PaymentNotFound, type RefundPage } from "@payments/client";
import { type ListRefundsRequest, ListRefundsResponse } from "@payments/client/v1";

import { errorInfo, faultWith } from "./details.js";
import { type Handlers, clientOf, Fault, type Service, startService } from "./service.js";

const PAGES: Record<string, ListRefundsResponse> = {
  "": page([1n, 2n], "two"),
  two: page([3n, 4n], "three"),
  // An empty page is not the last one: only an empty token marks the last page.
  three: page([], "four"),
  four: page([5n], ""),
};

const handlers: Handlers = {
  listRefunds: (call) => PAGES[call.request.pageToken] ?? assert.fail(`no page ${call.request.pageToken}`),
};

function page(refundIds: bigint[], nextPageToken: string): ListRefundsResponse {
  return ListRefundsResponse.fromPartial({ refunds: refundIds.map((refundId) => ({ refundId })), nextPageToken });
}

function tokens(service: Service): string[] {
  return service.calls.map((call) => (call.request as ListRefundsRequest).pageToken);
}

test("an iteration yields the refunds of all pages, in order, with the same page size", async (t) => {
  const service = await startService(t, handlers);
  const refundIds = [];
  for await (const refund of clientOf(t, { target: service.target }).listRefunds({ paymentId: 403, pageSize: 2 })) {
    refundIds.push(refund.refundId);
  }
  assert.deepEqual(refundIds, ["1", "2", "3", "4", "5"]);
  assert.deepEqual(
    service.calls.map((call) => call.request),
    ["", "two", "three", "four"].map((pageToken) => ({ paymentId: 403n, pageSize: 2, pageToken })),
  );
});

test("an iteration over refunds can start from a page token", async (t) => {
  const service = await startService(t, handlers);
  const refunds = clientOf(t, { target: service.target }).listRefunds({ paymentId: 403, pageToken: "three" });
  assert.equal((await refunds.next()).value?.refundId, "5");
  assert.deepEqual(tokens(service), ["three", "four"]);
});

test("a page of refunds is fetched only when the iteration reaches it", async (t) => {
  const service = await startService(t, handlers);
  const refunds = clientOf(t, { target: service.target }).listRefunds({ paymentId: 403 });
  const fetched = [service.calls.length];
  for (let step = 0; step < 3; step += 1) {
    await refunds.next();
    fetched.push(service.calls.length);
  }
  assert.deepEqual(fetched, [0, 1, 1, 2]);
});

test("leaving an iteration over refunds stops fetching", async (t) => {
  const service = await startService(t, handlers);
  const refunds = clientOf(t, { target: service.target }).listRefunds({ paymentId: 403 });
  for await (const refund of refunds) {
    if (refund.refundId === "2") {
      break;
    }
  }
  assert.deepEqual(await refunds.next(), { done: true, value: undefined });
  assert.deepEqual(tokens(service), [""]);
});

test("the error of a later page of refunds is thrown when the iteration reaches that page", async (t) => {
  const service = await startService(t, {
    listRefunds: (call) => {
      if (call.request.pageToken === "two") {
        throw faultWith(grpc.status.NOT_FOUND, [errorInfo("PAYMENT_NOT_FOUND")]);
      }
      return page([1n, 2n], "two");
    },
  });
  const refunds = clientOf(t, { target: service.target }).listRefunds({ paymentId: 403 });
  await refunds.next();
  await refunds.next();
  await assert.rejects(refunds.next(), PaymentNotFound);
});

test("a page of refunds that fails temporarily does not end the iteration", async (t) => {
  let failures = 0;
  const service = await startService(t, {
    listRefunds: (call) => {
      if (call.request.pageToken === "two" && failures < 6) {
        failures += 1;
        throw new Fault(grpc.status.UNAVAILABLE);
      }
      return page([1n], call.request.pageToken === "" ? "two" : "");
    },
  });
  const client = clientOf(t, { target: service.target });
  let count = 0;
  for await (const refund of client.listRefunds({ paymentId: 403 }, { timeoutSeconds: 30 })) {
    count += Number(refund.refundId);
  }
  assert.deepEqual([count, failures], [2, 6]);
});

test("a page of refunds has its refunds and the token of the next page", async (t) => {
  const service = await startService(t, handlers);
  const client = clientOf(t, { target: service.target });
  const ids = ({ refunds }: RefundPage) => refunds.map((refund) => refund.refundId);
  const first = await client.listRefundsPage({ paymentId: 403n, pageSize: 2 });
  assert.deepEqual([ids(first), first.nextPageToken], [["1", "2"], "two"]);
  const last = await client.listRefundsPage({ paymentId: 403n, pageToken: "four" });
  assert.deepEqual([ids(last), last.nextPageToken], [["5"], ""]);
  assert.deepEqual(
    service.calls.map((call) => call.request),
    [
      { paymentId: 403n, pageSize: 2, pageToken: "" },
      { paymentId: 403n, pageSize: 0, pageToken: "four" },
    ],
  );
});
