import assert from "node:assert/strict";
import { test } from "node:test";

import { grpc, type PaymentEventPage, PaymentNotFound } from "@payments/client";
import { type ListPaymentEventsRequest, ListPaymentEventsResponse } from "@payments/client/v1";

import { errorInfo, faultWith } from "./details.js";
import { type Handlers, clientOf, Fault, type Service, startService } from "./service.js";

const PAGES: Record<string, ListPaymentEventsResponse> = {
  "": page(["a", "b"], "two"),
  two: page(["c", "d"], "three"),
  // An empty page is not the last one: only an empty token marks the last page.
  three: page([], "four"),
  four: page(["e"], ""),
};

const handlers: Handlers = {
  listPaymentEvents: (call) => PAGES[call.request.pageToken] ?? assert.fail(`no page ${call.request.pageToken}`),
};

/** Returns a page of events, one for each of the request_ids. */
function page(requestIds: string[], nextPageToken: string): ListPaymentEventsResponse {
  return ListPaymentEventsResponse.fromPartial({
    events: requestIds.map((requestId) => ({ requestId })),
    nextPageToken,
  });
}

function tokens(service: Service): string[] {
  return service.calls.map((call) => (call.request as ListPaymentEventsRequest).pageToken);
}

test("an iteration yields the events of all pages, in order, with the same page size", async (t) => {
  const service = await startService(t, handlers);
  const client = clientOf(t, { target: service.target });
  const requestIds = [];
  for await (const event of client.listPaymentEvents({ paymentId: 403, pageSize: 2 })) {
    requestIds.push(event.requestId);
  }
  assert.deepEqual(requestIds, ["a", "b", "c", "d", "e"]);
  assert.deepEqual(
    service.calls.map((call) => call.request),
    ["", "two", "three", "four"].map((pageToken) => ({ paymentId: 403n, pageSize: 2, pageToken })),
  );
});

test("an iteration over events can start from a page token", async (t) => {
  const service = await startService(t, handlers);
  const events = clientOf(t, { target: service.target }).listPaymentEvents({ paymentId: 403, pageToken: "three" });
  assert.equal((await events.next()).value?.requestId, "e");
  assert.deepEqual(tokens(service), ["three", "four"]);
});

test("a page of events is fetched only when the iteration reaches it", async (t) => {
  const service = await startService(t, handlers);
  const events = clientOf(t, { target: service.target }).listPaymentEvents({ paymentId: 403 });
  const fetched = [service.calls.length];
  for (let step = 0; step < 3; step += 1) {
    await events.next();
    fetched.push(service.calls.length);
  }
  assert.deepEqual(fetched, [0, 1, 1, 2]);
});

test("leaving an iteration over events stops fetching", async (t) => {
  const service = await startService(t, handlers);
  const events = clientOf(t, { target: service.target }).listPaymentEvents({ paymentId: 403 });
  for await (const event of events) {
    if (event.requestId === "b") {
      break;
    }
  }
  assert.deepEqual(await events.next(), { done: true, value: undefined });
  assert.deepEqual(tokens(service), [""]);
});

test("the error of a later page of events is thrown when the iteration reaches that page", async (t) => {
  const service = await startService(t, {
    listPaymentEvents: (call) => {
      if (call.request.pageToken === "two") {
        throw faultWith(grpc.status.NOT_FOUND, [errorInfo("PAYMENT_NOT_FOUND")]);
      }
      return page(["a", "b"], "two");
    },
  });
  const events = clientOf(t, { target: service.target }).listPaymentEvents({ paymentId: 403 });
  await events.next();
  await events.next();
  await assert.rejects(events.next(), PaymentNotFound);
});

test("a page of events that fails temporarily does not end the iteration", async (t) => {
  let failures = 0;
  const service = await startService(t, {
    listPaymentEvents: (call) => {
      if (call.request.pageToken === "two" && failures < 6) {
        failures += 1;
        throw new Fault(grpc.status.UNAVAILABLE);
      }
      return call.request.pageToken === "" ? page(["a"], "two") : page(["b"], "");
    },
  });
  const client = clientOf(t, { target: service.target });
  const requestIds = [];
  for await (const event of client.listPaymentEvents({ paymentId: 403 }, { timeoutSeconds: 30 })) {
    requestIds.push(event.requestId);
  }
  assert.deepEqual([requestIds, failures], [["a", "b"], 6]);
});

test("a page of events has its events and the token of the next page", async (t) => {
  const service = await startService(t, handlers);
  const client = clientOf(t, { target: service.target });
  const requestIds = ({ events }: PaymentEventPage) => events.map((event) => event.requestId);
  const first = await client.listPaymentEventsPage({ paymentId: 403n, pageSize: 2 });
  assert.deepEqual([requestIds(first), first.nextPageToken], [["a", "b"], "two"]);
  const last = await client.listPaymentEventsPage({ paymentId: 403n, pageToken: "four" });
  assert.deepEqual([requestIds(last), last.nextPageToken], [["e"], ""]);
  assert.deepEqual(
    service.calls.map((call) => call.request),
    [
      { paymentId: 403n, pageSize: 2, pageToken: "" },
      { paymentId: 403n, pageSize: 0, pageToken: "four" },
    ],
  );
});
