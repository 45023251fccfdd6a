import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { Decimal, grpc, InvalidRequest, Unavailable } from "@payments/client";
import type { ChargeRequest } from "@payments/client/v1";

import { errorInfo, faultWith, retryInfo } from "./details.js";
import { chargeResponse, clientOf, Fault, type Service, startService, recordTimes } from "./service.js";

const { status } = grpc;
const CHARGE = { orderId: 1, amount: new Decimal(1) };
const WITHOUT_GRPC_RETRIES = { "grpc.enable_retries": 0 };

/** Returns a handler that fails the first `times` charges with `fault`, and accepts later ones. */
function failFirst(times: number, fault: Fault) {
  let failures = 0;
  return (call: { request: ChargeRequest }) => {
    if (failures < times) {
      failures += 1;
      throw fault;
    }
    return chargeResponse(call.request);
  };
}

function requestIds(service: Service): Set<string | undefined> {
  return new Set(service.calls.map((call) => (call.request as ChargeRequest).requestId));
}

for (const [code, times] of [
  [status.UNAVAILABLE, 3],
  [status.UNAVAILABLE, 8],
  [status.RESOURCE_EXHAUSTED, 3],
] as const) {
  test(`a charge that fails with ${status[code]} ${times} times then succeeds with the same request_id`, async (t) => {
    const service = await startService(t, { charge: failFirst(times, new Fault(code)) });
    await clientOf(t, { target: service.target }).charge(CHARGE, { timeoutSeconds: 30 });
    assert.equal(service.calls.length, times + 1);
    assert.equal(requestIds(service).size, 1);
    assert.ok(!requestIds(service).has(undefined));
  });
}

test("in one attempt of the client, gRPC itself makes the five attempts of the service config", async (t) => {
  const service = await startService(t, { charge: failFirst(4, new Fault(status.UNAVAILABLE)) });
  let attempts = 0;
  const counting: grpc.Interceptor = (options, next) => {
    attempts += 1;
    return new grpc.InterceptingCall(next(options));
  };
  await clientOf(t, { target: service.target, interceptors: [counting] }).charge(CHARGE, { timeoutSeconds: 30 });
  assert.deepEqual([service.calls.length, attempts], [5, 1]);
});

test("a call to an overloaded service is retried after gRPC's own retries", async (t) => {
  const overloaded = faultWith(status.RESOURCE_EXHAUSTED, [errorInfo("OVERLOADED")]);
  const service = await startService(t, { charge: failFirst(6, overloaded) });
  await clientOf(t, { target: service.target }).charge(CHARGE, { timeoutSeconds: 30 });
  assert.equal(service.calls.length, 7);
});

test("gRPC retries after the service's pushback", async (t) => {
  const pushback = faultWith(status.RESOURCE_EXHAUSTED, [errorInfo("OVERLOADED")], {
    trailers: { "grpc-retry-pushback-ms": "900" },
  });
  const times: number[] = [];
  const service = await startService(t, { charge: recordTimes(times, failFirst(1, pushback)) });
  await clientOf(t, { target: service.target }).charge(CHARGE, { timeoutSeconds: 30 });
  const [first = NaN, second = NaN] = times;
  assert.ok(second - first >= 850, `waited ${second - first} ms`);
});

test("the client retries after the delay in the service's RetryInfo", async (t) => {
  const fault = faultWith(status.UNAVAILABLE, [errorInfo("STORE_UNAVAILABLE"), retryInfo(0.9)]);
  const times: number[] = [];
  const service = await startService(t, { charge: recordTimes(times, failFirst(1, fault)) });
  const client = clientOf(t, { target: service.target, channelOptions: WITHOUT_GRPC_RETRIES });
  await client.charge(CHARGE, { timeoutSeconds: 30 });
  const [first = NaN, second = NaN] = times;
  assert.ok(second - first >= 850, `waited ${second - first} ms`);
});

test("a call that the service cancels is retried", async (t) => {
  const service = await startService(t, { charge: failFirst(2, new Fault(status.CANCELLED)) });
  await clientOf(t, { target: service.target }).charge(CHARGE, { timeoutSeconds: 30 });
  assert.equal(service.calls.length, 3);
});

test("an error that is not retryable is not retried", async (t) => {
  const service = await startService(t, { charge: failFirst(1, new Fault(status.INVALID_ARGUMENT)) });
  await assert.rejects(clientOf(t, { target: service.target }).charge(CHARGE), InvalidRequest);
  assert.equal(service.calls.length, 1);
});

test("read-only calls are also retried", async (t) => {
  let failures = 0;
  const service = await startService(t, {
    listPayments: () => {
      failures += 1;
      if (failures <= 6) {
        throw new Fault(status.UNAVAILABLE);
      }
      return { payments: [], nextPageToken: "", totalSize: undefined };
    },
  });
  await clientOf(t, { target: service.target }).listPaymentsPage({}, { timeoutSeconds: 30 });
  assert.equal(failures, 7);
});

test("if the service stays unavailable until the deadline, the error has its reason and the request_id", async (t) => {
  const fault = faultWith(status.UNAVAILABLE, [errorInfo("STORE_UNAVAILABLE")], { message: "no database" });
  const service = await startService(t, { charge: failFirst(Infinity, fault) });
  const client = clientOf(t, { target: service.target, channelOptions: WITHOUT_GRPC_RETRIES, timeoutSeconds: 1 });
  await assert.rejects(client.charge({ ...CHARGE, requestId: "order-1" }), (error) => {
    assert.ok(error instanceof Unavailable);
    assert.deepEqual([error.reason, error.message, error.requestId], ["STORE_UNAVAILABLE", "no database", "order-1"]);
    return true;
  });
  assert.ok(service.calls.length > 1);
});

test("a charge succeeds when the service starts during its retries, with the same request_id", async (t) => {
  const old = await startService(t);
  old.stop();
  const client = clientOf(t, { target: old.target });
  const payment = client.charge({ ...CHARGE, requestId: "order-1" }, { timeoutSeconds: 30 });
  await sleep(1_500);
  const service = await startService(t, {}, { port: old.port });
  assert.equal((await payment).orderId, "1");
  assert.deepEqual([...requestIds(service)], ["order-1"]);
});

test("a charge is retried with the same request_id on a new service after its service dies", async (t) => {
  const old: Service = await startService(t, {
    charge: () => {
      old.stop();
      return new Promise(() => undefined);
    },
  });
  const client = clientOf(t, { target: old.target });
  const payment = client.charge(CHARGE, { timeoutSeconds: 30 });
  while (old.calls.length === 0) {
    await sleep(5);
  }
  const service = await startService(t, {}, { port: old.port });
  await payment;
  assert.deepEqual(requestIds(service), requestIds(old));
});
