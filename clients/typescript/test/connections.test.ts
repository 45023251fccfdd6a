import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { Decimal, grpc } from "@payments/client";

import { clientOf, Fault, startService } from "./service.js";

const CHARGE = { orderId: 1, amount: new Decimal(1) };

test("calls alternate between the addresses of a target", async (t) => {
  const services = [await startService(t), await startService(t)];
  const target = `ipv4:${services.map((service) => service.target).join(",")}`;
  const client = clientOf(t, { target });
  const counts = () => services.map((service) => service.calls.length);
  // The first calls may all go to one of the two, because the other is not connected yet.
  while (counts().includes(0)) {
    await client.charge(CHARGE);
  }
  const before = counts();
  for (let call = 0; call < 10; call += 1) {
    await client.charge(CHARGE);
  }
  assert.deepEqual(
    counts().map((count, index) => count - (before[index] ?? 0)),
    [5, 5],
  );
});

test("calls go to the remaining addresses when one is down", async (t) => {
  const [stopped, other] = [await startService(t), await startService(t)];
  const client = clientOf(t, { target: `ipv4:${stopped.target},${other.target}`, timeoutSeconds: 30 });
  while (stopped.calls.length === 0 || other.calls.length === 0) {
    await client.charge(CHARGE);
  }
  stopped.stop();
  for (let call = 0; call < 10; call += 1) {
    await client.charge(CHARGE);
  }
  assert.ok(other.calls.length > 10);
});

test("a restarted address receives calls again", async (t) => {
  const [stopped, other] = [await startService(t), await startService(t)];
  const client = clientOf(t, { target: `ipv4:${stopped.target},${other.target}`, timeoutSeconds: 30 });
  while (stopped.calls.length === 0 || other.calls.length === 0) {
    await client.charge(CHARGE);
  }
  stopped.stop();
  await sleep(3_000);
  const restarted = await startService(t, {}, { port: stopped.port });
  const started = performance.now();
  while (restarted.calls.length === 0) {
    await client.charge(CHARGE);
    await sleep(10);
  }
  assert.ok(performance.now() - started < 10_000, "it took more than ten times the maximum backoff");
});

for (const scheme of ["", "dns:///", "dns:"]) {
  test(`a target may be ${scheme}localhost:port`, async (t) => {
    const service = await startService(t);
    await clientOf(t, { target: `${scheme}localhost:${service.port}` }).charge(CHARGE);
    assert.equal(service.calls.length, 1);
  });
}

test("calls to a target on this machine bypass the environment's proxy", async (t) => {
  const { grpc_proxy: proxy } = process.env;
  t.after(() => {
    if (proxy === undefined) {
      delete process.env["grpc_proxy"];
    } else {
      process.env["grpc_proxy"] = proxy;
    }
  });
  process.env["grpc_proxy"] = "http://127.0.0.1:1";
  const service = await startService(t);
  await clientOf(t, { target: service.target, timeoutSeconds: 5 }).charge(CHARGE);
  assert.equal(service.calls.length, 1);
});

test("the user agent names the program, then the client, then gRPC", async (t) => {
  const service = await startService(t);
  await clientOf(t, { target: service.target, userAgent: "checkout/1.4" }).charge(CHARGE);
  await clientOf(t, { target: service.target }).charge(CHARGE);
  const [named, plain] = service.calls.map((call) => String(call.metadata.get("user-agent")[0]));
  assert.match(named ?? "", /^checkout\/1\.4 payments-client-typescript\/1\.0\.0 grpc-node-js\//);
  assert.match(plain ?? "", /^payments-client-typescript\/1\.0\.0 grpc-node-js\//);
});

/** Returns an interceptor that records and sends its name at each attempt. */
function recordingInterceptor(name: string, record: string[]): grpc.Interceptor {
  return (options, next) =>
    new grpc.InterceptingCall(next(options), {
      start(metadata, listener, nextStart) {
        record.push(name);
        metadata.add("seen-by", name);
        nextStart(metadata, listener);
      },
    });
}

test("interceptors run for each attempt, the first one outermost, with fresh metadata", async (t) => {
  let failures = 0;
  const service = await startService(t, {
    getPayment: () => {
      failures += 1;
      if (failures < 3) {
        throw new Fault(grpc.status.UNAVAILABLE);
      }
      return { payment: undefined, refunds: [], nextRefundsPageToken: "" };
    },
  });
  const record: string[] = [];
  const client = clientOf(t, {
    target: service.target,
    interceptors: [recordingInterceptor("outer", record), recordingInterceptor("inner", record)],
    channelOptions: { "grpc.enable_retries": 0 },
    apiKey: "secret",
  });
  await client.getPayment({ paymentId: 1 });
  assert.deepEqual(record, ["outer", "inner", "outer", "inner", "outer", "inner"]);
  for (const call of service.calls) {
    assert.deepEqual(call.metadata.get("seen-by"), ["outer, inner"]);
    assert.deepEqual(call.metadata.get("authorization"), ["Bearer secret"]);
  }
});

test("a call rejects with the error that an interceptor throws", async (t) => {
  const service = await startService(t);
  const throwing: grpc.Interceptor = () => {
    throw new SyntaxError("a bug in the tracer");
  };
  await assert.rejects(clientOf(t, { target: service.target, interceptors: [throwing] }).charge(CHARGE), SyntaxError);
});

test("a channel option overrides the client's own", async (t) => {
  let calls = 0;
  const service = await startService(t, {
    charge: () => {
      calls += 1;
      throw new Fault(grpc.status.RESOURCE_EXHAUSTED, "without a reason, only gRPC itself retries it");
    },
  });
  const channelOptions = { "grpc.service_config": JSON.stringify({ methodConfig: [] }) };
  await assert.rejects(clientOf(t, { target: service.target, channelOptions }).charge(CHARGE));
  assert.equal(calls, 1);
});

test("the channel has the client's options for reconnects and keepalive", async () => {
  const { channelOptions } = await import("#dist/connection.js");
  const options = channelOptions("payments.example:50051", {}, "");
  assert.deepEqual(
    ["initial_reconnect_backoff_ms", "max_reconnect_backoff_ms", "keepalive_time_ms", "keepalive_timeout_ms"].map(
      (name) => options[`grpc.${name}`] as unknown,
    ),
    [100, 1_000, 60_000, 5_000],
  );
  assert.ok(!("grpc.enable_http_proxy" in options));
});
