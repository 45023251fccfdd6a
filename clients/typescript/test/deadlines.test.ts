import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { DeadlineExceeded, Decimal, grpc, OutcomeUnknown, PaymentsClient, PaymentsError } from "@payments/client";

import { faultWith, retryInfo } from "./details.js";
import { clientOf, Fault, hang, type Service, startService } from "./service.js";

const CHARGE = { orderId: 1, amount: new Decimal(1), requestId: "order-1" };
/** An error that the client would retry after half a minute. */
const RETRY_LATER = faultWith(grpc.status.UNAVAILABLE, [retryInfo(30)]);
const WITHOUT_GRPC_RETRIES = { "grpc.enable_retries": 0 };

async function waitForFirstCall(service: Service) {
  while (service.calls.length === 0) {
    await sleep(5);
  }
}

test("a call without a response fails with DeadlineExceeded, which has the request_id", async (t) => {
  const service = await startService(t, { charge: hang });
  const client = clientOf(t, { target: service.target, timeoutSeconds: 0.2 });
  await assert.rejects(client.charge(CHARGE), (error) => {
    assert.ok(error instanceof DeadlineExceeded);
    assert.deepEqual([error.code, error.requestId], [grpc.status.DEADLINE_EXCEEDED, "order-1"]);
    return true;
  });
});

for (const [source, client, call, seconds] of [
  ["10 seconds by default", undefined, undefined, 10],
  ["the client's", 300, undefined, 300],
  ["the call's, if it has one", 300, 50, 50],
] as const) {
  test(`the deadline that the service sees is ${source}`, async (t) => {
    const service = await startService(t);
    await clientOf(t, { target: service.target, timeoutSeconds: client }).charge(CHARGE, { timeoutSeconds: call });
    const remaining = (Number(service.calls[0]?.getDeadline()) - Date.now()) / 1_000;
    assert.ok(remaining > seconds - 9 && remaining <= seconds, `${remaining} seconds remain`);
  });
}

test("all attempts share one deadline", async (t) => {
  const deadlines: number[] = [];
  const service = await startService(t, {
    charge: (call) => {
      deadlines.push(Number(call.getDeadline()));
      throw new Fault(grpc.status.UNAVAILABLE);
    },
  });
  const client = clientOf(t, { target: service.target, channelOptions: WITHOUT_GRPC_RETRIES });
  await assert.rejects(client.charge(CHARGE, { timeoutSeconds: 1.5 }));
  assert.ok(deadlines.length > 1);
  assert.ok(Math.max(...deadlines) - Math.min(...deadlines) < 100, `the deadlines are ${deadlines.join(", ")}`);
});

test("a call with a timeout of zero fails with DeadlineExceeded", async (t) => {
  const service = await startService(t);
  await assert.rejects(clientOf(t, { target: service.target }).charge(CHARGE, { timeoutSeconds: 0 }), DeadlineExceeded);
  assert.equal(service.calls.length, 0);
});

test("aborting the signal cancels the call, which rejects with the signal's reason", async (t) => {
  const service = await startService(t, { charge: hang });
  const controller = new AbortController();
  const payment = clientOf(t, { target: service.target }).charge(CHARGE, { signal: controller.signal });
  const reason = new Error("the customer left");
  await waitForFirstCall(service);
  controller.abort(reason);
  await assert.rejects(payment, reason);
  while (service.calls[0]?.cancelled === false) {
    await sleep(5);
  }
});

test("aborting the signal ends the backoff between two attempts", async (t) => {
  const service = await startService(t, {
    charge: () => {
      throw RETRY_LATER;
    },
  });
  const client = clientOf(t, { target: service.target, channelOptions: WITHOUT_GRPC_RETRIES });
  const controller = new AbortController();
  const payment = client.charge(CHARGE, { signal: controller.signal, timeoutSeconds: 120 });
  await waitForFirstCall(service);
  await sleep(50);
  controller.abort();
  await assert.rejects(payment, { name: "AbortError" });
  assert.equal(service.calls.length, 1);
});

test("nothing is sent if the signal is already aborted", async (t) => {
  const service = await startService(t);
  const payment = clientOf(t, { target: service.target }).charge(CHARGE, { signal: AbortSignal.abort() });
  await assert.rejects(payment, { name: "AbortError" });
  assert.equal(service.calls.length, 0);
});

test("aborting the signal ends an iteration that is fetching a page", async (t) => {
  const service = await startService(t, { listPayments: hang });
  const controller = new AbortController();
  const payments = clientOf(t, { target: service.target }).listPayments({}, { signal: controller.signal });
  const next = payments.next();
  await waitForFirstCall(service);
  controller.abort();
  await assert.rejects(next, { name: "AbortError" });
});

test("a call leaves no listener on its signal", async (t) => {
  const service = await startService(t);
  const { signal } = new AbortController();
  await clientOf(t, { target: service.target }).charge(CHARGE, { signal });
  assert.deepEqual(getEventListeners(signal, "abort"), []);
});

test("closing the client fails a call in flight with OutcomeUnknown, which has the request_id", async (t) => {
  const service = await startService(t, { charge: hang });
  const client = new PaymentsClient({ target: service.target });
  const payment = client.charge(CHARGE);
  await waitForFirstCall(service);
  client.close();
  await assert.rejects(payment, (error) => {
    assert.ok(error instanceof OutcomeUnknown);
    assert.deepEqual([error.code, error.requestId], [grpc.status.CANCELLED, "order-1"]);
    return true;
  });
  assert.equal(service.calls.length, 1);
});

test("closing the client during a backoff fails the call with the error of the last attempt", async (t) => {
  const service = await startService(t, {
    charge: () => {
      throw RETRY_LATER;
    },
  });
  const client = new PaymentsClient({ target: service.target, channelOptions: WITHOUT_GRPC_RETRIES });
  const payment = client.charge(CHARGE, { timeoutSeconds: 120 });
  await waitForFirstCall(service);
  await sleep(50);
  client.close();
  await assert.rejects(payment, { code: grpc.status.UNAVAILABLE, requestId: "order-1" });
});

test("a closed client makes no calls", async (t) => {
  const service = await startService(t);
  const client = new PaymentsClient({ target: service.target });
  client.close();
  client.close();
  await assert.rejects(client.charge(CHARGE), (error) => {
    assert.ok(!(error instanceof PaymentsError));
    assert.match(String(error), /closed/);
    return true;
  });
});

test("a client declared with `using` is closed at the end of the block", async (t) => {
  const service = await startService(t);
  let outside: PaymentsClient;
  {
    using client = new PaymentsClient({ target: service.target });
    outside = client;
    await client.charge(CHARGE);
  }
  await assert.rejects(outside.charge(CHARGE), /closed/);
});
